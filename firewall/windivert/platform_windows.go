package windivert

// platform is the driver and the system that this process runs on.
func platform(Config) (driver, system, error) { return winDivert{}, newSystem(), nil }
