package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"

	"sallyport.dev/sallyport/firewall"
)

// runService runs the engine as a service. The service manager must have
// started this process.
func runService(ctx context.Context, o engineOptions) error {
	if events, err := eventlog.Open(serviceName); err == nil {
		defer events.Close()
		slog.SetDefault(slog.New(newEventHandler(events)))
	}
	s := &engineService{ctx: ctx, options: o}
	if err := svc.Run(serviceName, s); err != nil {
		return fmt.Errorf("run as a service: %w", err)
	}
	return s.err
}

// engineService is the engine, started and stopped by the service manager.
type engineService struct {
	ctx     context.Context
	options engineOptions
	err     error // why it ended
}

// Execute runs the engine until the manager stops it. An engine that fails is
// restarted: it ends with a status that is not zero.
func (s *engineService) Execute(_ []string, requests <-chan svc.ChangeRequest, states chan<- svc.Status) (specific bool, exit uint32) {
	const accepted = svc.AcceptStop | svc.AcceptShutdown | svc.AcceptPreShutdown
	patience := uint32(servicePatience.Milliseconds())
	now := svc.Status{State: svc.StartPending, WaitHint: patience}
	states <- now
	ctx, stop := context.WithCancelCause(s.ctx)
	defer stop(nil)
	ready, ended := make(chan struct{}), make(chan error, 1)
	s.options.ready = func(*Control) { close(ready) }
	go func() { ended <- runEngine(ctx, s.options) }()
	for {
		select {
		case <-ready:
			ready = nil
			if now.State == svc.StartPending {
				now = svc.Status{State: svc.Running, Accepts: accepted}
				states <- now
			}
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				states <- now
			case svc.Stop, svc.Shutdown, svc.PreShutdown:
				now = svc.Status{State: svc.StopPending, WaitHint: patience}
				states <- now
				if r.Cmd == svc.Stop {
					stop(nil)
				} else {
					stop(firewall.ErrHandOver) // the engine of the next start follows
				}
			}
		case s.err = <-ended:
			if s.err != nil {
				slog.Error(s.err.Error())
				return true, failed
			}
			return false, done
		}
	}
}

// eventHandler writes diagnostics to the event log.
type eventHandler struct {
	slog.Handler // writes into line
	mu           *sync.Mutex
	line         *bytes.Buffer
	events       *eventlog.Log
}

// eventID is the one that EventCreate's messages have for plain text.
const eventID = 1

func newEventHandler(events *eventlog.Log) eventHandler {
	line := &bytes.Buffer{}
	return eventHandler{slog.NewTextHandler(line, nil), &sync.Mutex{}, line, events}
}

// Handle writes one event.
func (h eventHandler) Handle(ctx context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.line.Reset()
	if err := h.Handler.Handle(ctx, r); err != nil {
		return err
	}
	write := h.events.Info
	switch {
	case r.Level >= slog.LevelError:
		write = h.events.Error
	case r.Level >= slog.LevelWarn:
		write = h.events.Warning
	}
	return write(eventID, h.line.String())
}

// WithAttrs returns a handler that adds attributes.
func (h eventHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.Handler = h.Handler.WithAttrs(attrs)
	return h
}

// WithGroup returns a handler whose attributes are in a group.
func (h eventHandler) WithGroup(name string) slog.Handler {
	h.Handler = h.Handler.WithGroup(name)
	return h
}

// eventlogIsNew tells whether the event log does not know the service.
func eventlogIsNew() bool {
	key, err := registry.OpenKey(registry.LOCAL_MACHINE, `SYSTEM\CurrentControlSet\Services\EventLog\Application\`+serviceName, registry.QUERY_VALUE)
	if err == nil {
		key.Close()
	}
	return errors.Is(err, windows.ERROR_FILE_NOT_FOUND)
}
