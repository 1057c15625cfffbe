package link

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

const (
	dialPatience = 2 * time.Second
	readPatience = 15 * time.Second
	// A change may wait for a person who types a password for polkit.
	changePatience = 3 * time.Minute
)

// Client is a Control whose engine is another process.
type Client struct {
	path    string
	desktop bool
	session string
	http    *http.Client

	mu    sync.Mutex
	token string
}

var _ ui.Control = (*Client)(nil)

// NewClient uses the engine at an address, from a terminal. It connects when
// it is first asked for something, and again after the engine was gone.
func NewClient(path string) *Client {
	c := &Client{path: path}
	c.http = &http.Client{Transport: &http.Transport{
		DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, path) },
		MaxIdleConns:    4,
		IdleConnTimeout: time.Minute,
	}}
	return c
}

// NewDesktopClient is NewClient for the desktop program. The process must have
// called [Hide] before. session is the login session that it is in, or "".
func NewDesktopClient(path, session string) *Client {
	c := NewClient(path)
	c.desktop, c.session = true, session
	return c
}

// hello introduces the desktop program and keeps the token it gets.
func (c *Client) hello(ctx context.Context) (string, error) {
	if !c.desktop {
		return "", nil
	}
	c.mu.Lock()
	token := c.token
	c.mu.Unlock()
	if token != "" {
		return token, nil
	}
	body, err := json.Marshal(hello{Desktop: true, Session: c.session})
	if err != nil {
		return "", err
	}
	resp, err := c.send(ctx, "POST", "/v1/hello", body, "")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var w welcome
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxRequest)).Decode(&w); err != nil {
		return "", c.gone(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token = w.Token
	return w.Token, nil
}

func (c *Client) forget(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token == token {
		c.token = ""
	}
}

// send makes one request. Anything but success is an error.
func (c *Client) send(ctx context.Context, method, path string, body []byte, token string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://engine"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set(tokenField, token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.gone(err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, readFailure(resp.Body, resp.Status)
	}
	return resp, nil
}

// gone wraps an error of the connection itself.
func (c *Client) gone(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("%w at %s: %w", ui.ErrGone, c.path, err)
}

// request sends as the desktop program where this is one. A new engine does
// not know an old token: then it introduces itself again, once.
func (c *Client) request(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	token, err := c.hello(ctx)
	if err != nil {
		return nil, err
	}
	resp, err := c.send(ctx, method, path, body, token)
	if token != "" && errors.Is(err, errBadToken) {
		c.forget(token)
		if token, err = c.hello(ctx); err != nil {
			return nil, err
		}
		resp, err = c.send(ctx, method, path, body, token)
	}
	return resp, err
}

// call sends q and reads the reply into a; either may be nil.
func (c *Client) call(ctx context.Context, patience time.Duration, method, path string, q, a any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var body []byte
	if q != nil {
		var err error
		if body, err = json.Marshal(q); err != nil {
			return err
		}
	}
	resp, err := c.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	reply := io.LimitReader(resp.Body, maxReply)
	if a == nil {
		_, err := io.Copy(io.Discard, reply)
		return err
	}
	if err := json.NewDecoder(reply).Decode(a); err != nil {
		return c.gone(err)
	}
	return nil
}

func (c *Client) Status(ctx context.Context) (s ui.Status, err error) {
	return s, c.call(ctx, readPatience, "GET", "/v1/status", nil, &s)
}

func (c *Client) SetMode(ctx context.Context, m firewall.Mode) error {
	return c.call(ctx, changePatience, "POST", "/v1/mode", modeRequest{Mode: m}, nil)
}

func (c *Client) SetModeFor(ctx context.Context, m firewall.Mode, d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("%w: a mode that ends by itself lasts some time", ui.ErrInvalid)
	}
	return c.call(ctx, changePatience, "POST", "/v1/mode", modeRequest{m, d}, nil)
}

func (c *Client) ReportIdle(ctx context.Context, idle time.Duration) error {
	return c.call(ctx, readPatience, "POST", "/v1/idle", idleRequest{idle}, nil)
}

func (c *Client) Lessons(ctx context.Context) (ls []ui.Lesson, err error) {
	return ls, c.call(ctx, readPatience, "GET", "/v1/lessons", nil, &ls)
}

func (c *Client) EndLessons(ctx context.Context, accept, discard []string) (added []ui.Rule, err error) {
	return added, c.call(ctx, changePatience, "POST", "/v1/lessons", lessonsRequest{accept, discard}, &added)
}

func (c *Client) Prompts(ctx context.Context) (ps []ui.Prompt, err error) {
	return ps, c.call(ctx, readPatience, "GET", "/v1/prompts", nil, &ps)
}

func (c *Client) Answer(ctx context.Context, a ui.Answer) error {
	return c.call(ctx, changePatience, "POST", "/v1/answer", a, nil)
}

func (c *Client) Rules(ctx context.Context) (rs []ui.Rule, err error) {
	return rs, c.call(ctx, readPatience, "GET", "/v1/rules", nil, &rs)
}

func (c *Client) AddRule(ctx context.Context, r ui.Rule) (stored ui.Rule, err error) {
	return stored, c.call(ctx, changePatience, "POST", "/v1/rules", r, &stored)
}

func (c *Client) ChangeRule(ctx context.Context, r ui.Rule) error {
	return c.call(ctx, changePatience, "PUT", "/v1/rules", r, nil)
}

func (c *Client) RemoveRule(ctx context.Context, ids ...string) error {
	return c.call(ctx, changePatience, "DELETE", "/v1/rules", removeRequest{ids}, nil)
}

func (c *Client) Identities(ctx context.Context) (is []ui.Identity, err error) {
	return is, c.call(ctx, readPatience, "GET", "/v1/programs", nil, &is)
}

func (c *Client) UndoCarried(ctx context.Context, program string) error {
	return c.call(ctx, changePatience, "POST", "/v1/programs/undo", ui.Identity{Program: program}, nil)
}

func (c *Client) Networks(ctx context.Context) (ns []ui.Network, err error) {
	return ns, c.call(ctx, readPatience, "GET", "/v1/networks", nil, &ns)
}

func (c *Client) SetZone(ctx context.Context, id string, z firewall.Zone) error {
	return c.call(ctx, changePatience, "POST", "/v1/networks", ui.Network{ID: id, Zone: z}, nil)
}

func (c *Client) Confirm(ctx context.Context, allow, block []string) error {
	return c.call(ctx, changePatience, "POST", "/v1/confirm", confirmRequest{allow, block}, nil)
}

func (c *Client) Settings(ctx context.Context) (ss []ui.Setting, err error) {
	return ss, c.call(ctx, readPatience, "GET", "/v1/settings", nil, &ss)
}

func (c *Client) SetSetting(ctx context.Context, name, value string) error {
	return c.call(ctx, changePatience, "POST", "/v1/settings", settingRequest{name, value}, nil)
}

func (c *Client) Log(ctx context.Context, q ui.LogQuery) (ls []ui.LogLine, err error) {
	return ls, c.call(ctx, readPatience, "POST", "/v1/log", q, &ls)
}

func (c *Client) Export(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	resp, err := c.request(ctx, "GET", "/v1/export", nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	document, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return nil, c.gone(err)
	}
	return document, nil
}

func (c *Client) Import(ctx context.Context, document []byte, how ui.ImportOptions) (d ui.Difference, err error) {
	ctx, cancel := context.WithTimeout(ctx, changePatience)
	defer cancel()
	resp, err := c.request(ctx, "POST", fmt.Sprintf("/v1/import?apply=%t&replace=%t", how.Apply, how.Replace), document)
	if err != nil {
		return d, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxReply)).Decode(&d); err != nil {
		return d, c.gone(err)
	}
	return d, nil
}

// Watch ends with [ui.ErrGone] when the connection breaks, and also when the
// engine has shown no sign of life for about two seconds.
func (c *Client) Watch(ctx context.Context, on func(ui.Event)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	alive := time.AfterFunc(dialPatience+silence, func() { cancel(ui.ErrGone) })
	defer alive.Stop()
	resp, err := c.request(ctx, "GET", "/v1/watch", nil)
	if err != nil {
		return c.watchEnd(ctx, err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	for lines.Scan() {
		alive.Reset(silence)
		if len(lines.Bytes()) == 0 {
			continue
		}
		var e ui.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return c.watchEnd(ctx, c.gone(err)) // a line that broke off
		}
		// The time that on takes is not the engine's silence.
		alive.Stop()
		on(e)
		alive.Reset(silence)
	}
	err = lines.Err()
	if err == nil {
		err = io.EOF
	}
	return c.watchEnd(ctx, c.gone(err))
}

func (c *Client) watchEnd(ctx context.Context, err error) error {
	switch {
	case errors.Is(context.Cause(ctx), ui.ErrGone):
		return fmt.Errorf("%w at %s: no sign of life for %v", ui.ErrGone, c.path, silence)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return err
}
