package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"github.com/spf13/cobra"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
	"golang.org/x/sys/windows/svc/mgr"

	"sallyport.dev/sallyport/app/link"
)

const (
	// serviceName is the engine's, to Windows and in the event log.
	serviceName = "Sallyport"
	// servicePatience is how long starting and stopping may take; stopping ends
	// by itself after stopPatience.
	servicePatience = stopPatience + 10*time.Second
)

func serviceCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use: "service COMMAND", Short: "Install, start, stop or remove the engine as a Windows service; as administrator",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("service needs a command\nSee: %s --help", cmd.CommandPath())
			}
			return usagef("service has no command %q\nSee: %s --help", args[0], cmd.CommandPath())
		},
	}
	for _, sub := range []struct {
		use, short string
		run        func(*env, context.Context) error
		anybody    bool
	}{
		{"install", "Make the engine a service that starts with the computer", (*env).installService, false},
		{"uninstall", "Stop the service and remove it; rules and log stay", (*env).uninstallService, false},
		{"start", "Start the service, and wait until the firewall is in force", (*env).startService, false},
		{"stop", "Stop the service, and wait until networking is as it was found", (*env).stopService, false},
		{"status", "Show whether the service is installed and runs", (*env).showService, true},
	} {
		c.AddCommand(&cobra.Command{
			Use: sub.use, Short: sub.short, Args: arguments(0, 0, ""),
			RunE: func(cmd *cobra.Command, _ []string) error {
				if err := needsAdministrator("service " + sub.use); err != nil && !sub.anybody {
					return err
				}
				return sub.run(e, cmd.Context())
			},
		})
	}
	return c
}

var errNoService = errors.New("the service is not installed: install it with: sallyport service install")

// openService opens the service with rights to it.
func openService(rights uint32) (*mgr.Service, error) {
	manager, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CONNECT)
	if err != nil {
		return nil, fmt.Errorf("open the service manager: %w", err)
	}
	defer windows.CloseServiceHandle(manager)
	name, err := windows.UTF16PtrFromString(serviceName)
	if err != nil {
		return nil, err
	}
	handle, err := windows.OpenService(manager, name, rights)
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return nil, errNoService
	}
	if err != nil {
		return nil, fmt.Errorf("open the service: %w", err)
	}
	return &mgr.Service{Name: serviceName, Handle: handle}, nil
}

func (e *env) installService(context.Context) error {
	// It runs as SYSTEM: whoever can change its file is the administrator.
	if err := link.Installed(-1); err != nil {
		return fmt.Errorf("install the service: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("install the service: %w", err)
	}
	manager, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("open the service manager: %w", err)
	}
	defer manager.Disconnect()
	s, err := manager.CreateService(serviceName, self, mgr.Config{
		DisplayName: "Sallyport firewall", StartType: mgr.StartAutomatic, ErrorControl: mgr.ErrorNormal,
		Description: "Asks before a program uses the network. While it does not run, programs connect without being asked.",
	}, "engine", "--"+serviceFlag)
	if errors.Is(err, windows.ERROR_SERVICE_EXISTS) {
		return errors.New("install the service: it is installed already: remove it with: sallyport service uninstall")
	}
	if err != nil {
		return fmt.Errorf("install the service: %w", err)
	}
	defer s.Close()
	if err := configure(s); err != nil {
		return errors.Join(fmt.Errorf("install the service: %w", err), s.Delete())
	}
	fmt.Fprintf(e.out, "installed the service %s\n", serviceName)
	return nil
}

// configure says what happens when the engine fails, and when the computer is
// shut down.
func configure(s *mgr.Service) error {
	again := mgr.RecoveryAction{Type: mgr.ServiceRestart, Delay: time.Second}
	later := mgr.RecoveryAction{Type: mgr.ServiceRestart, Delay: 30 * time.Second}
	if err := s.SetRecoveryActions([]mgr.RecoveryAction{again, again, later}, uint32((24 * time.Hour).Seconds())); err != nil {
		return fmt.Errorf("have it restarted: %w", err)
	}
	if err := s.SetRecoveryActionsOnNonCrashFailures(true); err != nil && !unknownLevel(err) {
		return fmt.Errorf("have it restarted: %w", err)
	}
	milliseconds := uint32(servicePatience.Milliseconds())
	if err := windows.ChangeServiceConfig2(s.Handle, windows.SERVICE_CONFIG_PRESHUTDOWN_INFO, (*byte)(unsafe.Pointer(&milliseconds))); err != nil && !unknownLevel(err) {
		return fmt.Errorf("have the shutdown wait for it: %w", err)
	}
	err := eventlog.InstallAsEventCreate(serviceName, eventlog.Info|eventlog.Warning|eventlog.Error)
	if err != nil && !errors.Is(err, os.ErrExist) && eventlogIsNew() {
		return fmt.Errorf("give it a place in the event log: %w", err)
	}
	return nil
}

// unknownLevel tells whether the service manager does not have a setting, as
// in Wine.
func unknownLevel(err error) bool { return errors.Is(err, windows.ERROR_INVALID_LEVEL) }

func (e *env) uninstallService(ctx context.Context) error {
	if err := e.stopService(ctx); err != nil {
		return err
	}
	s, err := openService(windows.DELETE)
	if errors.Is(err, errNoService) {
		return nil // which stopService has said
	}
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Delete(); err != nil && !errors.Is(err, windows.ERROR_SERVICE_MARKED_FOR_DELETE) {
		return fmt.Errorf("remove the service: %w", err)
	}
	if err := eventlog.Remove(serviceName); err != nil && !eventlogIsNew() {
		return fmt.Errorf("remove its place in the event log: %w", err)
	}
	fmt.Fprintf(e.out, "removed the service %s\n", serviceName)
	return nil
}

func (e *env) startService(ctx context.Context) error {
	s, err := openService(windows.SERVICE_START | windows.SERVICE_QUERY_STATUS)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Start(); err != nil && !errors.Is(err, windows.ERROR_SERVICE_ALREADY_RUNNING) {
		return fmt.Errorf("start the service: %w", err)
	}
	state, err := await(ctx, s, svc.StartPending)
	if err != nil {
		return fmt.Errorf("start the service: %w", err)
	}
	if state != svc.Running {
		return fmt.Errorf("the service is %s: the event log says why: look for %s in it", stateName(state), serviceName)
	}
	fmt.Fprintln(e.out, "the service runs")
	return nil
}

func (e *env) stopService(ctx context.Context) error {
	s, err := openService(windows.SERVICE_STOP | windows.SERVICE_QUERY_STATUS)
	if errors.Is(err, errNoService) {
		fmt.Fprintln(e.out, "the service is not installed")
		return nil
	}
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.Control(svc.Stop); err != nil && !errors.Is(err, windows.ERROR_SERVICE_NOT_ACTIVE) {
		return fmt.Errorf("stop the service: %w", err)
	}
	state, err := await(ctx, s, svc.Running, svc.StopPending)
	if err != nil {
		return fmt.Errorf("stop the service: %w", err)
	}
	if state != svc.Stopped {
		return fmt.Errorf("the service is still %s", stateName(state))
	}
	fmt.Fprintln(e.out, "the service is stopped")
	return nil
}

func (e *env) showService(context.Context) error {
	s, err := openService(windows.SERVICE_QUERY_STATUS)
	if errors.Is(err, errNoService) {
		fmt.Fprintln(e.out, "not installed")
		return nil
	}
	if err != nil {
		return err
	}
	defer s.Close()
	status, err := s.Query()
	if err != nil {
		return fmt.Errorf("ask for the service: %w", err)
	}
	fmt.Fprintln(e.out, stateName(status.State))
	return nil
}

// await waits until the service leaves the states given, for servicePatience.
func await(ctx context.Context, s *mgr.Service, passing ...svc.State) (svc.State, error) {
	ctx, cancel := context.WithTimeout(ctx, servicePatience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		status, err := s.Query()
		if err != nil {
			return 0, err
		}
		on := false
		for _, p := range passing {
			on = on || status.State == p
		}
		if !on {
			return status.State, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return status.State, nil
		}
	}
}

func stateName(s svc.State) string {
	switch s {
	case svc.Running:
		return "running"
	case svc.Stopped:
		return "stopped"
	case svc.StartPending:
		return "starting"
	case svc.StopPending:
		return "stopping"
	}
	return fmt.Sprintf("in state %d", s)
}
