package windivert

import "net/netip"

// carrierVariable tells the engine in Wine where the network is.
const carrierVariable = "SALLYPORT_TEST_CARRIER"

// message goes between the engine in Wine and the network outside.
type message struct {
	// Kind is "packet", "dial", "answer" or "end" on the way to the engine,
	// and "ready", "out", "in", "prompt", "dialled", "step" or "done" on the way back.
	Kind     string
	Packet   []byte
	From, To netip.AddrPort
	Text     string
}
