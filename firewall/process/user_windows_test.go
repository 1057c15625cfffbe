package process

import (
	"os"
	"os/user"
	"testing"
	"time"
)

func TestTheUserOfAProcessIsKnownByItsSID(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	p, err := open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if got := UserOf(os.Getpid(), p.started); got != me.Uid {
		t.Errorf("this process is of %q, want %q", got, me.Uid)
	}
	if got := UserOf(os.Getpid(), p.started.Add(-time.Hour)); got != "" {
		t.Errorf("a process before it is of %q", got)
	}
}
