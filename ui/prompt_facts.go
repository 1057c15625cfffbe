package ui

import (
	"slices"
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"

	"sallyport.dev/sallyport/assets"
	"sallyport.dev/sallyport/firewall"
)

const (
	factLabelWidth = 84  // of a fact's label, in Fyne's units
	factWidth      = 292 // of its value
	// So many facts are shown at most: the question must leave room on a small
	// screen. The log has all of them.
	maxPromptWarnings = 3
	maxPromptFacts    = 5
)

// promptFacts is the part of a question that tells where the program wants to
// go and what is known of it. Facts may come late.
type promptFacts struct {
	warnings, card *fyne.Container
	rows           *fyne.Container
	others         *pill

	known bool // whether set was called
	worry []string
	facts []string
}

func newPromptFacts(p Prompt, others *pill) *promptFacts {
	back := canvas.NewRectangle(theme.Color(theme.ColorNameBackground))
	back.CornerRadius = 8
	f := &promptFacts{others: others, warnings: container.NewStack(), rows: container.New(layout.NewCustomPaddedVBoxLayout(3))}
	f.card = container.NewStack(back, padded(12, 7, 12, 7, f.rows))
	f.set(p)
	return f
}

// set shows what is known now, and tells whether that is something else.
func (f *promptFacts) set(p Prompt) bool {
	if f.known && slices.Equal(f.worry, p.Warnings) && slices.Equal(f.facts, p.Facts) {
		return false
	}
	f.known, f.worry, f.facts = true, p.Warnings, p.Facts
	f.rows.Objects = append(destinationRows(p, f.others), processRows(p)...)
	f.warnings.Objects = nil
	if len(p.Warnings) > 0 {
		f.warnings.Objects = []fyne.CanvasObject{worryingFacts(p.Warnings)}
	}
	setVisible(f.warnings, len(p.Warnings) > 0)
	return true
}

// worryingFacts say what is worrying about the process, each with a mark.
func worryingFacts(warnings []string) fyne.CanvasObject {
	back := canvas.NewRectangle(theme.Color(colorAskBack))
	back.CornerRadius = 8
	lines := container.New(layout.NewCustomPaddedVBoxLayout(3))
	for i, w := range warnings {
		if i == maxPromptWarnings-1 && len(warnings) > maxPromptWarnings {
			w = textMoreFacts(len(warnings) - i)
		}
		if i == maxPromptWarnings {
			break
		}
		words := newText(fitMiddle(sentence(shown(w)), promptWidth-32-24-20, sizeRow, fyne.TextStyle{}), sizeRow, colorAsk)
		lines.Add(container.NewBorder(nil, nil, container.NewCenter(newIcon("warning", 14, colorAsk)), nil, padded(4, 0, 0, 0, words)))
	}
	return padded(0, 0, 0, 2, container.NewStack(back, padded(12, 6, 12, 6, lines)))
}

// destinationRows say where the program wants to go, and who signed it.
func destinationRows(p Prompt, others *pill) (rows []fyne.CanvasObject) {
	remote := "Remote"
	if p.Direction == firewall.In {
		rows = append(rows, promptFact("Permission", "server", textServer))
		remote = "From"
	}
	if p.Host != "" {
		rows = append(rows, promptFact(remote, shown(p.Host), shown(p.Remote)))
	} else {
		rows = append(rows, promptFact(remote, shown(p.Remote), ""))
	}
	if p.Port != 0 {
		rows = append(rows, promptFact("Port", protocolName(p.Protocol)+" "+strconv.Itoa(int(p.Port)), assets.Service(p.Protocol.String(), p.Port), container.NewCenter(others.Container)))
	} else {
		rows = append(rows, promptFact("Protocol", protocolName(p.Protocol), "", container.NewCenter(others.Container)))
	}
	switch {
	case p.Signer != "":
		rows = append(rows, promptFact("Signed by", shown(p.Signer), shown(p.Product)))
	case p.Description != "": // its file says so, and nobody vouches for it
		rows = append(rows, promptFact("Says it is", "", shown(p.Description)))
	}
	return rows
}

// processRows say what else is known of the process.
func processRows(p Prompt) (rows []fyne.CanvasObject) {
	if !slices.ContainsFunc(p.Facts, func(fact string) bool { return strings.HasPrefix(fact, labelStartedBy) }) {
		rows = append(rows, promptFact("Started by", "not known", ""))
	}
	facts := p.Facts
	if len(facts) == 0 && p.UID >= 0 {
		facts = []string{"user: " + strconv.Itoa(p.UID)}
	}
	for i, fact := range facts {
		if i == maxPromptFacts-1 && len(facts) > maxPromptFacts {
			return append(rows, promptFact("", "", textMoreFacts(len(facts)-i)))
		}
		label, value, _ := strings.Cut(shown(fact), ": ")
		strong, weak := "", value
		switch label + ": " {
		case labelStartedBy: // the parent says most
			at := strings.IndexAny(value+" ", ", ")
			strong, weak = value[:at], strings.TrimPrefix(value[at:], " ")
			if rest, more := strings.CutPrefix(weak, ", "); more {
				weak = "from " + rest
			}
		case labelUsedBy:
			strong, weak = value, ""
		}
		rows = append(rows, promptFact(sentence(label), strong, weak))
	}
	return rows
}

// The labels of facts that are shown in a way of their own.
const (
	labelUsedBy    = "used by: "
	labelStartedBy = "started by: "
)

// promptFact is a line of the card; what would not fit is shortened.
func promptFact(label, strong, weak string, more ...fyne.CanvasObject) fyne.CanvasObject {
	bold := fyne.TextStyle{Bold: true}
	room := float32(factWidth)
	for _, o := range more {
		room -= o.MinSize().Width + 4
	}
	strong = fitMiddle(strong, room, sizeRow, bold)
	room -= fyne.MeasureText(strong, sizeRow, bold).Width + 4
	values := []fyne.CanvasObject{}
	if strong != "" {
		values = append(values, newBold(strong, sizeRow, theme.ColorNameForeground))
	}
	if weak != "" && room > 30 {
		values = append(values, newText(fitMiddle(weak, room, sizeRow, fyne.TextStyle{}), sizeRow, colorMuted))
	}
	values = append(values, more...)
	return container.NewBorder(nil, nil, container.New(sized{factLabelWidth, 0}, newText(label, sizeRow, colorMuted)), nil, container.NewHBox(values...))
}
