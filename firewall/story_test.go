package firewall_test

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// command does one line of a story. A program is written curl (the executable
// /usr/bin/curl), kernel, ?1 (unidentified), curl@box (in another mount
// namespace), * (any, in rules), svchost!dns (a service of it; svchost! one that
// is not known), term+FAMILY (in a package), code~Acme/Code (with a verified
// signer and product), curl%2 (another file at its path), python^/u/a.py (a
// script of it), python^/u/a.py:python3.12 (the same, run by another), python^1
// (inline code of it). In rules, +FAMILY is the package and ~Acme/Code all of
// this signature. A destination is 1.1.1.1:443, 1.1.1.1:53/udp.
//
//	limit prompts|waiting|per-prompt N   before anything else
//	builtin                              puts the built-in rules into force
//	mode ask|allow|block|off|lock|learn
//	patience 10s
//	rule ID PROGRAM VERDICT [to=PREFIX] [host=NAME] [port=N[-N]] [user=N] [protocol=P] [icmp=TYPE] [local=N] [place=resolver|loopback] [in] [by=NAME] [pid=N] [for=1h] [passlock] [disabled]
//	remove ID
//	dial PROGRAM DESTINATION [host=NAME] [local=N] [place=P] [pid=N] [user=N] [icmp=N] [by=NAME] [times=N]
//	in PROGRAM SOURCE                    a connection from outside
//	zone PREFIX trusted|internet|blocked|none
//	resend PROGRAM DESTINATION           sends the held first packet again
//	gone PROGRAM DESTINATION             the program gives up
//	known PROGRAM PROGRAM                the first turns out to be the second
//	started PID NAME                     it turns out what started a process
//	explain PROGRAM DESTINATION [as dial] [in]   prints why it is decided as it is
//	propose rule|remove|mode …           prints what that would have changed of what was dialled
//	exit PID                             a process ends
//	releases PROGRAM DESTINATION         prints how many packets were released
//	crowd N                              N programs dial, which is not printed
//	wait 30s
//	prompts                              prints the open prompts
//	count                                prints how many prompts are open
//	answer PROGRAM allow|block [once] [scope=program|host|port|destination|product|starter|zone] [in] [only]
//	read PROGRAM                         a person sees the prompt ...
//	click allow|block [always]           ... and clicks later
//	stop                                 the engine ends
func (s *story) command(name string, args []string) {
	if name != "limit" && name != "rule" && name != "builtin" && name != "mode" && name != "zone" {
		s.start()
	}
	words, options := parse(args)
	switch name {
	case "limit":
		s.limit(words[0], s.number(words[1]))
	case "builtin":
		s.setRules(func(rules []firewall.Rule) []firewall.Rule { return append(rules, firewall.BuiltinRules()...) })
	case "mode":
		if err := s.mode.UnmarshalText([]byte(words[0])); err != nil {
			s.Fatal(err)
		}
		if s.engine != nil {
			s.engine.SetMode(s.mode)
			s.apply()
		}
	case "patience":
		s.engine.SetPatience(s.duration(words[0]))
	case "zone":
		s.setZone(netip.MustParsePrefix(words[0]), words[1])
	case "rule":
		s.addRule(s.rule(words, options))
	case "remove":
		s.removeRules(func(r firewall.Rule) bool { return string(r.ID) == words[0] })
	case "dial", "in":
		a := s.attempt(words[0], words[1], options)
		if name == "in" {
			a.Direction = firewall.In
		}
		times := 1
		if n, ok := options["times"]; ok {
			times = s.number(n)
		}
		for range times {
			if _, ok := options["local"]; !ok {
				a.Local = netip.AddrPortFrom(a.Local.Addr(), uint16(40000+len(s.connections)))
			}
			a.Time = time.Now()
			s.connections = append(s.connections, &connection{Connection: s.backend.Dial(a), text: describe(a)})
			s.settle()
		}
	case "resend":
		s.connection(words).Resend()
	case "releases":
		s.print("%d packets released", s.connection(words).Releases())
	case "crowd":
		before := s.out.String()
		for i := range s.number(words[0]) {
			s.command("dial", []string{fmt.Sprintf("crowd-%d", i), "1.1.1.1:443"})
		}
		s.out.Reset()
		s.out.WriteString(before)
	case "gone":
		c := s.connection(words)
		c.told = true
		c.Close()
	case "known":
		s.engine.Known(program(words[0]), program(words[1]))
	case "started":
		s.engine.Started(s.number(words[0]), started(s.number(words[0])), starter(words[1]))
	case "exit":
		s.removeRules(func(r firewall.Rule) bool { return r.Until.PID == s.number(words[0]) })
	case "explain":
		a := s.attempt(words[0], words[1], options)
		_, in := options["in"]
		if a.Time = time.Now(); in {
			a.Direction = firewall.In
		}
		s.explain(a)
	case "propose":
		s.propose(args)
	case "wait":
		s.wait(s.duration(words[0]))
	case "prompts":
		s.prompts()
	case "sought":
		s.sought()
	case "count":
		s.print("%d prompts", len(s.engine.Prompts()))
	case "answer":
		s.answer(s.prompt(words[0], options), words[1], options)
	case "read":
		s.read = s.prompt(words[0], options).ID
	case "click":
		s.answer(firewall.Prompt{ID: s.read}, words[0], options)
	case "stop":
		s.stop()
	default:
		s.Fatalf("no command %q", name)
	}
}

// parse splits NAME=VALUE and bare flags such as "once" from other words.
func parse(args []string) (words []string, options map[string]string) {
	options = make(map[string]string)
	for _, arg := range args {
		name, value, found := strings.Cut(arg, "=")
		switch {
		case found, arg == "once", arg == "only", arg == "disabled", arg == "in", arg == "always", arg == "passlock":
			options[name] = value
		default:
			words = append(words, arg)
		}
	}
	return words, options
}

func (s *story) limit(what string, n int) {
	switch what {
	case "prompts":
		s.options.MaxPrompts = n
	case "waiting":
		s.options.MaxWaiting = n
	case "per-prompt":
		s.options.MaxPerPrompt = n
	}
}

func (s *story) prompts() {
	ps := s.engine.Prompts()
	if len(ps) == 0 {
		s.print("no prompts")
	}
	for _, p := range ps {
		state := "waiting"
		if p.Expired {
			state = "unanswered"
		}
		s.print("%s %s, %d wait, %d others", state, describe(p.First), p.Waiting, p.Others)
	}
}

// sought prints where the flows of each question went.
func (s *story) sought() {
	for _, p := range s.engine.Prompts() {
		s.print("%s, last %v after it was asked", p.Program.Name(), p.Newest.Time.Sub(p.Asked))
		for _, d := range p.Sought {
			s.print("  %s %s %s, %d times", d.Protocol, d.Host, d.Remote, d.Times)
		}
		s.print("  %d elsewhere", p.Elsewhere)
	}
}

// prompt finds the open prompt of a program.
func (s *story) prompt(name string, options map[string]string) firewall.Prompt {
	program := program(name)
	_, in := options["in"]
	for _, p := range s.engine.Prompts() {
		if p.Program == program && (p.Direction == firewall.In) == in {
			return p
		}
	}
	s.Fatalf("no prompt for %s; open: %+v", name, s.engine.Prompts())
	panic("unreachable")
}

// answer does what the application does with a click: a rule is stored and in
// force before the engine is told. "only" is a caller that tells no rule.
func (s *story) answer(p firewall.Prompt, verdict string, options map[string]string) {
	scope := map[string]firewall.AnswerScope{"host": firewall.ScopeHost, "port": firewall.ScopePort, "destination": firewall.ScopeDestination, "product": firewall.ScopeProduct, "starter": firewall.ScopeStarter, "zone": firewall.ScopeZone}[options["scope"]]
	a := firewall.Answer{Prompt: p.ID, Scope: scope}
	if err := a.Verdict.UnmarshalText([]byte(verdict)); err != nil {
		s.Fatal(err)
	}
	_, once := options["once"]
	if _, always := options["always"]; !once && (p.Program.ID() != "" || always) {
		s.answers++
		id := firewall.RuleID("answer-" + strconv.Itoa(s.answers))
		a.Rule = &id
	}
	if a.Rule != nil && p.Program.ID() != "" {
		r := p.Rule(a.Verdict, scope)
		if r.ID = *a.Rule; r.Program != "" {
			s.addRule(r)
		}
	}
	if err := s.engine.Answer(a); err != nil {
		s.print("%s", err)
	}
}

func (s *story) rule(words []string, options map[string]string) firewall.Rule {
	r := firewall.Rule{ID: firewall.RuleID(words[0]), Program: program(words[1]).ID(), Host: options["host"]}
	switch {
	case words[1] == "*":
		r.Program = firewall.AnyProgram
	case strings.HasPrefix(words[1], "~"):
		r.Program = program("any" + words[1]).Signature()
	case strings.HasPrefix(words[1], "+"):
		r.Program = program("any" + words[1]).ID()
	}
	if err := r.Verdict.UnmarshalText([]byte(words[2])); err != nil {
		s.Fatal(err)
	}
	if err := r.Protocol.UnmarshalText([]byte(options["protocol"])); err != nil {
		s.Fatal(err)
	}
	if err := r.ICMPType.UnmarshalText([]byte(options["icmp"])); err != nil {
		s.Fatal(err)
	}
	if to := options["to"]; to != "" {
		r.Remote = netip.MustParsePrefix(to)
	}
	first, last, _ := strings.Cut(options["port"], "-")
	r.Port, r.PortTo, r.LocalPort, r.User = uint16(s.number(first)), uint16(s.number(last)), uint16(s.number(options["local"])), options["user"]
	if err := r.Zone.UnmarshalText([]byte(options["zone"])); err != nil {
		s.Fatal(err)
	}
	r.Place, r.StartedBy = places[options["place"]], starter(options["by"])
	if _, in := options["in"]; in {
		r.Direction = firewall.In
	}
	if pid := s.number(options["pid"]); pid != 0 {
		r.Until = firewall.Expiry{Exit: true, PID: pid, Started: started(pid)}
	}
	if d := options["for"]; d != "" {
		r.Until.At = time.Now().Add(s.duration(d))
	}
	_, r.Disabled = options["disabled"]
	_, r.PassLock = options["passlock"]
	return r
}

var places = map[string]firewall.Place{"resolver": firewall.Resolver, "loopback": firewall.Loopback}

func (s *story) attempt(who, where string, options map[string]string) firewall.Attempt {
	remote, protocol, _ := strings.Cut(where, "/")
	a := firewall.Attempt{Program: program(who), PID: s.number(options["pid"]), Host: options["host"], Place: places[options["place"]]}
	a.Remote = netip.MustParseAddrPort(remote)
	a.Local = netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(s.number(options["local"])))
	if protocol == "" {
		protocol = "tcp"
	}
	if err := a.Protocol.UnmarshalText([]byte(protocol)); err != nil {
		s.Fatal(err)
	}
	if a.PID != 0 {
		a.Started = started(a.PID)
	}
	if kind, ok := options["icmp"]; ok {
		a.ICMP = uint16(s.number(kind)) + 1
	}
	a.StartedBy, a.UID = starter(options["by"]), -1
	if options["user"] != "" {
		a.UID = s.number(options["user"])
	}
	return a
}

// starter is the path of what starts programs in a story.
func starter(name string) string {
	if name == "" {
		return ""
	}
	return "/opt/" + name
}

// started is when the story's process with this number was started.
func started(pid int) time.Time {
	return time.Date(2000, 1, 1, 0, pid, 0, 0, time.UTC)
}

func program(name string) firewall.Program {
	if rest, signature, signed := strings.Cut(name, "~"); signed {
		p := program(rest)
		p.Signer, p.Product, _ = strings.Cut(signature, "/")
		return p
	}
	if path, service, hosted := strings.Cut(name, "!"); hosted {
		p := program(path)
		p.Kind, p.Service = firewall.Hosted, service
		return p
	}
	if path, file, changed := strings.Cut(name, "%"); changed {
		p := program(path)
		p.Kind, p.File, p.Why = firewall.Changed, file, "another file at this path since 12 Nov 2026"
		return p
	}
	if family, script, interpreted := strings.Cut(name, "^"); interpreted {
		script, path, other := strings.Cut(script, ":")
		if !other {
			path = family + "3.11"
		}
		p := firewall.Program{Kind: firewall.Interpreted, Path: "/usr/bin/" + path, Family: family, Script: script}
		if !strings.HasPrefix(script, "/") {
			p.Script, p.File, p.Why = "", script, "inline code (-c)"
		}
		return p
	}
	if path, family, packaged := strings.Cut(name, "+"); packaged {
		p := program(path)
		p.Kind, p.Package = firewall.Packaged, family
		return p
	}
	path, file, foreign := strings.Cut(name, "@")
	switch {
	case name == "kernel":
		return firewall.Program{Kind: firewall.Kernel}
	case strings.HasPrefix(name, "?"):
		return firewall.Program{Kind: firewall.Unidentified, File: name[1:], Why: "path too long"}
	case foreign:
		return firewall.Program{Kind: firewall.Foreign, Path: "/usr/bin/" + path, File: file, Why: "in another mount namespace"}
	case strings.HasPrefix(name, "/"):
		return firewall.Program{Kind: firewall.Executable, Path: name}
	}
	return firewall.Program{Kind: firewall.Executable, Path: "/usr/bin/" + name}
}

// connection finds the newest connection of a program to a destination.
func (s *story) connection(words []string) *connection {
	want := describe(s.attempt(words[0], words[1], nil))
	for i := len(s.connections) - 1; i >= 0; i-- {
		if c := s.connections[i]; strings.HasPrefix(c.text, want) {
			return c
		}
	}
	s.Fatalf("no connection %s", want)
	panic("unreachable")
}

func (s *story) number(text string) int {
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		s.Fatal(err)
	}
	return n
}

func (s *story) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		s.Fatal(err)
	}
	return d
}
