//go:build !windows

package process

import "sallyport.dev/sallyport/firewall"

// proofOf asks the system's packages.
func proofOf(path string) firewall.Proof {
	o, ok := OwnerOf(path)
	if !ok || !o.Intact {
		return firewall.Proof{}
	}
	return firewall.Proof{Package: o.Manager + ":" + o.Name, Version: o.Version}
}
