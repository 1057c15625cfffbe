package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/widget"
)

// PromptForTest gives tests the parts of the prompt's window.
type PromptForTest struct{ w *promptWindow }

// PromptOf is the prompt's window of u.
func PromptOf(u *UI) PromptForTest { return PromptForTest{u.prompt} }

func (p PromptForTest) Visible() bool              { return p.w.visible }
func (p PromptForTest) Window() fyne.Window        { return p.w.window }
func (p PromptForTest) Shown() string              { return p.w.queue.shown }
func (p PromptForTest) Tick()                      { p.w.tick() }
func (p PromptForTest) Focus() bool                { return p.w.focus() }
func (p PromptForTest) Allow() *widget.Button      { return &p.w.view.allow.Button }
func (p PromptForTest) Deny() *widget.Button       { return &p.w.view.deny.Button }
func (p PromptForTest) Later() *widget.Button      { return &p.w.view.later.Button }
func (p PromptForTest) More() *widget.Button       { return &p.w.view.more.Button }
func (p PromptForTest) Next() *widget.Button       { return &p.w.view.next.Button }
func (p PromptForTest) Scope() *widget.Select      { return &p.w.view.scope.Select }
func (p PromptForTest) Lasting() *widget.Select    { return &p.w.view.duration.Select }
func (p PromptForTest) Countdown() string          { return p.w.view.countdown.Text }
func (p PromptForTest) Place() string              { return p.w.view.place.word.Text }
func (p PromptForTest) Shielded() bool             { return p.w.view.shield.Visible() }
func (p PromptForTest) Setting(name string) string { return p.w.u.settings[name] }
