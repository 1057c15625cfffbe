package netfilter_test

import (
	"encoding/json"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/appimage"
	"sallyport.dev/sallyport/firewall/identity"
	"sallyport.dev/sallyport/firewall/process"
)

// knowPrograms reads what programs are from the setup's file, and keeps it there.
func (e *engineParts) knowPrograms() error {
	rules := e.rules
	e.named.Store(&rules)
	var all []firewall.Identity
	if e.setup.Identities != "" {
		text, err := os.ReadFile(e.setup.Identities)
		if err == nil {
			err = json.Unmarshal(text, &all)
		}
		if err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	e.kept = make(map[string]firewall.Identity)
	for _, i := range all {
		e.kept[i.Program] = i
	}
	e.prover = identity.New(all, identity.Options{
		Named: func(program string) bool { return e.named.Load().Names(program) },
		Keep:  e.keep,
		Owner: e.owner,
		Known: func(old, now firewall.Program) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.engine.Known(old, now)
			e.backend.Apply(e.policy)
		},
		Moved:   e.moved,
		Carried: func(i firewall.Identity) { e.out.send(event{Kind: "carried", At: time.Now(), Identity: &i}) },
	})
	return nil
}

// moved has the rules of one path count for another.
func (e *engineParts) moved(from string, to firewall.Identity) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var more []firewall.Rule
	for r := range e.rules.All() {
		if r.Program == from {
			r.ID, r.Program = r.ID+"-moved", to.Program
			more = append(more, r)
		}
	}
	rules, err := e.rules.Change(more, nil)
	if err != nil {
		panic(err)
	}
	e.accepted(to)
	e.rules = rules
	e.engine.SetRules(rules)
	e.apply(rules.Policy(e.policy.Mode, e.policy.FailOpen))
	e.out.send(event{Kind: "carried", At: time.Now(), Identity: &to})
}

func (e *engineParts) owner(path string, file *io.SectionReader) firewall.Proof {
	if e.setup.Databases {
		return process.ProofOf(path, file)
	}
	if made, err := appimage.Verify(file, file.Size()); err == nil {
		return firewall.Proof{Signer: made.Key, Product: made.Update}
	}
	return e.setup.Packages[path]
}

func (e *engineParts) keep(i firewall.Identity) {
	e.keeping.Lock()
	defer e.keeping.Unlock()
	e.kept[i.Program] = i
	defer e.out.send(event{Kind: "kept", At: time.Now(), Identity: &i})
	if e.setup.Identities == "" {
		return
	}
	text, err := json.Marshal(slices.Collect(maps.Values(e.kept)))
	if err == nil {
		err = os.WriteFile(e.setup.Identities, text, 0o600)
	}
	if err != nil {
		panic(err)
	}
}

// accepted has a change of identities kept and in force.
func (e *engineParts) accepted(is ...firewall.Identity) error {
	for _, i := range is {
		e.keep(i)
		e.prover.Put(i)
	}
	return nil
}
