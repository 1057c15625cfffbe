//go:build cgo && !race && e2e && (linux || windows)

package app

import (
	"encoding/json"
	"image/png"
	"net"
	"os"
	"path/filepath"
	"strings"

	"fyne.io/fyne/v2"

	"sallyport.dev/sallyport/ui"
)

// inspect lets an end-to-end test find buttons and take pictures through the
// socket that SALLYPORT_E2E_SOCKET names: its path, or HOST:PORT. Each connection is one command, a
// line: "dump", "open PAGE", or "picture prompt|main FILE".
func inspect(u *ui.UI) {
	network, address := "tcp", os.Getenv("SALLYPORT_E2E_SOCKET")
	if filepath.IsAbs(address) {
		network = "unix"
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			line := make([]byte, 4096)
			n, _ := conn.Read(line)
			words := strings.Fields(string(line[:n]))
			if len(words) > 0 {
				fyne.DoAndWait(func() { obey(u, conn, words) })
			}
			conn.Close()
		}
	}()
}

func obey(u *ui.UI, conn net.Conn, words []string) {
	switch words[0] {
	case "dump":
		json.NewEncoder(conn).Encode(u.Inspect())
	case "open":
		u.ShowMain(ui.View(words[1]))
		json.NewEncoder(conn).Encode("opened")
	case "picture":
		f, err := os.Create(words[2])
		if err == nil {
			err = png.Encode(f, u.Window(words[1]).Canvas().Capture())
			f.Close()
		}
		if err != nil {
			panic(err)
		}
		json.NewEncoder(conn).Encode("taken")
	}
}
