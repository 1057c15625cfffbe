package windiverttest

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/windows"
)

// The requests of ../testdata/standin/standin.h.
const (
	requestInject  = 0x12<<16 | 3<<14 | 0x801<<2
	requestDrain   = 0x12<<16 | 3<<14 | 0x802<<2
	requestHandles = 0x12<<16 | 3<<14 | 0x803<<2
	requestLose    = 0x12<<16 | 3<<14 | 0x804<<2
)

// StandIn is the stand-in driver as tests see it. It takes one request at a
// time.
type StandIn struct{ device windows.Handle }

// Record is a packet, or an event, which has no bytes, with its address.
type Record struct {
	Address Address
	Packet  []byte
}

// Handle is what the stand-in knows of an open handle.
type Handle struct {
	Layer, PID, Flags               uint32
	Priority                        int32
	WaitingRequests, WaitingPackets uint32
	Shut                            uint32
	QueueLength, QueueTime          uint32
	QueueSize                       uint32
}

// Open opens the stand-in, which runs where WinDivert's driver would.
func Open() (*StandIn, error) {
	name, err := windows.UTF16PtrFromString(`\\.\WinDivertStandIn`)
	if err != nil {
		return nil, err
	}
	device, err := windows.CreateFile(name, windows.GENERIC_READ|windows.GENERIC_WRITE, 0, nil, windows.OPEN_EXISTING, 0, 0)
	if err != nil {
		return nil, fmt.Errorf("open the stand-in for the driver: %w", err)
	}
	return &StandIn{device}, nil
}

// Close closes the stand-in; the driver runs on.
func (s *StandIn) Close() error { return windows.CloseHandle(s.device) }

func (s *StandIn) request(code uint32, in, out []byte) ([]byte, error) {
	// The kernel wants an address also where there are no bytes.
	in, out = append(in, 0), append(out, 0)
	var n uint32
	if err := windows.DeviceIoControl(s.device, code, &in[0], uint32(len(in)-1), &out[0], uint32(len(out)-1), &n, nil); err != nil {
		return nil, fmt.Errorf("the stand-in's request %#x: %w", code, err)
	}
	return out[:n], nil
}

// Inject has packets and events arrive; it tells how many some handle met.
func (s *StandIn) Inject(records ...Record) (met int, err error) {
	var in []byte
	for _, r := range records {
		in = binary.LittleEndian.AppendUint32(in, uint32(len(r.Packet)))
		in = append(in, r.Address[:]...)
		in = append(in, r.Packet...)
	}
	out, err := s.request(requestInject, in, make([]byte, 4))
	if err != nil {
		return 0, err
	}
	return int(binary.LittleEndian.Uint32(out)), nil
}

// Drain returns the packets that have left since the last time.
func (s *StandIn) Drain() (records []Record, err error) {
	for {
		out, err := s.request(requestDrain, nil, make([]byte, 1<<20))
		if err != nil || len(out) == 0 {
			return records, err
		}
		for len(out) > 0 {
			n := binary.LittleEndian.Uint32(out)
			const head = 4 + len(Address{})
			records = append(records, Record{Address(out[4:head]), out[head:][:n]})
			out = out[head+int(n):]
		}
	}
}

// Handles lists the open handles of the driver.
func (s *StandIn) Handles() ([]Handle, error) {
	out, err := s.request(requestHandles, nil, make([]byte, 64*binary.Size(Handle{})))
	if err != nil {
		return nil, err
	}
	open := make([]Handle, len(out)/binary.Size(Handle{}))
	return open, binary.Read(bytes.NewReader(out), binary.LittleEndian, open)
}

// Lose has every open handle fail from now on.
func (s *StandIn) Lose() error {
	_, err := s.request(requestLose, nil, nil)
	return err
}
