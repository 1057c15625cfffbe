package app

import (
	"errors"

	"sallyport.dev/sallyport/firewall/wfp"
	"sallyport.dev/sallyport/firewall/windivert"
)

// recoverBackend removes what an engine left: rules of the filtering platform
// and the driver's service.
func recoverBackend(bool) ([]string, error) {
	removed, err := new(wfp.Guard).Remove()
	driver, failed := removeDriver()
	return append(removed, driver...), errors.Join(err, failed)
}

func removeDriver() ([]string, error) {
	gone, err := windivert.RemoveDriver()
	if gone {
		return []string{"the driver's service WinDivert"}, err
	}
	return nil, err
}
