package link

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

const (
	maxRequest  = 64 << 10 // a rule, an answer
	maxDocument = 32 << 20 // an import of well over 10,000 rules
	maxReply    = 64 << 20
	maxLine     = 8 << 20 // one event of a watch: a thousand prompts

	heartbeat  = 500 * time.Millisecond  // a silent watch shows that the engine lives
	silence    = 1800 * time.Millisecond // without a heartbeat the engine is gone
	tokenField = "Sallyport-Token"
)

// The requests that are not just one of ui's types.
type (
	hello struct {
		Desktop bool   `json:"desktop"`
		Session string `json:"session"`
	}
	welcome struct {
		Token string `json:"token"`
	}
	modeRequest struct {
		Mode firewall.Mode `json:"mode"`
		For  time.Duration `json:"for,omitempty"` // in ns; 0: until another is chosen
	}
	idleRequest struct {
		Idle time.Duration `json:"idle"` // in ns
	}
	lessonsRequest struct {
		Accept  []string `json:"accept"`
		Discard []string `json:"discard"`
	}
	confirmRequest struct {
		Allow []string `json:"allow"`
		Block []string `json:"block"`
	}
	removeRequest struct {
		IDs []string `json:"ids"`
	}
	settingRequest struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	failure struct {
		Error string `json:"error"`
		Kind  string `json:"kind"`
	}
)

// kinds carry the sentinel errors over the link.
var kinds = []struct {
	name   string
	err    error
	status int
}{
	{"token", errBadToken, http.StatusForbidden},
	{"refused", ui.ErrRefused, http.StatusForbidden},
	{"not found", ui.ErrNotFound, http.StatusNotFound},
	{"invalid", ui.ErrInvalid, http.StatusBadRequest},
	{"not stored", ui.ErrNotStored, http.StatusInsufficientStorage},
	{"conflict", ui.ErrConflict, http.StatusConflict},
	{"gone", ui.ErrGone, http.StatusServiceUnavailable},
}

// remoteError is an error of the engine: its sentence and its sentinel.
type remoteError struct {
	text string
	kind error
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.kind }

func writeFailure(w http.ResponseWriter, err error) {
	f, status := failure{Error: err.Error()}, http.StatusInternalServerError
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			f.Kind, status = k.name, k.status
			break
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(f)
}

func readFailure(r io.Reader, status string) error {
	var f failure
	if err := json.NewDecoder(io.LimitReader(r, maxRequest)).Decode(&f); err != nil || f.Error == "" {
		return fmt.Errorf("the engine answered %s", status)
	}
	for _, k := range kinds {
		if k.name == f.Kind {
			return &remoteError{f.Error, k.err}
		}
	}
	return errors.New(f.Error)
}

// decode reads exactly one JSON value with known fields only.
func decode(r io.Reader, into any) error {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%w: read the request: %w", ui.ErrInvalid, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: more than one value in the request", ui.ErrInvalid)
	}
	return nil
}
