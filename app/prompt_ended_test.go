package app

import (
	"testing"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/process"
)

func TestAQuestionSaysThatItsProgramHasEnded(t *testing.T) {
	c := startSleeper(t)
	facts, err := process.Of(c.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	p := firewall.Prompt{Newest: firewall.Attempt{PID: c.Process.Pid, Started: facts.Started}, Expired: true}
	if promptOut(p, known{}).Ended {
		t.Error("it runs, but is said to have ended")
	}
	c.Process.Kill()
	c.Wait()
	if !promptOut(p, known{}).Ended {
		t.Error("it has ended, but nothing says so")
	}
	if p.Expired = false; promptOut(p, known{}).Ended {
		t.Error("another of its processes waits for the answer")
	}
	if p.Expired, p.Newest.PID = true, 0; promptOut(p, known{}).Ended {
		t.Error("nobody knows its process, but it is said to have ended")
	}
}
