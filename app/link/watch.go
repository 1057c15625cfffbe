package link

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"sallyport.dev/sallyport/ui"
)

// watch streams events, one JSON object a line, and a blank line when there
// was nothing to say for a while.
func (s *Server) watch(w http.ResponseWriter, r *http.Request) {
	ctx, err := s.admit(r)
	if err != nil {
		writeFailure(w, err)
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream := http.NewResponseController(w)
	stream.SetReadDeadline(time.Time{})
	w.Header().Set("Content-Type", "application/x-ndjson")

	var mu sync.Mutex
	send := func(line []byte) {
		mu.Lock()
		defer mu.Unlock()
		// A client that does not read is let go; Control.Watch never waits
		// for it longer than this.
		stream.SetWriteDeadline(time.Now().Add(min(s.patience(), 10*time.Second)))
		if _, err := w.Write(line); err != nil || stream.Flush() != nil {
			cancel()
		}
	}
	var beat sync.WaitGroup
	beat.Go(func() {
		tick := time.NewTicker(heartbeat)
		defer tick.Stop()
		for ctx.Err() == nil {
			send([]byte("\n"))
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
	defer beat.Wait()
	defer cancel()
	s.Control.Watch(ctx, func(e ui.Event) {
		line, err := json.Marshal(e)
		if err != nil {
			cancel()
			return
		}
		send(append(line, '\n'))
	})
}
