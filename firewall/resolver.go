package firewall

import "strings"

// resolvers are the programs that ask for names for all others on this
// computer, and the folders in which systems install them.
var (
	resolvers       = []string{"systemd-resolved", "dnsmasq", "unbound", "named", "kresd", "pdns_recursor", "dnscrypt-proxy", "stubby"}
	resolverFolders = []string{"/usr/lib/systemd/", "/lib/systemd/", "/usr/sbin/", "/usr/bin/", "/usr/local/sbin/"}
)

const (
	resolverService = servicePrefix + "Dnscache:" // of Windows
	resolverMark    = " (local resolver)"
)

// IsLocalResolver tells whether a rule's program, by its ID, is one that asks
// for names on behalf of all programs of this computer: which one wanted to know
// a name, nobody can tell then. A file elsewhere only has the name of one.
func IsLocalResolver(id string) bool {
	if strings.HasPrefix(id, resolverService) {
		return true
	}
	for _, folder := range resolverFolders {
		name, ok := strings.CutPrefix(id, folder)
		for _, resolver := range resolvers {
			if ok && name == resolver {
				return true
			}
		}
	}
	return false
}
