package firewall

import (
	"context"
	"errors"
	"time"
)

// Options are an engine's settings and limits. Zero values take the defaults.
type Options struct {
	Patience   time.Duration // how long a flow waits for an answer; 30 s
	MaxPrompts int           // open questions; 1000
	MaxWaiting int           // waiting flows of all questions together; 4096
	Watcher    Watcher       // nil watches nothing
}

// Watcher is told what the engine does. It is called on the engine's
// goroutine and must return at once.
type Watcher interface {
	// Prompts gets all open prompts, oldest first, after each change.
	Prompts(ps []Prompt)
	// Decided gets every entry of the activity log.
	Decided(e Entry)
}

// Errors of [Engine.Answer].
var (
	ErrNoPrompt     = errors.New("no such question: it was answered or has ended")
	ErrUnidentified = errors.New("an unidentified program can only be answered once")
	ErrStopped      = errors.New("the engine has stopped")
)

// Engine decides flows, holds undecided ones and asks about them. It is a
// [Sink].
type Engine struct{}

// NewEngine makes an engine; nothing happens before Run.
func NewEngine(rs Ruleset, m Mode, o Options) *Engine { panic("being built") }

// Run owns the engine's state until ctx ends, then blocks what still waits.
func (e *Engine) Run(ctx context.Context) error { panic("being built") }

// SetRules replaces the rules and judges everything that waits again. The
// caller then calls [Backend.Apply].
func (e *Engine) SetRules(rs Ruleset) { panic("being built") }

// SetMode changes the mode and judges everything that waits again. The caller
// then calls [Backend.Apply].
func (e *Engine) SetMode(m Mode) { panic("being built") }

// SetPatience changes the patience of flows held from now on.
func (e *Engine) SetPatience(d time.Duration) { panic("being built") }

// Prompts returns the open prompts, oldest first.
func (e *Engine) Prompts() []Prompt { panic("being built") }

// Answer closes a prompt: it releases every flow that the answer covers and
// asks again about those that it does not cover. An answer to an expired
// prompt without a rule holds for the next try.
func (e *Engine) Answer(a Answer) error { panic("being built") }

func (e *Engine) Hold(h Held)                      { panic("being built") }
func (e *Engine) Decided(en Entry)                 { panic("being built") }
func (e *Engine) Judge(a Attempt) (Decision, bool) { panic("being built") }
func (e *Engine) Lost(n uint64)                    { panic("being built") }

// LostEvents is the sum of what backends reported by Lost.
func (e *Engine) LostEvents() uint64 { panic("being built") }
