package netfilter

import (
	"fmt"
	"net/netip"
)

// heed has the kernel copy what is said with these DNS servers, and with
// others only now and then.
func (k *kernelSide) heed(resolvers []netip.Addr) error {
	configured := make(map[kernelAddress]bool, len(resolvers))
	for _, addr := range resolvers {
		key := kernelAddress{Words: addressWords(addr)}
		configured[key] = true
		if err := k.Resolvers.Put(&key, uint32(1)); err != nil {
			return fmt.Errorf("tell the kernel side of the resolver %s: %w", addr, err)
		}
	}
	var former []kernelAddress
	err := each(k.Resolvers, func(key kernelAddress, _ uint32) {
		if !configured[key] {
			former = append(former, key)
		}
	})
	for _, key := range former {
		k.Resolvers.Delete(&key)
	}
	return err
}

// configured takes the resolvers, at the start and whenever they change.
func (r *run) configured(resolvers []netip.Addr) {
	if err := r.kernel.heed(resolvers); err != nil {
		r.log.Warn("names are learnt more slowly", "error", err)
	}
	r.cache.moved(resolvers)
}
