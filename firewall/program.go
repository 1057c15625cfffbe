package firewall

import "strings"

// ProgramKind tells how much is known of a program. The zero kind is
// [Unidentified]: a forgotten assignment never widens a rule.
type ProgramKind uint8

const (
	// Unidentified: nobody can say which program this is. It is asked about,
	// can only be answered once, and matches no rule that names a program.
	Unidentified ProgramKind = iota
	// Executable: Path, opened on this computer, is the very file that runs.
	Executable
	// Foreign: the file that runs is not the one at Path on this computer: it
	// was started in another mount namespace, replaced, or deleted since.
	Foreign
	// Kernel: no process sent the packet (WireGuard, NFS, neighbour discovery).
	Kernel
)

// Program says which program this is. It is comparable: equal values are the
// same program to every rule and question.
type Program struct {
	Kind ProgramKind
	// Path is the executable's path as the kernel names it; empty for the
	// kernel and where it is not known.
	Path string
	// File tells programs of the same Path apart where Kind is Foreign
	// (device:inode:generation:ctime) or Unidentified (process and reason).
	// Empty otherwise.
	File string
	// Why says in a few words why the program is Foreign or Unidentified:
	// "in another mount namespace", "deleted", "path too long". Empty otherwise.
	Why string
}

const (
	// AnyProgram in a rule matches every program, save that an unidentified one
	// is not allowed by it unless the rule is built in.
	AnyProgram = "*"
	// KernelProgram in a rule matches traffic that no process sent.
	KernelProgram = "kernel"

	foreignPrefix = "foreign:"
)

// ID is the text by which rules name the program: the path, "kernel",
// "foreign:FILE:PATH". It is empty for an unidentified program, and an empty
// text matches nothing. A path that could be taken for one of the other forms
// identifies nothing either.
func (p Program) ID() string {
	switch p.Kind {
	case Executable:
		if isPath(p.Path) {
			return p.Path
		}
	case Foreign:
		if p.File != "" {
			return foreignPrefix + p.File + ":" + p.Path
		}
	case Kernel:
		return KernelProgram
	}
	return ""
}

// Name is the last part of the path, or "Kernel", or "unidentified program".
func (p Program) Name() string {
	if p.Kind == Kernel {
		return "Kernel"
	}
	if name := p.Path[strings.LastIndexByte(p.Path, '/')+1:]; name != "" {
		return name
	}
	return "unidentified program"
}

// isPath tells whether s is an absolute path, of Unix or of Windows.
func isPath(s string) bool {
	drive := len(s) > 2 && s[1] == ':' && s[2] == '\\'
	return strings.HasPrefix(s, "/") || strings.HasPrefix(s, `\\`) || drive
}
