package ui_test

import (
	"testing"
	"time"

	"fyne.io/fyne/v2/test"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
	"sallyport.dev/sallyport/ui/uitest"
)

func TestTheLastChoiceIsOfferedAgainForTheSameKind(t *testing.T) {
	d := newDesk(t, ui.Dark)
	d.ask(question("1", nil))
	d.settle()
	d.Scope().SetSelected("Only this host and port")
	d.Lasting().SetSelected("Until it exits")
	test.Tap(d.Deny())
	d.answers(1)
	d.ask(question("2", func(p *ui.Prompt) { p.Program, p.Host = "/usr/bin/curl", "" }))
	d.loop.Until(t, "the next question", func() bool { return d.Shown() == "2" })
	if scope, lasting := d.Scope().Selected, d.Lasting().Selected; scope != "Only this address and port" || lasting != "Until it exits" {
		t.Errorf("%q, %q are offered, not what was chosen last", scope, lasting)
	}
	d.control.Ask(question("3", inline))
	d.loop.Until(t, "the other question", func() bool { return d.Shown() == "3" })
	if scope := d.Scope().Selected; scope != "Anywhere, any port" {
		t.Errorf("%q is offered for inline code, which was never answered", scope)
	}
	// A choice that the question does not have leaves the first.
	d.control.Ask(question("4", func(p *ui.Prompt) { p.Port, p.PID, p.Protocol = 0, 0, firewall.ICMP }))
	d.loop.Until(t, "the last question", func() bool { return d.Shown() == "4" })
	if scope, lasting := d.Scope().Selected, d.Lasting().Selected; scope != "Anywhere" || lasting != "Always" {
		t.Errorf("%q, %q are offered", scope, lasting)
	}
}

func TestMoreOpensTheFormOfARuleFilledIn(t *testing.T) {
	now := asked
	c := uitest.New(firewall.ModeAsk, 10)
	d := newMainDeskOptions(t, c, ui.ViewActivity, ui.Options{Now: func() time.Time { return now }})
	prompt := ui.PromptOf(d.ui)
	c.Ask(question("1", nil), question("2", func(p *ui.Prompt) { p.Program = "/usr/bin/other" }))
	d.loop.Until(t, "the question is shown", prompt.Visible)
	now = now.Add(time.Second)
	test.Tap(prompt.More())
	d.sees("Add a rule")
	if prompt.Visible() {
		t.Error("the prompt lies over the form")
	}
	for hint, want := range map[string]string{
		"/usr/bin/curl, or * for any program": "/opt/updater/bin/updater",
		"any, 192.0.2.7 or 192.0.2.0/24":      "",
	} {
		if got := d.entry(hint).Text; got != want {
			t.Errorf("%s: %q is filled in, want %q", hint, got, want)
		}
	}
	d.picture("prompt-more")
	test.Tap(d.button("Cancel"))
	d.loop.Until(t, "the question comes back", prompt.Visible)
	now = now.Add(time.Second)
	test.Tap(prompt.More())
	test.Tap(d.button("Save"))
	d.loop.Until(t, "the rule is there", func() bool {
		r, ok := d.theRule("/opt/updater/bin/updater")
		return ok && r.Host == "cdn.example-updates.net" && r.Port == 8080
	})
	d.loop.Until(t, "the other question is shown", func() bool { return prompt.Visible() && prompt.Shown() == "2" })
	c.Ask()
	d.loop.Until(t, "no question is shown", func() bool { return !prompt.Visible() })
}

func TestMoreOfAServerIsAboutThePortHere(t *testing.T) {
	now := asked
	c := uitest.New(firewall.ModeAsk, 10)
	d := newMainDeskOptions(t, c, ui.ViewActivity, ui.Options{Now: func() time.Time { return now }})
	prompt := ui.PromptOf(d.ui)
	c.Ask(question("1", func(p *ui.Prompt) {
		p.Program, p.Direction, p.Host, p.Remote, p.Port = "/usr/sbin/nginx", firewall.In, "", "192.0.2.7", 443
	}))
	d.loop.Until(t, "the question is shown", prompt.Visible)
	now = now.Add(time.Second)
	test.Tap(prompt.More())
	d.sees("Add a rule")
	d.entry("any, 192.0.2.7 or 192.0.2.0/24").SetText("trusted")
	test.Tap(d.button("Save"))
	d.loop.Until(t, "the rule is there", func() bool {
		r, ok := d.theRule("/usr/sbin/nginx")
		return ok && r.Direction == firewall.In && r.LocalPort == 443 && r.Port == 0 && r.Remote == "trusted"
	})
}

func TestWhatNoRuleCanNameOffersNone(t *testing.T) {
	for name, change := range map[string]func(*ui.Prompt){"unidentified": unidentified, "inline": inline, "changed": changed} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, ui.Light)
			d.ask(question("1", change))
			if d.More().Visible() {
				t.Error("it offers a rule")
			}
		})
	}
}
