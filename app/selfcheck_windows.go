package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"

	"github.com/spf13/cobra"
	"golang.org/x/sys/windows"

	"sallyport.dev/sallyport/firewall/windivert"
	"sallyport.dev/sallyport/ui"
)

func selfcheckCommand(e *env) *cobra.Command {
	var server string
	var sleep bool
	c := &cobra.Command{
		Use: "selfcheck", Short: "Show whether this computer does what the firewall relies on; as administrator", Args: arguments(0, 0, ""),
		Long: "Check, without an engine, what the firewall relies on and what no other computer can show.\n" +
			"Each point is printed with pass, FAIL or not checked, ready for a report. Meanwhile\nprograms connect without being asked. It takes about half a minute.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			check := windivert.Check{}
			if server != "" {
				var err error
				if check.Server, err = netip.ParseAddrPort(server); err != nil {
					return usagef("--server %s: want an address and a port, such as 192.0.2.1:443", server)
				}
			}
			if sleep {
				check.Sleep = e.askForSleep
			}
			return e.selfcheck(cmd.Context(), check)
		},
	}
	c.Flags().StringVar(&server, "server", "", "ADDRESS:PORT of a server that accepts connections, such as a web server")
	c.Flags().BoolVar(&sleep, "sleep", false, "also ask to put the computer to sleep and wake it")
	return c
}

func (e *env) selfcheck(ctx context.Context, check windivert.Check) error {
	if !windows.GetCurrentProcessToken().IsElevated() {
		return errors.New("selfcheck needs an administrator: run it from a terminal that was started as administrator")
	}
	if _, err := e.client().Status(ctx); !errors.Is(err, ui.ErrGone) {
		return errors.New("an engine runs, and would be checked along: stop it with: sallyport service stop")
	}
	v := windows.RtlGetVersion()
	fmt.Fprintf(e.out, "Sallyport %s on Windows %d.%d.%d %s\n", Version, v.MajorVersion, v.MinorVersion, v.BuildNumber, runtime.GOARCH)
	wrong := 0
	err := windivert.SelfCheck(ctx, check, func(p windivert.Point) {
		if p.Result == windivert.Fail {
			wrong++
		}
		fmt.Fprintf(e.out, "%-11s  %s\n             %s\n", p.Result, p.Name, clean(p.Detail))
	})
	if err == nil && wrong > 0 {
		err = exitStatus(failed)
	}
	return err
}

// askForSleep waits until a person put the computer to sleep and woke it.
func (e *env) askForSleep(ctx context.Context) bool {
	fmt.Fprint(e.out, "Put the computer to sleep, wake it, and press Enter here. ")
	done := make(chan bool, 1)
	go func() {
		_, err := bufio.NewReader(e.in).ReadString('\n')
		done <- err == nil
	}()
	select {
	case slept := <-done:
		return slept
	case <-ctx.Done():
		return false
	}
}
