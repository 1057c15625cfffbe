package ui

import (
	"strconv"
	"strings"
	"time"

	"sallyport.dev/sallyport/firewall"
)

const (
	textAppName  = "Sallyport"
	textActivity = "Activity"
	textPrograms = "Programs"
	textInbox    = "Inbox"
	textReview   = "Review"
	textSettings = "Settings"

	textLock      = "Lock all traffic"
	textUnlock    = "End the lock"
	textCancel    = "Cancel"
	textSave      = "Save"
	textFailsOpen = "Fails open"

	textRecoverQuestion = "This removes everything of Sallyport from the network without the engine. Nothing is filtered until the engine starts again."
	textRecoverNow      = "Remove everything"

	textFirstRun  = "Until you choose, everything passes and programs are only collected."
	textChoose    = "Choose…"
	textReviewNow = "Review"

	textAllowed     = "Allowed"
	textBlocked     = "Blocked"
	textWaiting     = "Waiting"
	textRules       = "Rules"
	textFilter      = "Filter by program, host, address or port"
	textAllPrograms = "All programs"
	textAllVerdicts = "All verdicts"
	textShowRule    = "Show the rule that decided"
	textUndoCarried = "Undo: ask about the new version"
	textCopy        = "Copy"
	textLogStopped  = "The engine does not answer; these lines are from before"
	textLogPaused   = "Paused while you read older lines"

	textSearchRules   = "Search by program, host, address, port or note"
	textAddRule       = "Add rule…"
	textChange        = "Change…"
	textDisable       = "Disable"
	textEnable        = "Enable"
	textRemove        = "Remove"
	textTransfer      = "Export or import"
	textExport        = "Export all rules and settings…"
	textImport        = "Import rules and settings…"
	textImportTitle   = "What the file changes"
	textImportNow     = "Import"
	textImportReplace = "Remove the rules and settings that the file does not name"
	textLeftOut       = "Left out: "
	textNothingNew    = "The file changes nothing."
	textNoSuchRule    = "That rule no longer exists."
	textSelectRule    = "Select a rule to change it."
	textNoRules       = "No rule matches."
	textNewRule       = "Add a rule"
	textChangeRule    = "Change a rule"
	textRuleProgram   = "Program"
	textRuleVerdict   = "Verdict"
	textRuleDirection = "Direction"
	textRuleProtocol  = "Protocol"
	textRuleHost      = "Host name"
	textRuleRemote    = "Address"
	textRulePort      = "Port"
	textRuleStarter   = "Started by"
	textRuleUntil     = "Lasts"
	textRuleNote      = "Note"
	textAnywhere      = "any"

	textAskFirst    = "How should Sallyport begin?"
	textAskMeans    = "Once you start asking, a program that was never decided is held until you answer; first you confirm the programs seen until now in one list."
	textAskBegin    = "Start asking"
	textKeepOpen    = "Keep collecting"
	textReviewTitle = "Programs seen until now"
	textReviewHelp  = "What each of these programs may do from now on. Those set to Ask are asked about when they next try."
	textAllowAll    = "Allow all"
	textAskAll      = "Ask about all"
	textNothingSeen = "Nothing waits to be confirmed."
	textAsk         = "Ask"

	textInboxHelp  = "Questions that nobody has answered. What waited was blocked; an answer holds from the next try on."
	textInboxEmpty = "No question is open."
	textLeaveOpen  = "Later"
	textBlockAll   = "Block all"
	textLeaveAll   = "Leave all open"

	textMode       = "Firewall"
	textAppearance = "Appearance"
	textLook       = "Whether these windows are light or dark."
	textEngine     = "Engine"
	textDesktop    = "Desktop program"
	textQuit       = "Quit"
	textQuitHelp   = "Closing a window leaves it running, so that it can ask. Without it nobody is asked; the engine goes on."
)

// modeTexts are the modes as the settings page offers them.
var modeTexts = []struct {
	mode firewall.Mode
	name string
	help string
}{
	{firewall.ModeAsk, "Ask about new programs", "A program that was never decided is held until you answer."},
	{firewall.ModeBlock, "Block new programs", "A program that was never decided is blocked without asking."},
	{firewall.ModeAllow, "Allow new programs", "Everything passes unless a rule blocks it; programs are collected."},
	{firewall.ModeLearn, "Learn", "New programs pass for a time, and rules are proposed for what they did."},
	{firewall.ModeOff, "Off", "Everything passes, rules or not."},
	{firewall.ModeLock, "Lock all traffic", "Nothing passes but this computer talking to itself, and what has a rule that passes the lock."},
}

// settingTitles name the settings that are known here; others go by their name.
var settingTitles = map[string]string{
	"patience":      "Time to answer",
	"fail":          "When the engine is gone",
	"unknown":       "When asking is off",
	"log-max-size":  "Size of the log",
	"log-max-age":   "Age of the log",
	"notifications": "Desktop notifications",
	"lock-idle":     "Lock when idle",
	"user":          "Who may decide",
}

// choiceTexts name the values of settings that need more than a word.
var choiceTexts = map[string]map[string]string{
	"fail": {
		"closed": "Fail closed: " + textFailsClosedMeans,
		"open":   "Fail open: " + textFailsOpenMeans,
	},
	"unknown": {
		"block": "Block unknown programs",
		"allow": "Allow unknown programs",
	},
	"notifications": {"on": "On", "off": "Off"},
}

func firewallPill(s Status) (string, tone) {
	switch s.Mode {
	case firewall.ModeOff:
		return "Firewall off", bad
	case firewall.ModeLock:
		return "Locked", bad
	}
	if !s.Enforcing {
		return "Not enforcing", attention
	}
	if s.FirstRun {
		return "Collecting", attention
	}
	return "Firewall on", good
}

func alertsPill(s Status) (string, tone) {
	switch s.Mode {
	case firewall.ModeAsk:
		return "Alerts on", good
	case firewall.ModeAllow:
		return "New programs pass", attention
	case firewall.ModeLearn:
		return "Learning", attention
	case firewall.ModeBlock:
		return "New programs blocked", plain
	}
	return "Alerts off", plain
}

// statusNotes are what the engine says a person should know.
func statusNotes(s Status) []string {
	var notes []string
	if !s.Enforcing && len(s.Notes) == 0 {
		notes = append(notes, "Nothing is enforced: this engine only shows what it would do.")
	}
	for _, n := range s.Notes {
		notes = append(notes, fullStop(sentence(shown(n))))
	}
	if s.DroppedEvents > 0 {
		notes = append(notes, plural(int(s.DroppedEvents), "event was", "events were")+" lost on the way to the log: it is not complete.")
	}
	return notes
}

func textProposed(n int) string {
	return plural(n, "program was", "programs were") + " seen while nothing was asked. Confirm which may go on."
}

func textSince(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return "since " + momentText(t)
}

func textShare(part, all uint64) string {
	if all == 0 {
		return "no connections yet"
	}
	return sharePercent(part, all) + " of connections"
}

func textWaitingDetail(n int) string {
	switch n {
	case 0:
		return "no open question"
	case 1:
		return "needs an answer"
	}
	return "need an answer"
}

func textRulesDetail(proposed int) string {
	if proposed > 0 {
		return countText(uint64(proposed)) + " to confirm"
	}
	return "in force"
}

func textNewLines(n int) string { return plural(n, "new line", "new lines") + " · show" }
func textLogAll(n int) string   { return plural(n, "line", "lines") + ", live" }
func textLogMore(n string) string {
	return "The newest " + n + " lines, live; older ones follow as you scroll"
}
func textLogFull(n string) string {
	return "The newest " + n + " lines, live; filter to reach older ones"
}

func textAllowProgram(name string) string { return "Allow " + name }
func textBlockProgram(name string) string { return "Block " + name }
func textOnlyProgram(name string) string  { return "Show only " + name }

// processText is a process and its user, after a program.
func processText(pid, uid int) string {
	s := ""
	if pid > 0 {
		s += " · pid " + strconv.Itoa(pid)
	}
	if uid >= 0 {
		s += " · user " + strconv.Itoa(uid)
	}
	return s
}

func textProgramsCount(programs, rules int) string {
	return plural(rules, "rule", "rules") + " for " + plural(programs, "program", "programs")
}

func textUsed(r Rule) string {
	if r.LastUsed == nil || r.Hits == 0 {
		return "Not used yet"
	}
	return plural(int(r.Hits), "use", "uses") + ", last " + momentText(*r.LastUsed)
}

func textSeenCount(n int) string {
	return plural(n, "program", "programs") + " seen until now"
}

// textConfirmCount says what confirming will do: "Confirm: allow 3, block 1, ask about 2".
func textConfirmCount(allow, block, ask int) string {
	return "Confirm: " + verdictCounts(allow, block, ask)
}

func verdictCounts(allow, block, ask int) string {
	var parts []string
	for _, k := range []struct {
		n    int
		word string
	}{{allow, "allow "}, {block, "block "}, {ask, "ask about "}} {
		if k.n > 0 {
			parts = append(parts, k.word+countText(uint64(k.n)))
		}
	}
	return strings.Join(parts, ", ")
}

// textInboxCount is how many questions are open.
func textInboxCount(n int) string { return plural(n, "open question", "open questions") }

// textAnswerCount says what the button of the Inbox does.
func textAnswerCount(allow, block int) string {
	if allow+block == 0 {
		return "Answer"
	}
	return "Answer: " + verdictCounts(allow, block, 0)
}

// soughtText is where a program went that was asked about.
func soughtText(p Prompt) string {
	text := destination(p.Host, p.Remote, p.Port)
	if p.Direction == firewall.In {
		text = "from " + destination(p.Host, p.Remote, 0)
	}
	if others := len(p.Sought) - 1; others > 0 || p.Elsewhere > 0 {
		text += " and " + plural(max(others, 0)+p.Elsewhere, "other", "others")
	}
	return text
}

// triedText is how often and when a program tried, and what became of it.
func triedText(p Prompt) string {
	text := plural(p.Others+1, "try", "tries") + ", last " + momentText(p.Last)
	switch {
	case p.State != promptUnanswered:
		text += " · waits for an answer"
	case p.Ended:
		text += " · has ended"
	}
	return text + " · " + programDetail(p.Program)
}
