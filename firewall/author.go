package firewall

// Author is who made a rule, and in which way. The zero Author is not known.
type Author struct {
	Way  Way
	User string // a UID or a SID; "" where no person made it
}

// Way says in which way a rule, or another change, was made. The values are
// what the log and the commands print.
type Way string

const (
	WayAnswer  Way = "answer"  // the answer to a question
	WayWindow  Way = "window"  // in the windows
	WayCommand Way = "command" // by a command
	WayImport  Way = "import"  // from a file
	WayReview  Way = "review"  // confirmed in the list of programs seen
	WaySeen    Way = "seen"    // proposed for a program seen while nobody was asked
	WayCarried Way = "carried" // another version of the program took its place
	WayBuiltin Way = "builtin" // every first start has it
	WayUndo    Way = "undo"    // an earlier change was taken back
	WayEnded   Way = "ended"   // a rule's time was over
)
