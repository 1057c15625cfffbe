package app

import (
	"fmt"

	"github.com/spf13/cobra"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

func zonesCommand(e *env) *cobra.Command {
	list := func(cmd *cobra.Command, _ []string) error {
		ns, err := e.client().Networks(cmd.Context())
		if err != nil {
			return err
		}
		return e.showNetworks(ns)
	}
	c := withJSON(&cobra.Command{
		Use: "zones", Short: "Show networks and addresses with their zones, and say what they are", RunE: list,
		Long: `Show networks and addresses with their zones, and say what they are.
A network is recognised by the hardware address of its gateway and its prefix; it counts
only while this computer is on it. Rules may name a zone: --remote trusted|internet.
  trusted   networks and addresses that you trust
  internet  everything else
  blocked   nothing is exchanged with these addresses, whatever rules say`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("zones has no command %q: want list, set or forget", args[0])
			}
			return nil
		},
	})
	c.AddCommand(
		withJSON(&cobra.Command{Use: "list", Short: "Show networks and addresses with their zones", Args: arguments(0, 0, ""), RunE: list}),
		&cobra.Command{
			Use: "set NETWORK|ADDRESS trusted|internet|blocked", Short: "Say what a network is, or put addresses into a zone",
			Example: "  sallyport zones set '00:00:5e:00:53:01 192.168.1.0/24' trusted\n  sallyport zones set 203.0.113.0/24 blocked",
			Args:    arguments(2, 2, "a network of the list, an address or a prefix, and a zone"),
			RunE: func(cmd *cobra.Command, args []string) error {
				var z firewall.Zone
				if err := z.UnmarshalText([]byte(args[1])); err != nil || z < firewall.TrustedZone {
					return usagef("zone %q: want trusted, internet or blocked", args[1])
				}
				return asUsage(e.client().SetZone(cmd.Context(), args[0], z))
			},
		},
		&cobra.Command{
			Use: "forget NETWORK|ADDRESS", Short: "Forget a network, which is new then, or take addresses out of their zone", Args: arguments(1, 1, "a network of the list, an address or a prefix"),
			RunE: func(cmd *cobra.Command, args []string) error {
				return asUsage(e.client().SetZone(cmd.Context(), args[0], firewall.AnyZone))
			},
		})
	return c
}

func (e *env) showNetworks(ns []ui.Network) error {
	t := &table{env: e}
	t.row("NETWORK", "ZONE", "NOW", "INTERFACE", "LAST SEEN")
	for _, n := range ns {
		if e.json {
			if err := e.printJSON(n); err != nil {
				return err
			}
			continue
		}
		zone, now := n.Zone.String(), ""
		if zone == "" {
			zone = "not said"
		}
		if n.Here {
			now = "here"
		}
		t.row(n.ID, zone, now, n.Interface, n.Last.Local().Format("2 Jan 2006 15:04"))
	}
	switch {
	case e.json:
	case len(ns) == 0:
		fmt.Fprintln(e.out, "no network is known, and no address is in a zone: all is internet")
	default:
		t.print()
	}
	return nil
}
