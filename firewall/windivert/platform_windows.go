package windivert

import "sallyport.dev/sallyport/firewall/wfp"

// platform is the driver, the system and its filtering platform that this
// process runs on.
func platform(Config) (driver, system, guard, error) {
	return winDivert{}, newSystem(), new(wfp.Guard), nil
}
