package ui

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"sallyport.dev/sallyport/firewall"
)

// ruleForm makes or changes one rule. Each field is parsed on its own, and what
// is wrong is said below it.
type ruleForm struct {
	u     *UI
	rule  Rule
	popup *widget.PopUp
	keys  dialogKeys

	closed func(saved bool) // called when the form goes; nil: nobody asks

	program, host, remote, port, starter, user, note *formField
	verdict, direction, lock                         *dialogSelect
	protocol, until                                  *dialogSelectEntry
	protocolField, untilField                        *formField
	problem                                          *canvas.Text
	seen                                             *preview
	saved                                            func() // nil: nobody waits for it
}

// formField is an entry with a label and a place for what is wrong with it.
type formField struct {
	row     fyne.CanvasObject
	entry   *dialogEntry
	message *canvas.Text
	below   *fyne.Container // has the message
}

const formLabel = 110

func newFormRow(label string, o fyne.CanvasObject) fyne.CanvasObject {
	name := newText(label, sizeText, colorMuted)
	return container.NewBorder(nil, nil, container.New(sized{formLabel, 0}, name), nil, o)
}

func (k dialogKeys) field(label, hint, value string) *formField {
	f := &formField{entry: k.entry()}
	f.finish(label, f.entry)
	f.entry.SetPlaceHolder(hint)
	f.entry.SetText(value)
	return f
}

func (f *formField) finish(label string, entry fyne.CanvasObject) {
	f.message = newText("", sizeSmall, colorBad)
	f.below = padded(formLabel+4, 0, 0, 0, f.message)
	f.below.Hide()
	f.row = container.NewVBox(newFormRow(label, entry), f.below)
}

// say shows what is wrong with the field; nil takes it away.
func (f *formField) say(err error) {
	f.below.Hidden = err == nil
	if err != nil {
		f.message.Text = fit(errorText(err), 360, sizeSmall, false)
	}
	f.row.Refresh()
}

var untilChoices = []string{"Always", "1 hour", "1 day", "1 week", untilRestart}

const untilRestart = "Until the computer restarts"

var protocolChoices = []string{"any", "tcp", "udp", "icmp", "icmp echo-request"}

func showRuleForm(u *UI, r Rule) *ruleForm {
	f := &ruleForm{u: u, rule: r}
	f.keys = dialogKeys{escape: func() { f.close(false) }, enter: f.save}
	port := ""
	if n := *destinationPort(&r); n != 0 {
		port = strconv.Itoa(int(n))
		if r.Direction == firewall.Out && r.PortTo != 0 {
			port += "-" + strconv.Itoa(int(r.PortTo))
		}
	}
	f.program = f.keys.field(textRuleProgram, "/usr/bin/curl, or * for any program", r.Program)
	f.host = f.keys.field(textRuleHost, "any, example.org or *.example.org", r.Host)
	f.remote = f.keys.field(textRuleRemote, "any, 192.0.2.7 or 192.0.2.0/24", r.Remote)
	f.port = f.keys.field(textRulePort, "any, 443 or 8000-8999", port)
	f.starter = f.keys.field(textRuleStarter, "anything, or /opt/backup.sh", r.StartedBy)
	f.user = f.keys.field(textRuleUser, "any, 1000, or S-1-5-21-…-1001", r.User)
	f.note = f.keys.field(textRuleNote, "", r.Note)
	f.verdict = f.keys.choice([]string{"Allow", "Block", "Ask"})
	word, _ := ruleVerdictText(r.Verdict)
	f.verdict.Selected = word
	f.direction = f.keys.choice([]string{"Out", "In"})
	f.direction.Selected = directionName(r.Direction)
	f.lock = f.keys.choice([]string{textStopped, textPasses})
	f.lock.Selected = textStopped
	if r.PassLock {
		f.lock.Selected = textPasses
	}
	f.protocol, f.protocolField = f.keys.choiceEntry(protocolChoices), &formField{}
	f.protocol.SetText(strings.TrimSpace(r.Protocol.String() + " " + r.ICMPType.String()))
	f.protocolField.finish(textRuleProtocol, f.protocol)
	f.until, f.untilField = f.keys.choiceEntry(untilChoices), &formField{}
	f.until.SetText(untilField(r.Until))
	f.untilField.finish(textRuleUntil, f.until)
	f.problem = newText("", sizeSmall, colorBad)

	title := textChangeRule
	if r.ID == "" {
		title = textNewRule
	}
	save := f.keys.button(textSave, f.save)
	save.Importance = widget.HighImportance
	cancel := f.keys.button(textCancel, f.keys.escape)
	fields := container.NewVBox(f.program.row, newFormRow(textRuleVerdict, f.verdict), newFormRow(textRuleDirection, f.direction),
		f.protocolField.row, f.host.row, f.remote.row, f.port.row, f.starter.row, f.user.row, f.untilField.row, newFormRow(textRuleLock, f.lock), f.note.row, f.problem)
	f.seen = newPreview(u, 484, f.resize)
	fields.Add(f.seen.box)
	see := f.keys.button(textPreview, f.previewRule)
	f.popup = newDialog(u.main.window, 520, title, container.New(sized{484, 0}, fields), see, cancel, save)
	u.main.window.Canvas().Focus(f.program.entry)
	return f
}

// untilField is a rule's end as the form shows it.
func untilField(until string) string {
	if until == "" || until == "always" {
		return untilChoices[0]
	}
	if until == "restart" {
		return untilRestart
	}
	return until
}

// parse reads all fields; false tells that at least one is wrong and says so.
func (f *ruleForm) parse() (Rule, bool) {
	r, ok := f.rule, true
	check := func(field *formField, err error) {
		field.say(err)
		ok = ok && err == nil
	}
	var err error
	r.Program, err = parseProgram(f.program.entry.Text)
	check(f.program, err)
	protocol, kind, _ := strings.Cut(strings.TrimSpace(f.protocol.Text), " ")
	check(f.protocolField, cmp.Or(r.Protocol.UnmarshalText([]byte(protocol)), r.ICMPType.UnmarshalText([]byte(strings.TrimSpace(kind)))))
	r.Host, err = parseHost(f.host.entry.Text)
	check(f.host, err)
	r.Remote, err = parseRemote(f.remote.entry.Text)
	check(f.remote, err)
	_ = r.Direction.UnmarshalText([]byte(f.direction.Selected))
	port, last, err := parsePorts(f.port.entry.Text, r.Protocol)
	if err == nil && last != 0 && r.Direction == firewall.In {
		err = errors.New("a range of ports is for what goes out")
	}
	check(f.port, err)
	r.StartedBy, err = parseStarter(f.starter.entry.Text)
	check(f.starter, err)
	r.User, err = parseUser(f.user.entry.Text)
	check(f.user, err)
	r.Until, err = parseUntil(f.until.Text, time.Now())
	check(f.untilField, err)
	r.Note = strings.TrimSpace(f.note.entry.Text)
	_ = r.Verdict.UnmarshalText([]byte(f.verdict.Selected))
	r.PassLock = f.lock.Selected == textPasses
	if r.Direction != f.rule.Direction {
		r.Port, r.PortTo, r.LocalPort = 0, 0, 0
	}
	if *destinationPort(&r) = port; r.Direction == firewall.Out {
		r.PortTo = last
	}
	return r, ok
}

// destinationPort is the port that is connected to: here, if the rule is about
// what comes in.
func destinationPort(r *Rule) *uint16 {
	if r.Direction == firewall.In {
		return &r.LocalPort
	}
	return &r.Port
}

func (f *ruleForm) save() {
	r, ok := f.parse()
	if !ok {
		f.resize()
		return
	}
	f.u.work(func(ctx context.Context) error {
		if r.ID == "" {
			_, err := f.u.control.AddRule(ctx, r)
			return err
		}
		return f.u.control.ChangeRule(ctx, r)
	}, func(err error) {
		if err != nil {
			setText(f.problem, fit(errorText(err), 470, sizeSmall, false), theme.Color(colorBad))
			return
		}
		f.close(true)
		f.u.main.page().opened()
		if f.saved != nil {
			f.saved()
		}
	})
}

func (f *ruleForm) close(saved bool) {
	f.popup.Hide()
	if f.closed != nil {
		f.closed(saved)
	}
}

func (f *ruleForm) resize() { f.popup.Resize(fyne.NewSize(520, f.popup.MinSize().Height)) }

func parseProgram(s string) (string, error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return "", fmt.Errorf("name the program by its path, or * for any program")
	case s == firewall.AnyProgram, s == firewall.KernelProgram, strings.HasPrefix(s, "/"), isWindowsPath(s), strings.HasPrefix(s, "foreign:"):
		return s, nil
	}
	if _, _, ok := subjectText(s); ok {
		return s, nil
	}
	return "", errors.New(textWholePath)
}

func parseUser(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" || s == textAnywhere || strings.HasPrefix(s, "S-1-") {
		return strings.TrimPrefix(s, textAnywhere), nil
	}
	if _, err := strconv.ParseUint(s, 10, 32); err != nil {
		return "", fmt.Errorf("a user is a number such as 1000, or a SID")
	}
	return s, nil
}

func parseStarter(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s != "" && !strings.HasPrefix(s, "/") && !isWindowsPath(s) {
		return "", errors.New(textWholePath)
	}
	return s, nil
}

func parseHost(s string) (string, error) {
	s = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(s), "."))
	if s == textAnywhere {
		return "", nil
	}
	if strings.ContainsAny(s, " /:") {
		return "", fmt.Errorf("a host name is written like example.org")
	}
	return s, nil
}

func parseRemote(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" || s == textAnywhere {
		return "", nil
	}
	switch s {
	case "loopback", "resolvers", "trusted", "internet":
		return s, nil
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap().String(), nil
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked().String(), nil
	}
	return "", fmt.Errorf("write an address such as 192.0.2.7, or a prefix such as 192.0.2.0/24")
}

// parsePorts reads a port or a range of ports.
func parsePorts(s string, p firewall.Protocol) (first, last uint16, err error) {
	from, to, ranged := strings.Cut(s, "-")
	if first, err = parsePort(from, p); err != nil || !ranged {
		return first, 0, err
	}
	if last, err = parsePort(to, p); err == nil && (first == 0 || last <= first) {
		err = fmt.Errorf("a range of ports is written like 8000-8999")
	}
	return first, last, err
}

func parsePort(s string, p firewall.Protocol) (uint16, error) {
	s = strings.TrimSpace(s)
	if s == "" || s == textAnywhere {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("a port is a number from 1 to 65535")
	}
	if p != firewall.AnyProtocol && !p.HasPorts() {
		return 0, fmt.Errorf("%s has no ports", p)
	}
	return uint16(n), nil
}

func parseUntil(s string, now time.Time) (string, error) {
	s = strings.TrimSpace(s)
	lasts := []time.Duration{0, time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}
	switch i := slices.Index(untilChoices, s); {
	case i == 0 || s == "" || s == "always":
		return "always", nil
	case s == untilRestart || s == "restart":
		return "restart", nil
	case i > 0:
		return now.Add(lasts[i]).UTC().Format(time.RFC3339), nil
	}
	if _, err := time.Parse(time.RFC3339, s); err == nil {
		return s, nil
	}
	if pid, found := strings.CutPrefix(s, "exit:"); found {
		if _, err := strconv.Atoi(pid); err == nil {
			return s, nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return now.Add(d).UTC().Format(time.RFC3339), nil
	}
	return "", fmt.Errorf("choose one of the list, or write a time such as 2h")
}
