package ui

import (
	"context"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/widget"

	"sallyport.dev/sallyport/firewall"
)

// menu offers what can be done about a line.
func (p *activityPage) menu(l LogLine, at fyne.Position) {
	name := programName(l.Program, l.Name)
	allow := fyne.NewMenuItem(textAllowProgram(name), func() { p.u.decide(l.Program, firewall.Allow) })
	block := fyne.NewMenuItem(textBlockProgram(name), func() { p.u.decide(l.Program, firewall.Block) })
	only := fyne.NewMenuItem(textOnlyProgram(name), func() { p.only(l) })
	rule := fyne.NewMenuItem(textShowRule, func() { p.u.main.showRule(l.Rule) })
	if l.Program == "" || l.Kind == "change" {
		allow.Disabled, block.Disabled, only.Disabled = true, true, true
	}
	rule.Disabled = l.Rule == ""
	undo := fyne.NewMenuItem(textUndoCarried, func() {
		p.u.work(func(ctx context.Context) error { return p.u.control.UndoCarried(ctx, l.Carried) }, nil)
	})
	copyLine := fyne.NewMenuItem(textCopy, func() { p.u.app.Clipboard().SetContent(lineText(l)) })
	menu := fyne.NewMenu("", allow, block, fyne.NewMenuItemSeparator(), rule, only, fyne.NewMenuItemSeparator(), copyLine)
	if l.Carried != "" {
		menu.Items = append([]*fyne.MenuItem{undo, fyne.NewMenuItemSeparator()}, menu.Items...)
	}
	widget.ShowPopUpMenuAtPosition(menu, p.u.main.window.Canvas(), at)
}

// menuOfChosen opens the selected line's menu from the keyboard.
func (p *activityPage) menuOfChosen() {
	for i := range min(p.log.length(), pageLines) {
		if l, ok := p.log.line(i); ok && l.ID == p.chosen {
			y := float32(i)*rowHeight - p.list.GetScrollOffset() + rowHeight/2
			at := fyne.CurrentApp().Driver().AbsolutePositionForObject(p.list)
			p.menu(l, at.AddXY(120, min(max(y, 0), p.list.Size().Height)))
			return
		}
	}
}

// only shows the lines of one program.
func (p *activityPage) only(l LogLine) {
	p.offer([]LogLine{l})
	for choice, program := range p.programs {
		if program == l.Program {
			p.program.SetSelected(choice)
			return
		}
	}
}

// decide gives a program one verdict for every destination: the rule that says
// so is changed, or made.
func (u *UI) decide(program string, v firewall.Verdict) {
	u.work(func(ctx context.Context) error {
		rules, err := u.control.Rules(ctx)
		if err != nil {
			return err
		}
		for _, r := range rules {
			if r.Program == program && r.Direction == firewall.Out && isAnywhere(r) && !r.Proposed && !r.Builtin {
				r.Verdict, r.Enabled, r.Until = v, true, "always"
				return u.control.ChangeRule(ctx, r)
			}
		}
		_, err = u.control.AddRule(ctx, Rule{Program: program, Verdict: v, Until: "always", Enabled: true})
		return err
	}, nil)
}

func isAnywhere(r Rule) bool {
	return r.Protocol == firewall.AnyProtocol && r.Remote == "" && r.Host == "" && r.Port == 0 && r.LocalPort == 0 && r.StartedBy == "" && r.User == ""
}

// lineDetail is everything about a line, in two lines.
func lineDetail(l LogLine) (first, second string) {
	who := processText(l.PID, l.UID)
	if l.Kind == "change" {
		return shown(l.Note), "By " + programDetail(l.Program) + who + " · " + momentText(l.Time)
	}
	from := ""
	if l.Local != "" {
		from = " from " + shown(l.Local)
	}
	to := shown(l.Remote)
	if l.Host != "" {
		to = shown(l.Host) + " (" + to + ")"
	}
	port := ""
	if l.Port != 0 {
		port = ", port " + portName(l.Protocol, l.Port)
	}
	word, _ := verdictText(l.Verdict)
	parts := []string{protocolName(l.Protocol) + " to " + to + port + from, word + ", " + strings.ToLower(reasonText(l.Reason))}
	if l.Rule != "" {
		parts[1] += " " + shown(l.Rule)
	}
	if l.Direction == firewall.In {
		parts[0] = protocolName(l.Protocol) + " from " + to + port
	}
	if l.Count > 1 {
		parts = append(parts, countText(uint64(l.Count))+" times")
	}
	return programDetail(l.Program) + who, strings.Join(parts, " · ")
}

// lineFacts is what was known of a line's process: what is worrying, and what
// else there is to say.
func lineFacts(l LogLine) (worrying, facts string) {
	join := func(all []string) string {
		said := make([]string, len(all))
		for i, fact := range all {
			said[i] = sentence(shown(fact))
		}
		return strings.Join(said, " · ")
	}
	return join(l.Warnings), join(l.Facts)
}

// lineText is a line as it is copied.
func lineText(l LogLine) string {
	first, second := lineDetail(l)
	text := l.Time.UTC().Format("2006-01-02T15:04:05.000Z07:00") + "  " + first + "  " + second
	worrying, facts := lineFacts(l)
	for _, more := range []string{worrying, facts} {
		if more != "" {
			text += "  " + more
		}
	}
	return text
}
