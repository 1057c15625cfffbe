package app

import (
	"github.com/spf13/cobra"
)

func runCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "run [--] COMMAND…",
		Short: "Run one command under the firewall; nothing else on the computer is touched",
		Long: "Run one command under the firewall, in a cgroup of its own, as the person who calls.\n" +
			"Questions are asked on the terminal. Nothing else on the computer is touched, and\nnothing is remembered. Its exit status is the command's, and what the command leaves\nrunning ends with it. It needs root: sudo sallyport run curl https://example.org",
		Args: arguments(1, 1<<20, "a command"),
		RunE: func(cmd *cobra.Command, args []string) error { return e.runUnder(cmd.Context(), args) },
	}
	c.Flags().SetInterspersed(false)
	return c
}
