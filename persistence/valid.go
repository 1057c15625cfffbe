package persistence

import (
	"errors"

	"sallyport.dev/sallyport/firewall"
)

// valid tells whether a rule may be stored.
func valid(r firewall.Rule) error {
	if r.ID == "" || r.Program == "" {
		return errors.New("a rule needs an id and a program")
	}
	return r.Validate()
}
