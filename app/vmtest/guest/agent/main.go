// agent runs in the guest and executes commands for the test over a virtio
// serial port, any number at once: a test can keep a held connection open and
// go on asking.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"sallyport.dev/sallyport/app/vmtest/guest"
)

func main() {
	os.Setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	os.Setenv("HOME", "/root")
	port := openPort()
	var writing sync.Mutex
	in := bufio.NewReaderSize(port, 1<<16)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil { // nobody is connected on the other side yet
			time.Sleep(10 * time.Millisecond)
			continue
		}
		var request guest.Request
		if json.Unmarshal(line, &request) != nil {
			continue // the rest of a line that a reconnect cut
		}
		go func() {
			answer, _ := json.Marshal(run(request))
			writing.Lock()
			defer writing.Unlock()
			port.Write(append(answer, '\n'))
		}()
	}
}

// openPort waits for the only virtio serial port; its number depends on the
// order of devices.
func openPort() *os.File {
	for {
		if found, _ := filepath.Glob("/dev/vport*p1"); len(found) > 0 {
			if port, err := os.OpenFile(found[0], os.O_RDWR, 0); err == nil {
				return port
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func run(r guest.Request) guest.Response {
	ctx, cancel := context.WithTimeout(context.Background(), r.Limit)
	defer cancel()
	var stdout, stderr bytes.Buffer
	c := exec.CommandContext(ctx, "bash", "-c", r.Script)
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(r.Stdin), &stdout, &stderr
	c.WaitDelay = time.Second // a daemon left behind with our pipe must not hold the answer up
	err := c.Run()
	answer := guest.Response{ID: r.ID}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		answer.Code = 124
	case errors.As(err, &exit):
		answer.Code = exit.ExitCode()
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		answer.Code = 127
		stderr.WriteString(err.Error())
	}
	answer.Stdout, answer.Stderr = stdout.Bytes(), stderr.Bytes()
	return answer
}
