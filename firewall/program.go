package firewall

import "strings"

// ProgramKind tells how much is known of a program. The zero kind is
// [Unidentified]: a forgotten assignment never widens a rule.
type ProgramKind uint8

const (
	// Unidentified: nobody can say which program this is. It is asked about,
	// can only be answered once, and matches no rule that names a program.
	Unidentified ProgramKind = iota
	// Executable: Path, opened on this computer or in the root folder of the
	// container that it names, is the very file that runs, or the AppImage that it
	// runs from.
	Executable
	// Foreign: the file that runs is not the one at Path on this computer: it
	// was started in another mount namespace, replaced, or deleted since.
	Foreign
	// Kernel: no process sent the packet (WireGuard, NFS, neighbour discovery).
	Kernel
	// Hosted: Path is an executable that runs services of others (svchost.exe),
	// and Service the one that opened the flow. Where it is not known which,
	// Service is empty: the program is answered once only, and matches rules
	// for all of Path, but none for a service.
	Hosted
	// Packaged: Path is an executable of the installed Package, whose name no
	// other can take, and changes with each update of it.
	Packaged
	// Changed: the program is one that rules name, but the file at its Path, or
	// of its Script, is not known to be the one that they were made for. Rules
	// that name it count if they block or ask, and do not if they allow.
	Changed
	// Interpreted: Path is an interpreter (python3.11, dash) that runs the Script.
	// Where Script is empty it runs inline code: what no file holds, or nobody
	// knows which. Rules name that only until its process exits, and rules for
	// all of Path match both.
	Interpreted
)

// Program says which program this is. It is comparable: equal values are the
// same program to every rule and question.
type Program struct {
	Kind ProgramKind
	// Path is the executable's path as the kernel names it, see [ContainerPath] for
	// one in a container; empty for the kernel and where it is not known.
	Path string
	// File tells programs of the same Path apart where Kind is Foreign
	// (device:inode:generation:ctime), Changed ("sha256:" and the digest, or the
	// Stamp while that is not known), inline code (its execution) or Unidentified
	// (process and reason). Empty otherwise.
	File string
	// Why says in a few words why the program is Foreign, Changed, inline code or
	// Unidentified, or the service of a Hosted one not known: "in another mount
	// namespace", "another file at this path since 12 Nov 2026", "inline code
	// (-c)", "path too long". Empty otherwise.
	Why string
	// Family is the kind of interpreter where Kind is Interpreted, one of
	// [Families], and Script the path of the script or archive that it runs:
	// "python", "/home/u/backup.py". Both stay where that one Changed.
	Family, Script string
	// Replaceable tells that others than root can put another file into the
	// place of a Script's interpreter. Rules then name the script as run by just
	// this Path, and what proves it is of both files.
	Replaceable bool
	// Service is the name of a Windows service where Kind is Hosted: "wuauserv".
	Service string
	// Package is, where Kind is Packaged, the family name of a Windows package:
	// "Microsoft.WindowsTerminal_8wekyb3d8bbwe"; or a Linux one with its system,
	// and the path in it: "snap:firefox/usr/lib/firefox/firefox",
	// "nix:curl/bin/curl", but "flatpak:org.mozilla.firefox".
	Package string
	// Signer is who signed the executable, by the name in the certificate, and
	// Product the product name in the signed file. The system has verified the
	// signature and trusts the certificate; otherwise both are empty.
	Signer, Product string
}

// ID is the text by which rules name the program: the path,
// "container:CONTAINER/PATH", "kernel",
// "foreign:FILE:PATH", "service:NAME:PATH", "script:FAMILY:SCRIPT",
// "script:PATH:SCRIPT" where the interpreter is Replaceable,
// "inline:FAMILY:PATH", "package:FAMILY", "snap:NAME/PATH", "flatpak:ID" or
// "nix:NAME/PATH". It is empty for an unidentified program and an unidentified
// service, and an empty text matches nothing. A path that could be taken for
// one of the other forms identifies nothing either.
func (p Program) ID() string { return p.name().String() }

// Proven is the program that one which Changed is once it is known to be what
// rules were made for; any other is itself.
func (p Program) Proven() Program {
	if p.Kind != Changed {
		return p
	}
	p.Kind, p.File, p.Why = Executable, "", ""
	if p.Script != "" {
		p.Kind = Interpreted
	}
	return p
}

// Signature is the text by which rules name every program of the same verified
// signer and product: "signer:NAME/product:NAME". It is empty if there is no
// such, and for services, whose host is signed and not they.
func (p Program) Signature() string { return p.signature().String() }

// Lasting tells whether the program can be named beyond the end of its process:
// it is identified, and no inline code.
func (p Program) Lasting() bool {
	n := p.name()
	return n.kind != namesNothing && n.kind != namesInline
}

// Name is the last part of the path, or "Kernel", or "unidentified program". A
// service is named before its host, a script before its family, a program before
// its container, and the local resolver as such: "wuauserv (svchost.exe)",
// "backup.py (python)", "curl (docker-3f2a1b4c5d6e)", "dnsmasq (local resolver)".
func (p Program) Name() string {
	if p.Kind == Kernel {
		return "Kernel"
	}
	name := lastPart(p.Path)
	switch {
	case name == "":
		return "unidentified program"
	case p.Kind == Hosted && p.Service != "":
		return p.Service + " (" + name + ")"
	case p.isScript():
		return lastPart(p.Script) + " (" + p.Family + ")"
	}
	if container, _, ok := InContainer(p.Path); ok {
		return name + " (" + container + ")"
	}
	if p.Kind == Executable && IsLocalResolver(p.Path) {
		return name + resolverMark
	}
	return name
}

// isScript tells whether the program is a script, and not its interpreter.
func (p *Program) isScript() bool {
	return p.Script != "" && (p.Kind == Interpreted || p.Kind == Changed)
}

// lastPart is what follows the last separator of a path, of Unix or of Windows.
func lastPart(path string) string {
	if isWindowsPath(path) {
		return path[strings.LastIndexByte(path, '\\')+1:]
	}
	return path[strings.LastIndexByte(path, '/')+1:]
}

// isPath tells whether s is an absolute path, of Unix or of Windows.
func isPath(s string) bool { return strings.HasPrefix(s, "/") || isWindowsPath(s) }

func isWindowsPath(s string) bool {
	drive := len(s) > 2 && s[1] == ':' && s[2] == '\\'
	return strings.HasPrefix(s, `\\`) || drive
}
