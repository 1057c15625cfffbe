package link

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"sallyport.dev/sallyport/ui"
)

// maxConnections bounds what all peers together may have open.
const maxConnections = 256

var errBadToken = fmt.Errorf("%w: the desktop program is not known to the engine: connect again", ui.ErrRefused)

// Server lets other processes use a Control.
type Server struct {
	Control ui.Control
	Access  Access
	Log     *slog.Logger // of what goes wrong; nil: the default one

	mu       sync.Mutex
	desktops map[string]Peer // by the token that hello gave
}

// Serve answers requests until ctx ends; then it closes l and every
// connection.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	log := s.Log
	if log == nil {
		log = slog.Default()
	}
	srv := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if c, ok := c.(*conn); ok {
				return WithPeer(ctx, c.peer)
			}
			return ctx
		},
	}
	stopped := context.AfterFunc(ctx, func() { srv.Close() })
	defer stopped()
	err := srv.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve the socket: %w", err)
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	c := s.Control
	handle(mux, s, "POST /v1/hello", toRead, s.hello)
	handle(mux, s, "GET /v1/status", toRead, func(ctx context.Context, _ none) (ui.Status, error) { return c.Status(ctx) })
	handle(mux, s, "GET /v1/prompts", toRead, func(ctx context.Context, _ none) ([]ui.Prompt, error) { return c.Prompts(ctx) })
	handle(mux, s, "GET /v1/rules", toRead, func(ctx context.Context, _ none) ([]ui.Rule, error) { return c.Rules(ctx) })
	handle(mux, s, "GET /v1/settings", toRead, func(ctx context.Context, _ none) ([]ui.Setting, error) { return c.Settings(ctx) })
	handle(mux, s, "GET /v1/export", toRead, func(ctx context.Context, _ none) ([]byte, error) { return c.Export(ctx) })
	handle(mux, s, "POST /v1/log", toRead, c.Log)
	handle(mux, s, "POST /v1/answer", toManage, plain(c.Answer))
	handle(mux, s, "POST /v1/rules", toManage, c.AddRule)
	handle(mux, s, "PUT /v1/rules", toManage, plain(c.ChangeRule))
	handle(mux, s, "DELETE /v1/rules", toManage, plain(func(ctx context.Context, r ui.Rule) error { return c.RemoveRule(ctx, r.ID) }))
	handle(mux, s, "POST /v1/confirm", toManage, plain(func(ctx context.Context, r confirmRequest) error { return c.Confirm(ctx, r.Allow, r.Block) }))
	handle(mux, s, "POST /v1/mode", toRead, plain(func(ctx context.Context, r modeRequest) error {
		return s.guarded(ctx, needOfMode(r.Mode), func() error { return c.SetMode(ctx, r.Mode) })
	}))
	handle(mux, s, "POST /v1/settings", toRead, plain(func(ctx context.Context, r settingRequest) error {
		return s.guarded(ctx, needOfSetting(r.Name), func() error { return c.SetSetting(ctx, r.Name, r.Value) })
	}))
	// What an import would change is only reading; doing it is not.
	mux.HandleFunc("POST /v1/import", s.importDocument)
	mux.HandleFunc("GET /v1/watch", s.watch)
	return mux
}

type none struct{}

func plain[Q any](f func(context.Context, Q) error) func(context.Context, Q) (none, error) {
	return func(ctx context.Context, q Q) (none, error) { return none{}, f(ctx, q) }
}

// handle answers one kind of request: checks the peer, decodes, acts, encodes.
func handle[Q, A any](mux *http.ServeMux, s *Server, pattern string, n need, act func(context.Context, Q) (A, error)) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		ctx, err := s.admit(r, n)
		if err != nil {
			writeFailure(w, err)
			return
		}
		var q Q
		if _, empty := any(q).(none); !empty {
			if err := decode(http.MaxBytesReader(w, r.Body, maxRequest), &q); err != nil {
				writeFailure(w, err)
				return
			}
		}
		a, err := act(ctx, q)
		if err != nil {
			writeFailure(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if document, ok := any(a).([]byte); ok {
			w.Write(document)
			return
		}
		json.NewEncoder(w).Encode(a)
	})
}

// admit names the peer of a request and checks that it may.
func (s *Server) admit(r *http.Request, n need) (context.Context, error) {
	p, ok := PeerFrom(r.Context())
	if !ok {
		return nil, fmt.Errorf("%w: the connection does not say whose it is", ui.ErrRefused)
	}
	if token := r.Header.Get(tokenField); token != "" {
		s.mu.Lock()
		d, known := s.desktops[token]
		s.mu.Unlock()
		if !known || d.PID != p.PID || d.Started != p.Started || startTicks(p.PID) != p.Started {
			return nil, errBadToken
		}
		p.Desktop, p.Session = true, d.Session
	}
	ctx := WithPeer(r.Context(), p)
	return ctx, s.Access.allow(ctx, p, n)
}

func (s *Server) guarded(ctx context.Context, n need, do func() error) error {
	p, _ := PeerFrom(ctx)
	if err := s.Access.allow(ctx, p, n); err != nil {
		return err
	}
	return do()
}

// hello makes a peer the desktop program if it is fit for it. The token comes
// after the check and is only good for messages that the checked process
// itself sends: what it sent before it became that program does not count.
func (s *Server) hello(ctx context.Context, h hello) (welcome, error) {
	p, _ := PeerFrom(ctx)
	if !h.Desktop {
		return welcome{}, nil
	}
	started := p.Started
	p.look()
	switch {
	case p.Started != started || started == 0:
		return welcome{}, fmt.Errorf("%w: the process that connected has ended", ui.ErrRefused)
	case !p.Own:
		return welcome{}, fmt.Errorf("%w: %s is not the program that the engine runs (or another version of it): restart the engine with: sudo systemctl restart sallyport", ui.ErrRefused, quoted(p.Program))
	case !p.Hidden && p.UID != 0:
		return welcome{}, fmt.Errorf("%w: the desktop program can be traced by others", ui.ErrRefused)
	}
	if len(h.Session) > 64 {
		return welcome{}, fmt.Errorf("%w: the session's name is too long", ui.ErrInvalid)
	}
	p.Desktop, p.Session = true, h.Session
	token := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.desktops == nil {
		s.desktops = map[string]Peer{}
	}
	for t, d := range s.desktops {
		if startTicks(d.PID) != d.Started {
			delete(s.desktops, t)
		}
	}
	if len(s.desktops) >= maxConnections {
		return welcome{}, fmt.Errorf("%w: too many desktop programs are connected", ui.ErrRefused)
	}
	s.desktops[token] = p
	return welcome{token}, nil
}

func quoted(program string) string {
	if program == "" {
		return "the program that asks"
	}
	return program
}

func (s *Server) importDocument(w http.ResponseWriter, r *http.Request) {
	apply := r.URL.Query().Get("apply") == "true"
	n := toRead
	if apply {
		n = toWeaken
	}
	ctx, err := s.admit(r, n)
	if err != nil {
		writeFailure(w, err)
		return
	}
	document, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxDocument))
	if err != nil {
		writeFailure(w, fmt.Errorf("%w: read the document: %w", ui.ErrInvalid, err))
		return
	}
	d, err := s.Control.Import(ctx, document, apply)
	if err != nil {
		writeFailure(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(d)
}
