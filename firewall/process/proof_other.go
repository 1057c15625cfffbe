//go:build !windows

package process

import (
	"io"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/appimage"
)

// proofOf asks the system's packages, and an AppImage who signed it.
func proofOf(path string, all *io.SectionReader) firewall.Proof {
	if o, ok := OwnerOf(path); ok && o.Intact {
		return firewall.Proof{Package: o.Manager + ":" + o.Name, Version: o.Version}
	}
	if made, err := appimage.Verify(all, all.Size()); err == nil {
		return firewall.Proof{Signer: "OpenPGP key " + made.Key, Product: made.Update}
	}
	return firewall.Proof{}
}
