package windivert

import (
	"fmt"
	"runtime"
	"unsafe"

	divert "github.com/imgk/divert-go"
	"golang.org/x/sys/windows"
)

// The driver's requests. divert-go knows them too and exports none.
const (
	requestReceive  = 0x12<<16 | 1<<14 | 0x923<<2 | 2
	requestSend     = 0x12<<16 | 3<<14 | 0x924<<2 | 1
	requestSet      = 0x12<<16 | 3<<14 | 0x925<<2 | 1
	requestShutdown = 0x12<<16 | 3<<14 | 0x927<<2 | 1
)

// slot is the memory of one request at a time. It lies outside of Go's heap and
// stacks: the driver writes to it while it answers, and by then Go may have
// moved the stack of the goroutine that asked.
type slot struct {
	overlapped windows.Overlapped
	message    [2]uint64
	done       uint32 // bytes
	room       uint32 // for addresses, then their size; bytes
	address    address
	packet     [maxPacket]byte
}

func newSlot() (*slot, error) {
	memory, err := windows.VirtualAlloc(0, unsafe.Sizeof(slot{}), windows.MEM_COMMIT|windows.MEM_RESERVE, windows.PAGE_READWRITE)
	if err != nil {
		return nil, fmt.Errorf("allocate memory for the driver: %w", err)
	}
	s := *(**slot)(unsafe.Pointer(&memory))
	if s.overlapped.HEvent, err = windows.CreateEvent(nil, 1, 0, nil); err != nil {
		s.free()
		return nil, fmt.Errorf("create an event: %w", err)
	}
	return s, nil
}

func (s *slot) free() {
	if s.overlapped.HEvent != 0 {
		windows.CloseHandle(s.overlapped.HEvent)
	}
	windows.VirtualFree(uintptr(unsafe.Pointer(s)), 0, windows.MEM_RELEASE)
}

// ask sends the request in message, with n bytes of packet, and waits for the
// answer. The error is a [divert.Error].
func (s *slot) ask(h windows.Handle, code uint32, n int) error {
	// Windows cancels a request whose thread ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s.overlapped = windows.Overlapped{HEvent: s.overlapped.HEvent}
	s.done = 0
	err := windows.DeviceIoControl(h, code, (*byte)(unsafe.Pointer(&s.message)), uint32(unsafe.Sizeof(s.message)),
		&s.packet[0], uint32(n), nil, &s.overlapped)
	if err == nil || err == windows.ERROR_IO_PENDING {
		err = windows.GetOverlappedResult(h, &s.overlapped, &s.done, true)
	}
	if errno, ok := err.(windows.Errno); ok {
		return divert.Error(errno)
	}
	return err
}

// receive asks for one packet or event, into packet and address.
func (s *slot) receive(h windows.Handle) (n int, err error) {
	// An answer without an address must not have the last one's.
	s.address = address{}
	s.room = addressSize
	s.message = [2]uint64{uint64(uintptr(unsafe.Pointer(&s.address))), uint64(uintptr(unsafe.Pointer(&s.room)))}
	err = s.ask(h, requestReceive, len(s.packet))
	return int(s.done), err
}

// send injects n bytes of packet with address.
func (s *slot) send(h windows.Handle, n int) error {
	s.message = [2]uint64{uint64(uintptr(unsafe.Pointer(&s.address))), addressSize}
	return s.ask(h, requestSend, n)
}

func (s *slot) set(h windows.Handle, parameter divert.Param, value uint64) error {
	s.message = [2]uint64{value, uint64(parameter)}
	return s.ask(h, requestSet, 0)
}

// shutdownReceive is the driver's number; divert-go's constant is another.
const shutdownReceive = 1

func (s *slot) shutdown(h windows.Handle) error {
	s.message = [2]uint64{shutdownReceive}
	return s.ask(h, requestShutdown, 0)
}
