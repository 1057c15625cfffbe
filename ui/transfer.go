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
	d.SetFileName("sallyport.toml")
	d.Show()
}

func (u *UI) chooseImport() {
	d := dialog.NewFileOpen(func(from fyne.URIReadCloser, err error) {
		if err != nil || from == nil {
			u.fail(err)
			return
		}
		u.importFrom(from.URI().Name(), from)
	}, u.main.window)
	d.SetFilter(storage.NewExtensionFileFilter([]string{".toml", ".json", ".xml", ".yaml", ".yml"}))
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
func (u *UI) importFrom(name string, from io.ReadCloser) {
	fetch(u, func(context.Context) (Translated, error) {
		text, err := io.ReadAll(io.LimitReader(from, maxDocument+1))
		if err = errors.Join(err, from.Close()); err == nil && len(text) > maxDocument {
			err = fmt.Errorf("it is larger than %d MB", maxDocument>>20)
		}
		if err != nil || u.options.Translate == nil {
			return Translated{Document: text}, err
		}
		return u.options.Translate(name, text)
	}, func(file Translated, err error) {
		if err != nil {
			u.fail(fmt.Errorf("read the file: %w", err))
			return
		}
		i := &importDialog{u: u, file: file, list: container.NewVBox()}
		i.compare(i.show)
	})
}

// importDialog shows what a file changes before it does.
type importDialog struct {
	u     *UI
	file  Translated
	how   ImportOptions
	would Forecast
	list  *fyne.Container
	asked int // comparisons: only the last one is shown
}

// compare asks what the file changes, and shows it once it is known.
func (i *importDialog) compare(then func(lines []string)) {
	i.asked++
	how, asked := i.how, i.asked
	var would Forecast
	fetch(i.u, func(ctx context.Context) (Difference, error) {
		d, err := i.u.control.Import(ctx, i.file.Document, how)
		if err == nil {
			would, err = i.u.control.WhatIf(ctx, Proposal{Import: i.file.Document, Replace: how.Replace})
		}
		return d, err
	}, func(d Difference, err error) {
		switch {
		case err != nil:
			i.u.fail(err)
		case asked == i.asked:
			i.would = would
			then(differenceLines(d))
		}
	})
}

// show opens the dialog, unless there is nothing to tell.
func (i *importDialog) show(lines []string) {
	replace := widget.NewCheck(textImportReplace, func(on bool) {
		i.how.Replace = on
		i.compare(i.fill)
	})
	if i.file.From != "" {
		if len(lines)+len(i.file.Left) == 0 {
			i.u.main.say(textNothingNew)
			return
		}
		replace.Hide()
	}
	i.fill(lines)
	scrolled := container.New(sized{424, max(120, min(300, i.list.MinSize().Height+8))}, container.NewVScroll(i.list))
	confirmAbout(i.u.main.window, textImportTitle, container.NewVBox(scrolled, replace), textImportNow, func() {
		how := i.how
		how.Apply = true
		i.u.work(func(ctx context.Context) error {
			_, err := i.u.control.Import(ctx, i.file.Document, how)
			return err
		}, i.u.main.programs.done)
	})
}

// fill lists the changes, and what is left out.
func (i *importDialog) fill(lines []string) {
	i.list.RemoveAll()
	if len(lines) == 0 {
		i.list.Add(newText(textNothingNew, sizeRow, colorMuted))
	}
	i.add(lines, theme.ColorNameForeground)
	for _, l := range i.file.Left[:min(len(i.file.Left), maxDifference)] {
		i.list.Add(newParagraph(textLeftOut+shown(l), colorMuted))
	}
	i.more(len(i.file.Left))
	i.list.Add(gap(4))
	for _, s := range i.would.Sentences() {
		for _, line := range wrapped(s, 404, sizeRow) {
			i.list.Add(newText(line, sizeRow, colorMuted))
		}
	}
}

func (i *importDialog) add(lines []string, color fyne.ThemeColorName) {
	for _, l := range lines[:min(len(lines), maxDifference)] {
		i.list.Add(newText(fit(l, 404, sizeRow, false), sizeRow, color))
	}
	i.more(len(lines))
}

// more tells how many of n are not listed.
func (i *importDialog) more(n int) {
	if more := n - maxDifference; more > 0 {
		i.list.Add(newText("and "+countText(uint64(more))+" more", sizeRow, colorMuted))
	}
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
	for i, r := range d.Changed {
		if i < len(d.Was) {
			rule("Change", d.Was[i])
			rule("to", r)
			continue
		}
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
	for _, note := range d.Notes {
		lines = append(lines, "Note: "+shown(note))
	}
	return lines
}
