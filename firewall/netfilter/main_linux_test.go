package netfilter_test

import (
	"fmt"
	"os"
	"testing"
)

// The tests run in several processes, all of them this binary: the test
// itself; one that holds the client's namespaces open; the peer, with
// namespaces and servers of its own; and the engine, which must be killable.
const roleVariable = "SALLYPORT_TEST_ROLE"

func TestMain(m *testing.M) {
	roles := map[string]func() error{"holder": holderRole, "peer": peerRole, "engine": engineRole, "recover": recoverRole, "deadmount": deadMountRole}
	if role, ok := roles[os.Getenv(roleVariable)]; ok {
		if err := role(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	os.RemoveAll(builtPrograms)
	os.Exit(code)
}
