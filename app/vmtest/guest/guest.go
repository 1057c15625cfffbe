// Package guest is what the test and the agent in the guest say to each other:
// one JSON object a line in each direction.
package guest

import "time"

// Request asks for a bash script to be run.
type Request struct {
	ID     uint64        `json:"id"`
	Script string        `json:"script"`
	Stdin  []byte        `json:"stdin,omitempty"`
	Limit  time.Duration `json:"limit"` // after which it is killed
}

// Response answers the Request of the same ID. Code is the exit status, 124
// where the limit ended it.
type Response struct {
	ID     uint64 `json:"id"`
	Code   int    `json:"code"`
	Stdout []byte `json:"stdout,omitempty"`
	Stderr []byte `json:"stderr,omitempty"`
}
