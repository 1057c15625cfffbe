package app

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// TestTheSocketTakesOnlyWhatItKnows sends requests that no client of ours
// makes.
func TestTheSocketTakesOnlyWhatItKnows(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", r.socket)
	}}}
	defer client.CloseIdleConnections()
	for _, test := range []struct {
		name, method, path, body, token string
		status                          int
		says                            string
	}{
		{"an unknown field", "POST", "/v1/mode", `{"mode":"off","really":true}`, "", 400, "unknown field"},
		{"an unknown mode", "POST", "/v1/mode", `{"mode":"loud"}`, "", 400, "want ask"},
		{"two values", "POST", "/v1/mode", `{"mode":"off"}{"mode":"off"}`, "", 400, "more than one value"},
		{"no value", "POST", "/v1/mode", ``, "", 400, "read the request"},
		{"too much", "POST", "/v1/rules", `{"note":"` + strings.Repeat("x", 1<<20) + `"}`, "", 400, "too large"},
		{"a wrong type", "POST", "/v1/rules", `{"port":"http"}`, "", 400, "port"},
		{"a port out of range", "POST", "/v1/rules", `{"port":70000}`, "", 400, "port"},
		{"a made up token", "GET", "/v1/status", ``, "made-up", 403, "connect again"},
		{"an unknown request", "GET", "/v1/secrets", ``, "", 404, ""},
		{"a wrong method", "PUT", "/v1/mode", `{"mode":"off"}`, "", 405, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), test.method, "http://engine"+test.path, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			if test.token != "" {
				req.Header.Set("Sallyport-Token", test.token)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != test.status || !strings.Contains(string(text), test.says) {
				t.Errorf("answered %s %s, want %d %s", resp.Status, text, test.status, test.says)
			}
		})
	}
	if s, err := r.Status(t.Context()); err != nil || s.Mode != firewall.ModeAsk || s.Rules != 0 {
		t.Fatalf("something came through: %+v %v", s, err)
	}
}
