package firewall

import "time"

// Question is what a prompt asks: may this program open flows in this
// direction? It is comparable; there is one open prompt for each.
type Question struct {
	Program   Program
	Direction Direction
}

// PromptID names one asking of a question. It is never used twice, also not
// after a restart, so that a late click cannot decide something unread.
type PromptID string

// Prompt is an open question. It is derived from the waiting flows.
type Prompt struct {
	ID PromptID
	Question
	First    Attempt   // the destination that is shown
	Waiting  int       // flows that wait for the answer; 0 once unanswered
	Others   int       // flows beside the first that joined since it was asked
	Asked    time.Time // when the first flow was held
	Deadline time.Time // when the patience ends
	Expired  bool      // the patience ended: flows were blocked, the question stays open
}

// Answer decides an open question.
type Answer struct {
	Prompt  PromptID
	Verdict Verdict // Allow or Block
	Scope   AnswerScope
	// Rule is set if the answer is remembered; the caller has already put it
	// into force with [Engine.SetRules]. nil: just this once.
	Rule *RuleID
}

// AnswerScope says which of the question's flows an answer covers. The zero
// scope is the default: this program, anywhere.
type AnswerScope uint8

const (
	ScopeProgram     AnswerScope = iota // any destination
	ScopeHost                           // the first flow's host name, or its address if none is known; any port
	ScopePort                           // the first flow's protocol and remote port; any address
	ScopeDestination                    // the first flow's host (or address), protocol and port
)
