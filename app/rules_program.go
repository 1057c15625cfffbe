package app

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/interpreter"
)

// programFlags are the ways in which a command names the program of a rule.
type programFlags struct {
	program string // a path, or what Rule.Program takes otherwise
	service string // of the program
	script  string // that the program, an interpreter, runs
	family  string
	signer  string
	product string
}

func (p *programFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&p.program, "program", "", "path of the program, or its package as in snap:firefox/usr/lib/firefox/firefox, flatpak:org.mozilla.firefox or nix:curl/bin/curl; kernel; or * for any program")
	f.StringVar(&p.service, "service", "", "only this service of the program, which hosts several (Windows)")
	f.StringVar(&p.script, "script", "", "only this script of the program, which is an interpreter such as /usr/bin/python3; of one that others than root can replace, only what that very one runs")
	f.StringVar(&p.family, "package", "", "instead of a program: the family name of a package (Windows)")
	f.StringVar(&p.signer, "signer", "", "instead of a program: whose verified signature it has; goes with --product (Windows)")
	f.StringVar(&p.product, "product", "", "the product name in the signed file (Windows)")
}

// text returns what the flags name in the form that a rule has, or "" if they
// name nothing. Whether it makes sense, the rule's validation says.
func (p *programFlags) text() (string, error) {
	signed := p.signer != "" || p.product != ""
	switch {
	case p.program != "" && (p.family != "" || signed), p.family != "" && signed:
		return "", errors.New("want one of --program, --package, and --signer with --product")
	case p.service != "" && p.program == "":
		return "", errors.New("--service goes with --program, the path of the program that hosts it")
	case p.script != "" && p.service != "":
		return "", errors.New("want one of --service and --script")
	case p.script != "":
		by, ok := interpreter.Of(p.program)
		if !ok {
			return "", fmt.Errorf("--script goes with --program, an interpreter of %s", strings.Join(firewall.Families, ", "))
		}
		if own := ownInterpreter(p.program); own != "" {
			by = own // and only what this one runs
		}
		return "script:" + by + ":" + p.script, nil
	case p.service != "":
		return "service:" + p.service + ":" + p.program, nil
	case p.family != "":
		return "package:" + p.family, nil
	case signed:
		return "signer:" + p.signer + "/product:" + p.product, nil
	}
	return p.program, nil
}
