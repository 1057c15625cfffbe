// Package ui holds the windows. Fyne stops here.
package ui

import (
	"context"
	"errors"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// Control is everything that windows and commands may do. The engine's process
// implements it directly (package app), every other process through the local
// socket (package app/link). The types below are what `--json` prints.
//
// Every error that a Control returns is a sentence for a person; the sentinel
// errors below can be told apart by errors.Is, also through the link.
type Control interface {
	Status(ctx context.Context) (Status, error)
	// SetMode changes the mode. From allow to ask, programs seen meanwhile
	// become proposed rules (see Confirm).
	SetMode(ctx context.Context, m firewall.Mode) error
	// SetModeFor changes the mode to off, allow, block or learn for a time,
	// after which the mode of before comes back by itself.
	SetModeFor(ctx context.Context, m firewall.Mode, d time.Duration) error
	// Lessons returns what mode learn let pass, grouped by program, with the
	// rules that it proposes. None of them is in force.
	Lessons(ctx context.Context) ([]Lesson, error)
	// EndLessons makes the proposals in accept rules, and forgets those in
	// discard. Both name them by ID, or by program all of a program's.
	EndLessons(ctx context.Context, accept, discard []string) (added []Rule, err error)

	Prompts(ctx context.Context) ([]Prompt, error)
	Answer(ctx context.Context, a Answer) error

	Rules(ctx context.Context) ([]Rule, error)
	// AddRule stores the rule, puts it into force and returns it with its ID.
	AddRule(ctx context.Context, r Rule) (Rule, error)
	// ChangeRule replaces the rule that has r.ID.
	ChangeRule(ctx context.Context, r Rule) error
	// RemoveRule removes the rules that have these IDs, all of them or none, in
	// one change.
	RemoveRule(ctx context.Context, ids ...string) error
	// Identities returns what is known of the programs that rules name.
	Identities(ctx context.Context) ([]Identity, error)
	// UndoCarried takes back that another version took the place of a program: it
	// is asked about.
	UndoCarried(ctx context.Context, program string) error
	// Confirm ends the review of proposed rules: those in allow become rules,
	// those in block become blocking rules, all others are removed (so that
	// their programs are asked about).
	Confirm(ctx context.Context, allow, block []string) error

	// ReportIdle tells how long nobody used the session of a desktop program.
	ReportIdle(ctx context.Context, idle time.Duration) error

	// Networks returns the networks that this computer is on or was, and the
	// addresses that were put into a zone.
	Networks(ctx context.Context) ([]Network, error)
	// SetZone says what a network is, by its ID, or puts an address or prefix
	// into a zone. AnyZone forgets it.
	SetZone(ctx context.Context, id string, z firewall.Zone) error

	Settings(ctx context.Context) ([]Setting, error)
	SetSetting(ctx context.Context, name, value string) error

	// Export returns a policy file with all rules and settings.
	Export(ctx context.Context) ([]byte, error)
	// Import says what the policy file would change, or does it. An invalid file
	// is refused whole, the error names the line.
	Import(ctx context.Context, document []byte, how ImportOptions) (Difference, error)

	// Log returns matching lines, newest first.
	Log(ctx context.Context, q LogQuery) ([]LogLine, error)

	History
	Cleaning

	// Watch calls on for each change until ctx ends or the engine is gone,
	// which it returns as ErrGone. The first calls give the present state
	// (prompts and status). on is called from one goroutine.
	Watch(ctx context.Context, on func(Event)) error
}

// Errors of a Control.
var (
	ErrGone      = errors.New("the engine does not answer")
	ErrRefused   = errors.New("not permitted")
	ErrNotFound  = errors.New("no such thing")
	ErrInvalid   = errors.New("invalid")
	ErrConflict  = errors.New("not possible any more")
	ErrNotStored = errors.New("the answer counts once: it could not be stored")
)

// Event is one change: at least one field is set.
type Event struct {
	Prompts *[]Prompt `json:"prompts,omitempty"` // all open prompts
	Log     []LogLine `json:"log,omitempty"`     // new lines, oldest first
	Status  *Status   `json:"status,omitempty"`
	Rules   bool      `json:"rules,omitempty"` // the rules or settings changed: read them again
	Lost    int       `json:"lost,omitempty"`  // log lines that this watcher was too slow for: read the log again
}

// Status is what the firewall is doing.
type Status struct {
	Version         string         `json:"version"`
	Running         bool           `json:"running"`
	Mode            firewall.Mode  `json:"mode"`
	Backend         string         `json:"backend"`
	Enforcing       bool           `json:"enforcing"`
	Cgroup          string         `json:"cgroup"`
	Prompts         int            `json:"prompts"`
	Rules           int            `json:"rules"`
	Proposed        int            `json:"proposed"` // programs seen that wait to be confirmed
	Allowed         uint64         `json:"allowed"`  // since the engine started
	Blocked         uint64         `json:"blocked"`
	DroppedEvents   uint64         `json:"dropped_events"`
	OtherNamespaces uint64         `json:"other_namespaces"`
	LogLines        int            `json:"log_lines"`            // in the activity log
	Fail            string         `json:"fail"`                 // "closed" or "open"
	FirstRun        bool           `json:"first_run"`            // nobody chose a mode yet
	ModeUntil       *time.Time     `json:"mode_until,omitempty"` // when the mode ends by itself
	ModeAfter       *firewall.Mode `json:"mode_after,omitempty"` // the mode after it
	Learned         int            `json:"learned"`              // programs of which mode learn proposes rules
	Notes           []string       `json:"notes,omitempty"`
	Started         time.Time      `json:"started"`
}

// Prompt is an open question.
type Prompt struct {
	ID          string             `json:"id"`
	State       string             `json:"state"`   // "waiting" or "unanswered"
	Program     string             `json:"program"` // as in Rule.Program, the path if nobody knows the service, or "" if unidentified
	Name        string             `json:"name"`
	About       string             `json:"about,omitempty"`   // "in another mount namespace", "deleted", why it is unidentified or changed
	Changed     bool               `json:"changed,omitempty"` // the file is not known to be the one that rules for its path were made for; allowed always, it is
	OnlyOnce    bool               `json:"only_once"`         // can only be answered once
	Inline      bool               `json:"inline,omitempty"`  // an interpreter runs what is not known to be one script: can only be answered once or until it exits
	PID         int                `json:"pid"`
	UID         int                `json:"uid"`
	User        string             `json:"user,omitempty"`
	Signer      string             `json:"signer,omitempty"`      // who signed it, if the system has verified that
	Product     string             `json:"product,omitempty"`     // as the file says
	Signature   string             `json:"signature,omitempty"`   // as in Rule.Program: every version of it; "" if there is none, and then no scope product
	Description string             `json:"description,omitempty"` // what the file says that it is
	Parent      string             `json:"parent,omitempty"`      // what started it
	StartedBy   string             `json:"started_by,omitempty"`  // as in Rule.StartedBy, what scope starter limits an answer to; "" if not known, and then no such scope
	Command     string             `json:"command,omitempty"`
	Warnings    []string           `json:"warnings,omitempty"` // what is worrying about the process: sentences without a full stop
	Facts       []string           `json:"facts,omitempty"`    // what else is known of it: each a label, ": " and words
	Protocol    firewall.Protocol  `json:"protocol"`
	Direction   firewall.Direction `json:"direction"`
	Remote      string             `json:"remote"`
	Host        string             `json:"host"`
	Port        uint16             `json:"port"` // that is connected to: of Direction in, the one here
	Waiting     int                `json:"waiting"`
	Others      int                `json:"others"`              // flows beside the first one
	Sought      []Destination      `json:"sought,omitempty"`    // where they go, in the order in which they came
	Elsewhere   int                `json:"elsewhere,omitempty"` // flows to others than these
	Last        time.Time          `json:"last"`                // when the newest of them came
	Ended       bool               `json:"ended,omitempty"`     // the process of the newest has ended
	Asked       time.Time          `json:"asked"`
	Deadline    time.Time          `json:"deadline"`
	Zone        firewall.Zone      `json:"zone,omitempty"` // of the remote
	Here        bool               `json:"here,omitempty"` // to be shown by the desktop program that watches: its session is the one to ask
}

// Destination is where flows of a prompt go.
type Destination struct {
	Protocol firewall.Protocol `json:"protocol"`
	Host     string            `json:"host"`
	Remote   string            `json:"remote"`
	Port     uint16            `json:"port"`
	Times    int               `json:"times"`
}

// Answer decides a prompt.
type Answer struct {
	ID      string           `json:"id"`
	Verdict firewall.Verdict `json:"verdict"`
	Scope   string           `json:"scope"` // program, host, port, destination, zone, product or starter; "" is program
	For     string           `json:"for"`   // once, exit, restart, always or a Go duration such as 1h; "" is always
}

// Rule is a rule as commands and windows show it.
type Rule struct {
	ID        string             `json:"id"`
	Program   string             `json:"program"` // a path, "kernel", "*", "container:CONTAINER/PATH", "foreign:…", "service:NAME:PATH", "script:FAMILY:PATH", "script:INTERPRETER:PATH", "inline:FAMILY:PATH", "package:FAMILY", "snap:NAME/PATH", "flatpak:ID", "nix:NAME/PATH" or "signer:NAME/product:NAME"
	Direction firewall.Direction `json:"direction"`
	Protocol  firewall.Protocol  `json:"protocol"`
	Remote    string             `json:"remote"` // an address, a prefix, "loopback", "resolvers" or ""
	Host      string             `json:"host"`
	Port      uint16             `json:"port"`
	ICMPType  firewall.ICMPType  `json:"icmp_type,omitempty"` // with protocol icmp: a name such as "echo-request", or a number
	PortTo    uint16             `json:"port_to,omitempty"`   // the last of a range that begins with Port
	LocalPort uint16             `json:"local_port,omitempty"`
	StartedBy string             `json:"started_by,omitempty"` // only when this script or program, a path, started it
	User      string             `json:"user,omitempty"`       // only of this user: a number, or a SID
	Verdict   firewall.Verdict   `json:"verdict"`
	Until     string             `json:"until"` // "always", "exit:PID", "restart", or a time in RFC 3339
	Enabled   bool               `json:"enabled"`
	Builtin   bool               `json:"builtin,omitempty"`
	Proposed  bool               `json:"proposed,omitempty"`
	Learned   bool               `json:"learned,omitempty"`   // proposed by mode learn, and accepted
	PassLock  bool               `json:"pass_lock,omitempty"` // what it allows passes also in mode lock
	Note      string             `json:"note"`
	By        string             `json:"by,omitempty"`      // the way in which it was made, as Change.Way, or seen or builtin
	ByUser    string             `json:"by_user,omitempty"` // who made it
	Created   time.Time          `json:"created"`
	LastUsed  *time.Time         `json:"last_used"`
	Hits      uint64             `json:"hits"`
}

// Lesson is what mode learn let a program do.
type Lesson struct {
	Program   string             `json:"program"` // as in Rule.Program
	Direction firewall.Direction `json:"direction"`
	First     time.Time          `json:"first"`
	Last      time.Time          `json:"last"`
	Count     uint64             `json:"count"`
	Proposals []ProposedRule     `json:"proposals"`
}

// ProposedRule is a rule that would have allowed a part of it.
type ProposedRule struct {
	ID           string `json:"id"` // another one if the rule is another one
	Rule         Rule   `json:"rule"`
	Destinations int    `json:"destinations"` // seen, that the rule allows
	Count        uint64 `json:"count"`        // flows to them
}

// LogLine is a line of the activity log.
type LogLine struct {
	ID        string             `json:"id"`   // grows with time
	Kind      string             `json:"kind"` // "flow", or "change" for a change of rules, mode or settings
	Time      time.Time          `json:"time"`
	Program   string             `json:"program"`
	Name      string             `json:"name"`
	PID       int                `json:"pid"`
	UID       int                `json:"uid"`
	Protocol  firewall.Protocol  `json:"protocol"`
	Direction firewall.Direction `json:"direction"`
	Local     string             `json:"local"`
	Remote    string             `json:"remote"`
	Port      uint16             `json:"port"`
	Host      string             `json:"host"`
	Verdict   string             `json:"verdict"` // allow, block, ask; "" for a change
	Reason    string             `json:"reason"`
	Rule      string             `json:"rule"`
	Count     int                `json:"count"`
	ICMPType  *uint16            `json:"icmp_type,omitempty"` // of ICMP, as the packet has it, if it is known
	Note      string             `json:"note,omitempty"`      // for a change: what was changed
	Change    string             `json:"change,omitempty"`    // for a change: its ID, see Undo
	Way       string             `json:"way,omitempty"`       // for a change: as in Change
	Carried   string             `json:"carried,omitempty"`   // for a change: the program whose place another version took, see UndoCarried
	Warnings  []string           `json:"warnings,omitempty"`  // as in Prompt, where the flow was asked about
	Facts     []string           `json:"facts,omitempty"`
}

// Network is a network, or addresses that a person put into a zone.
type Network struct {
	ID        string        `json:"id"`             // the hardware address of its gateway and its prefix; or the prefix alone
	Zone      firewall.Zone `json:"zone,omitempty"` // absent: nobody has said what it is, and it counts as internet
	Here      bool          `json:"here"`           // this computer is on it
	Interface string        `json:"interface,omitempty"`
	Prefixes  []string      `json:"prefixes,omitempty"`
	First     time.Time     `json:"first,omitzero"`
	Last      time.Time     `json:"last,omitzero"`
}

// Identity is what is known of the file of a program that rules were made for.
type Identity struct {
	Program string    `json:"program"`          // as in Rule: a path or a script
	SHA256  string    `json:"sha256,omitempty"` // "" until the file has been read
	Package string    `json:"package,omitempty"`
	Version string    `json:"version,omitempty"`
	Signer  string    `json:"signer,omitempty"`
	Product string    `json:"product,omitempty"`
	Since   time.Time `json:"since"`
	// Carried: this version took the place of another, of VersionBefore.
	Carried       bool   `json:"carried,omitempty"`
	VersionBefore string `json:"version_before,omitempty"`
	// Strict: that was undone; only the same content counts.
	Strict bool `json:"strict,omitempty"`
	// About says what its file is if it is not this program.
	About string `json:"about,omitempty"`
}

// LogQuery selects lines. Zero fields select everything.
type LogQuery struct {
	Program string    `json:"program,omitempty"`
	Verdict string    `json:"verdict,omitempty"`
	Text    string    `json:"text,omitempty"` // in program, host, remote or port
	Since   time.Time `json:"since,omitzero"`
	Before  string    `json:"before,omitempty"` // lines older than the one with this ID, for paging
	Limit   int       `json:"limit,omitempty"`  // 0: 100
}

// Setting is one setting with its meaning.
type Setting struct {
	Name    string   `json:"name"`
	Value   string   `json:"value"`
	Default string   `json:"default"`
	Help    string   `json:"help"`
	Choices []string `json:"choices,omitempty"` // the permitted values, if they are few
}

// ImportOptions say what is done with a policy file.
type ImportOptions struct {
	Replace bool // rules and settings that the file does not name go; else they stay
	Apply   bool // do it; else only say what it would change
}

// Difference says what an import changes.
type Difference struct {
	Added     []Rule            `json:"added"`
	Removed   []Rule            `json:"removed"`
	Changed   []Rule            `json:"changed"` // as they will be
	Was       []Rule            `json:"was"`     // the changed ones, in the same order, as they are
	Unchanged int               `json:"unchanged"`
	Settings  map[string]string `json:"settings"`        // new values
	Notes     []string          `json:"notes,omitempty"` // what of the file does not count here: sentences without a full stop
}
