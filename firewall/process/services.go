package process

import "strings"

// service is one that runs.
type service struct {
	name     string
	pid      uint32
	instance bool // of a user: its name ends in a number that is another with each sign-in
}

// serviceOf says which service of the process opened a flow: the one that the
// system names for it, if it runs there, or the only one there. It is empty
// where that is not known.
func serviceOf(all []service, pid uint32, named string) string {
	only, count := "", 0
	for _, s := range all {
		if s.pid != pid {
			continue
		}
		if named != "" && strings.EqualFold(s.name, named) {
			return s.subject()
		}
		only, count = s.subject(), count+1
	}
	if named == "" && count == 1 {
		return only
	}
	return ""
}

// subject is the name that stays.
func (s service) subject() string {
	if i := strings.LastIndexByte(s.name, '_'); s.instance && i > 0 {
		return s.name[:i]
	}
	return s.name
}
