package ui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/dialog"
	"fyne.io/fyne/v2/storage"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// maxDocument bounds a file that is imported, in bytes.
const maxDocument = 64 << 20

// maxDifference bounds the changes that are listed before an import.
const maxDifference = 200

// transferMenu offers to keep all rules and settings in a file, and to take
// them from one.
func (p *programsPage) transferMenu(under fyne.CanvasObject) {
	at := fyne.CurrentApp().Driver().AbsolutePositionForObject(under)
	menu := fyne.NewMenu("", fyne.NewMenuItem(textExport, p.u.chooseExport), fyne.NewMenuItem(textImport, p.u.chooseImport))
	widget.ShowPopUpMenuAtPosition(menu, p.u.main.window.Canvas(), at.AddXY(0, under.Size().Height+2))
}

func (u *UI) chooseExport() {
	d := dialog.NewFileSave(func(to fyne.URIWriteCloser, err error) {
		if err != nil || to == nil {
			u.fail(err)
			return
		}
		u.exportTo(to)
	}, u.main.window)
	d.SetFileName("sallyport.rules")
	d.Show()
}

func (u *UI) chooseImport() {
	d := dialog.NewFileOpen(func(from fyne.URIReadCloser, err error) {
		if err != nil || from == nil {
			u.fail(err)
			return
		}
		u.importFrom(from)
	}, u.main.window)
	d.SetFilter(storage.NewExtensionFileFilter([]string{".rules", ".json", ".jsonl", ".txt"}))
	d.Show()
}

// exportTo writes all rules and settings, and closes the file.
func (u *UI) exportTo(to io.WriteCloser) {
	u.work(func(ctx context.Context) error {
		document, err := u.control.Export(ctx)
		if err == nil {
			_, err = to.Write(document)
		}
		if err = errors.Join(err, to.Close()); err != nil {
			return fmt.Errorf("export the rules: %w", err)
		}
		return nil
	}, nil)
}

// importFrom reads a file, shows what it would change, and asks.
func (u *UI) importFrom(from io.ReadCloser) {
	var document []byte
	var would Forecast
	fetch(u, func(ctx context.Context) (Difference, error) {
		var err error
		document, err = io.ReadAll(io.LimitReader(from, maxDocument+1))
		if err = errors.Join(err, from.Close()); err == nil && len(document) > maxDocument {
			err = fmt.Errorf("it is larger than %d MB", maxDocument>>20)
		}
		if err != nil {
			return Difference{}, fmt.Errorf("read the file: %w", err)
		}
		d, err := u.control.Import(ctx, document, false)
		if err == nil {
			would, err = u.control.WhatIf(ctx, Proposal{Import: document})
		}
		return d, err
	}, func(d Difference, err error) {
		lines := differenceLines(d)
		switch {
		case err != nil:
			u.fail(err)
			return
		case len(lines) == 0:
			u.main.say(textNothingNew)
			return
		}
		list := container.NewVBox()
		for _, l := range lines[:min(len(lines), maxDifference)] {
			list.Add(newText(fit(l, 404, sizeRow, false), sizeRow, theme.ColorNameForeground))
		}
		if more := len(lines) - maxDifference; more > 0 {
			list.Add(newText("and "+countText(uint64(more))+" more", sizeRow, colorMuted))
		}
		list.Add(gap(4))
		for _, s := range would.Sentences() {
			for _, line := range wrapped(s, 404, sizeRow) {
				list.Add(newText(line, sizeRow, colorMuted))
			}
		}
		scrolled := container.New(sized{424, min(300, list.MinSize().Height+8)}, container.NewVScroll(list))
		confirmAbout(u.main.window, textImportTitle, scrolled, textImportNow, func() {
			u.work(func(ctx context.Context) error {
				_, err := u.control.Import(ctx, document, true)
				return err
			}, u.main.programs.done)
		})
	})
}

// differenceLines says what an import changes, a line each.
func differenceLines(d Difference) (lines []string) {
	rule := func(sign string, r Rule) {
		word, _ := ruleVerdictText(r.Verdict)
		lines = append(lines, sign+" "+programName(r.Program, "")+": "+word+" · "+ruleScopeText(r)+" · "+untilText(r.Until))
	}
	for _, r := range d.Removed {
		rule("Remove", r)
	}
	for _, r := range d.Changed {
		rule("Change", r)
	}
	for _, r := range d.Added {
		rule("Add", r)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Settings)) {
		title := settingTitles[name]
		if title == "" {
			title = shown(name)
		}
		lines = append(lines, "Set "+title+" to "+shown(d.Settings[name]))
	}
	return lines
}
