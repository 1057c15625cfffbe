package wine

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"

	"sallyport.dev/sallyport/firewall/windivert/windiverttest"
)

// TestMain has this test, built for Windows, be the programs that a story needs
// in Wine beside ours; it has no tests there.
func TestMain(m *testing.M) {
	if len(os.Args) != 4 {
		os.Exit(m.Run())
	}
	var err error
	switch role := os.Args[1]; role {
	case "carry":
		err = carry(os.Args[2], os.Args[3])
	case "connect":
		err = connect(os.Args[2], os.Args[3])
	default:
		err = fmt.Errorf("no such role: %s", role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// carry carries packets between the network outside and the driver's stand-in.
func carry(network, address string) error {
	conn, err := net.Dial(network, address)
	if err != nil {
		return err
	}
	line := windiverttest.NewLine(conn)
	defer line.Close()
	return windiverttest.Carry(line)
}

// connect is a program that connects. It says its process id first, and goes on
// when it is told to; then it says what came of it.
func connect(from, to string) error {
	fmt.Println(os.Getpid())
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return fmt.Errorf("wait for the word to connect: %w", err)
	}
	fmt.Println(windiverttest.Dial(netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)))
	return nil
}
