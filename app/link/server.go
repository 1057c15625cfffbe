package link

import (
	"cmp"
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

const (
	// maxDesktops bounds the desktop programs that are known at once.
	maxDesktops = 256
	// maxTurns bounds the requests of one user that are worked on at once, and
	// with them the memory that a user can make the engine use.
	maxTurns = 8
)

var errBadToken = fmt.Errorf("%w: the desktop program is not known to the engine: connect again", ui.ErrRefused)

// Server lets other processes use a Control.
type Server struct {
	Control ui.Control
	Access  Access
	Log     *slog.Logger // of what goes wrong; nil: the default one
	// Patience is how long a peer may take to send a request, and to read a
	// reply; 0: 30 s.
	Patience time.Duration

	mu       sync.Mutex
	desktops map[string]Peer          // by the token that hello gave
	turns    map[string]chan struct{} // by user
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
		ReadHeaderTimeout: min(s.patience(), 5*time.Second),
		ReadTimeout:       s.patience(),
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

func (s *Server) patience() time.Duration { return cmp.Or(s.Patience, 30*time.Second) }

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	c := s.Control
	handle(mux, s, "POST /v1/hello", toRead, s.hello)
	handle(mux, s, "GET /v1/status", toRead, func(ctx context.Context, _ none) (ui.Status, error) { return c.Status(ctx) })
	handle(mux, s, "GET /v1/prompts", toRead, func(ctx context.Context, _ none) ([]ui.Prompt, error) { return c.Prompts(ctx) })
	handle(mux, s, "GET /v1/rules", toRead, func(ctx context.Context, _ none) ([]ui.Rule, error) { return c.Rules(ctx) })
	handle(mux, s, "GET /v1/programs", toRead, func(ctx context.Context, _ none) ([]ui.Identity, error) { return c.Identities(ctx) })
	handle(mux, s, "GET /v1/networks", toRead, func(ctx context.Context, _ none) ([]ui.Network, error) { return c.Networks(ctx) })
	handle(mux, s, "POST /v1/networks", toManage, plain(func(ctx context.Context, n ui.Network) error { return c.SetZone(ctx, n.ID, n.Zone) }))
	handle(mux, s, "GET /v1/settings", toRead, func(ctx context.Context, _ none) ([]ui.Setting, error) { return c.Settings(ctx) })
	handle(mux, s, "GET /v1/export", toRead, func(ctx context.Context, _ none) ([]byte, error) { return c.Export(ctx) })
	handle(mux, s, "POST /v1/log", toRead, c.Log)
	handle(mux, s, "POST /v1/answer", toManage, plain(c.Answer))
	handle(mux, s, "POST /v1/rules", toManage, c.AddRule)
	handle(mux, s, "PUT /v1/rules", toManage, plain(c.ChangeRule))
	handleUpTo(mux, s, "DELETE /v1/rules", toManage, maxDocument, plain(func(ctx context.Context, r removeRequest) error { return c.RemoveRule(ctx, r.IDs...) }))
	handle(mux, s, "POST /v1/programs/undo", toManage, plain(func(ctx context.Context, i ui.Identity) error { return c.UndoCarried(ctx, i.Program) }))
	handle(mux, s, "POST /v1/confirm", toManage, plain(func(ctx context.Context, r confirmRequest) error { return c.Confirm(ctx, r.Allow, r.Block) }))
	handle(mux, s, "POST /v1/mode", toRead, plain(func(ctx context.Context, r modeRequest) error {
		return s.guarded(ctx, needOfMode(r.Mode), func() error {
			if r.For != 0 {
				return c.SetModeFor(ctx, r.Mode, r.For)
			}
			return c.SetMode(ctx, r.Mode)
		})
	}))
	handle(mux, s, "POST /v1/idle", toManage, plain(func(ctx context.Context, r idleRequest) error { return c.ReportIdle(ctx, r.Idle) }))
	handle(mux, s, "GET /v1/lessons", toRead, func(ctx context.Context, _ none) ([]ui.Lesson, error) { return c.Lessons(ctx) })
	handle(mux, s, "POST /v1/lessons", toManage, func(ctx context.Context, r lessonsRequest) ([]ui.Rule, error) {
		return c.EndLessons(ctx, r.Accept, r.Discard)
	})
	handle(mux, s, "POST /v1/settings", toRead, plain(func(ctx context.Context, r settingRequest) error {
		return s.guarded(ctx, needOfSetting(r.Name), func() error { return c.SetSetting(ctx, r.Name, r.Value) })
	}))
	s.handleHistory(mux)
	// What an import would change is only reading; doing it is not.
	mux.HandleFunc("POST /v1/import", s.importDocument)
	mux.HandleFunc("GET /v1/watch", s.watch)
	return mux
}

type none struct{}

func plain[Q any](f func(context.Context, Q) error) func(context.Context, Q) (none, error) {
	return func(ctx context.Context, q Q) (none, error) { return none{}, f(ctx, q) }
}

// handle answers one kind of request: names the peer, decodes, checks what the
// peer may, acts, encodes.
func handle[Q, A any](mux *http.ServeMux, s *Server, pattern string, n need, act func(context.Context, Q) (A, error)) {
	handleUpTo(mux, s, pattern, n, maxRequest, act)
}

// handleUpTo is handle for a request of at most so many bytes.
func handleUpTo[Q, A any](mux *http.ServeMux, s *Server, pattern string, n need, most int64, act func(context.Context, Q) (A, error)) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		var q Q
		read := func() error {
			if _, empty := any(q).(none); empty {
				return nil
			}
			return decode(http.MaxBytesReader(w, r.Body, most), &q)
		}
		s.reply(w, r, n, read, func(ctx context.Context) (any, error) { return act(ctx, q) })
	})
}

// reply answers a request: read takes it in, act does it and returns what is
// sent back.
func (s *Server) reply(w http.ResponseWriter, r *http.Request, n need, read func() error, act func(context.Context) (any, error)) {
	ctx, err := s.admit(r)
	if err == nil {
		var done func()
		if done, err = s.turn(ctx); err == nil {
			defer done()
			err = read()
		}
	}
	stream := http.NewResponseController(w)
	var a any
	if err == nil {
		// The request is here; a person may now take longer than that may.
		stream.SetReadDeadline(time.Time{})
		err = s.guarded(ctx, n, func() error {
			a, err = act(ctx)
			return err
		})
	}
	document, encoded := a.([]byte)
	if err == nil && !encoded {
		document, err = json.Marshal(a)
	}
	stream.SetWriteDeadline(time.Now().Add(s.patience()))
	if err != nil {
		writeFailure(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(document)
}

// admit names the peer of a request and checks that it is let in.
func (s *Server) admit(r *http.Request) (context.Context, error) {
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
		p.Desktop, p.Unfit, p.Session = true, d.Unfit, d.Session
	}
	ctx := WithPeer(r.Context(), p)
	return ctx, s.Access.allow(ctx, p, toRead)
}

// turn waits until few enough of the user's requests are worked on. The
// function returned ends the turn.
func (s *Server) turn(ctx context.Context) (done func(), err error) {
	p, _ := PeerFrom(ctx)
	s.mu.Lock()
	if s.turns == nil {
		s.turns = map[string]chan struct{}{}
	}
	turns := s.turns[p.User]
	if turns == nil {
		turns = make(chan struct{}, maxTurns)
		s.turns[p.User] = turns
	}
	s.mu.Unlock()
	select {
	case turns <- struct{}{}:
		return func() { <-turns }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// guarded does what the peer may do.
func (s *Server) guarded(ctx context.Context, n need, do func() error) error {
	p, _ := PeerFrom(ctx)
	if err := s.Access.allow(ctx, p, n); err != nil {
		return err
	}
	return do()
}

// hello makes a peer the desktop program: one that may answer if it is fit for
// it, else one that may only show. The token comes after the check and is only
// good for messages that the checked process itself sends: what it sent before
// it became that program does not count.
func (s *Server) hello(ctx context.Context, h hello) (welcome, error) {
	p, _ := PeerFrom(ctx)
	if !h.Desktop {
		return welcome{}, nil
	}
	started := p.Started
	p.look()
	p.Unfit = p.unfit(s.Access.GID)
	if p.Started != started || !p.alive() {
		return welcome{}, fmt.Errorf("%w: the process that connected has ended", ui.ErrRefused)
	}
	if len(h.Session) > 64 {
		return welcome{}, fmt.Errorf("%w: the session's name is too long", ui.ErrInvalid)
	}
	p.Desktop = true
	p.Session = cmp.Or(p.Session, h.Session) // the system's word counts
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
	if len(s.desktops) >= maxDesktops {
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
	q, n := r.URL.Query(), toRead
	how := ui.ImportOptions{Apply: q.Get("apply") == "true", Replace: q.Get("replace") == "true"}
	if how.Apply {
		n = toWeaken
	}
	var document []byte
	read := func() (err error) {
		if document, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxDocument)); err != nil {
			return fmt.Errorf("%w: read the document: %w", ui.ErrInvalid, err)
		}
		return nil
	}
	s.reply(w, r, n, read, func(ctx context.Context) (any, error) { return s.Control.Import(ctx, document, how) })
}
