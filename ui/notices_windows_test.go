package ui

import (
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

var procSendMessage = user32.NewProc("SendMessageW")

func TestAClickOnTheNotificationLeadsToTheQuestion(t *testing.T) {
	clicked := make(chan struct{}, 1)
	n := newNotices(func() { clicked <- struct{}{} })
	if n.window == 0 || n.icon == 0 {
		t.Fatalf("window %x, icon %x", n.window, n.icon)
	}
	p := Prompt{Program: `C:\Windows\curl.exe`, Protocol: firewall.TCP, Host: "example.org", Port: 443}
	if !promptIsSeen() {
		t.Error("nobody sees the prompt here")
	}
	n.show(p) // nothing is sent: the prompt is seen
	if HasTrayHost() {
		if err := n.send(p); err != nil {
			t.Error(err)
		}
	}
	// What the system does when the notification is clicked.
	procSendMessage.Call(n.window, noticeMessage, 1, ninBalloonClick)
	select {
	case <-clicked:
	case <-time.After(10 * time.Second):
		t.Error("the click leads nowhere")
	}
	n.close()
}
