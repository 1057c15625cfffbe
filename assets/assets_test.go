package assets

import (
	"bytes"
	"image/png"
	"testing"
)

func TestServiceNamesPorts(t *testing.T) {
	for _, c := range []struct {
		protocol string
		port     uint16
		want     string
	}{
		{"tcp", 443, "https"}, {"udp", 53, "domain"}, {"tcp", 22, "ssh"}, {"udp", 123, "ntp"},
		{"tcp", 6063, "x11"}, {"udplite", 53, "domain"}, {"icmp", 8, ""}, {"tcp", 0, ""}, {"tcp", 65000, ""}, {"", 80, ""},
	} {
		if got := Service(c.protocol, c.port); got != c.want {
			t.Errorf("Service(%q, %d) = %q, want %q", c.protocol, c.port, got, c.want)
		}
	}
}

func TestIconsAreDrawn(t *testing.T) {
	for name, icon := range map[string][]byte{
		"asking": TrayAsking, "off": TrayOff, "locked": TrayLocked, "waiting": TrayWaiting, "gone": TrayGone, "app": AppIcon,
	} {
		img, err := png.Decode(bytes.NewReader(icon))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		middle := img.Bounds().Size().Div(2)
		if _, _, _, alpha := img.At(middle.X, middle.Y).RGBA(); alpha == 0 {
			t.Errorf("%s: the middle is empty", name)
		}
	}
}
