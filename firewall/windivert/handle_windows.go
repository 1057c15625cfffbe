package windivert

import (
	"errors"
	"fmt"
	"sync"

	divert "github.com/imgk/divert-go"
	"golang.org/x/sys/windows"
)

// errClosed is the error of a call on a handle that is closed.
var errClosed = errors.New("the handle is closed")

// divertHandle is an open handle of WinDivert's driver. Its requests are our
// own: divert-go's give the driver memory that Go may move (see [slot]).
type divertHandle struct {
	opened *divert.Handle

	receiving sync.Mutex // guards in
	in        *slot

	asking sync.Mutex // guards out
	out    *slot

	ending chan struct{} // closed when close begins
	once   sync.Once
	err    error // of close
}

// newHandle takes over an open handle, and gives it the longest queue that the
// driver offers: what waits there too long is dropped.
func newHandle(opened *divert.Handle) (*divertHandle, error) {
	h := &divertHandle{opened: opened, ending: make(chan struct{})}
	err := h.prepare()
	if err != nil {
		h.release()
		return nil, err
	}
	return h, nil
}

func (h *divertHandle) prepare() (err error) {
	if h.in, err = newSlot(); err != nil {
		return err
	}
	if h.out, err = newSlot(); err != nil {
		return err
	}
	for _, p := range []struct {
		name      string
		parameter divert.Param
		value     uint64
	}{
		{"length", divert.QueueLength, divert.QueueLengthMax}, // packets
		{"time", divert.QueueTime, divert.QueueTimeMax},       // milliseconds
		{"size", divert.QueueSize, divert.QueueSizeMax},       // bytes
	} {
		if err := h.out.set(h.opened.Handle, p.parameter, p.value); err != nil {
			return fmt.Errorf("set the queue's %s to %d: %w", p.name, p.value, err)
		}
	}
	return nil
}

func (h *divertHandle) receive(buffer []byte) (int, address, error) {
	h.receiving.Lock()
	defer h.receiving.Unlock()
	if h.ended() {
		return 0, address{}, errDrained
	}
	n, err := h.in.receive(h.opened.Handle)
	switch {
	case err == nil, err == divert.ErrInsufficientBuffer:
		// What did not fit is for the caller to find: its header promises more.
		return copy(buffer, h.in.packet[:n]), h.in.address, nil
	case err == divert.ErrNoData, h.ended():
		return 0, address{}, errDrained
	}
	return 0, address{}, fmt.Errorf("the driver is lost: receive: %w", err)
}

func (h *divertHandle) send(packet []byte, a address) error {
	if len(packet) == 0 || len(packet) > maxPacket {
		return fmt.Errorf("send a packet: it has %d bytes, 1 to %d are possible", len(packet), maxPacket)
	}
	h.asking.Lock()
	defer h.asking.Unlock()
	if h.ended() {
		return fmt.Errorf("send a packet: %w", errClosed)
	}
	copy(h.out.packet[:], packet)
	h.out.address = a
	if err := h.out.send(h.opened.Handle, len(packet)); err != nil {
		return fmt.Errorf("send a packet: %w", err)
	}
	return nil
}

func (h *divertHandle) shutdown() error {
	h.asking.Lock()
	defer h.asking.Unlock()
	if h.ended() {
		return nil
	}
	return h.shutdownReceive()
}

func (h *divertHandle) shutdownReceive() error {
	if err := h.out.shutdown(h.opened.Handle); err != nil {
		return fmt.Errorf("shut the handle down: %w", err)
	}
	return nil
}

// close also ends a receive that waits. Whatever is still in the queue, the
// driver lets go.
func (h *divertHandle) close() error {
	h.once.Do(func() {
		close(h.ending)
		h.asking.Lock()
		defer h.asking.Unlock()
		if h.shutdownReceive() != nil {
			windows.CancelIoEx(h.opened.Handle, nil)
		}
		h.receiving.Lock()
		defer h.receiving.Unlock()
		h.err = h.release()
	})
	return h.err
}

func (h *divertHandle) ended() bool {
	select {
	case <-h.ending:
		return true
	default:
		return false
	}
}

// release gives everything back; nobody uses the handle any more.
func (h *divertHandle) release() error {
	err := h.opened.Close()
	for _, s := range []*slot{h.in, h.out} {
		if s != nil {
			s.free()
		}
	}
	if err != nil {
		return fmt.Errorf("close the handle: %w", err)
	}
	return nil
}
