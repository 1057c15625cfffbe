package firewall

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

const (
	// AnyProgram in a rule matches every program, save that an unidentified one
	// is not allowed by it unless the rule is built in.
	AnyProgram = "*"
	// KernelProgram in a rule matches traffic that no process sent.
	KernelProgram = "kernel"

	foreignPrefix = "foreign:"
	servicePrefix = "service:"
	scriptPrefix  = "script:"
	inlinePrefix  = "inline:"
	packagePrefix = "package:"
	signerPrefix  = "signer:"
	productMark   = "/product:"
)

// nameKind is a way to name programs: the greater, the narrower. The zero kind
// names nothing.
type nameKind uint8

const (
	namesNothing nameKind = iota
	namesAny
	namesSigned  // a verified signer and a product
	namesPackage // an installed package
	namesFile    // one file by its path, a foreign one, or the kernel
	namesService // one service of a file
	namesInline  // the inline code of an interpreter
	namesScript  // one script, whatever interpreter of its family runs it, or by just one
)

// Families are the kinds of interpreters whose scripts rules can name.
var Families = []string{"sh", "python", "perl", "ruby", "node", "java", "powershell", "cmd", "wscript"}

// name is what a rule is about, in the form in which rules are looked up: a
// program has several, and is matched by the rules for each. It is comparable.
type name struct {
	kind   nameKind
	text   string // path, foreign ID, package or signer
	detail string // service, product, family of interpreters or path of one
}

// String writes the name as [Rule].Program has it.
func (n name) String() string {
	switch n.kind {
	case namesAny:
		return AnyProgram
	case namesSigned:
		return signerPrefix + n.text + productMark + n.detail
	case namesPackage:
		if strings.Contains(n.text, ":") {
			return n.text // a package of Linux has its system's own prefix
		}
		return packagePrefix + n.text
	case namesFile:
		return n.text
	case namesService:
		return servicePrefix + n.detail + ":" + n.text
	case namesInline:
		return inlinePrefix + n.detail + ":" + n.text
	case namesScript:
		return scriptPrefix + n.detail + ":" + n.text
	}
	return ""
}

// parseName reads the program of a rule. An empty text names nothing, and is
// no error.
func parseName(s string) (name, error) {
	switch {
	case s == "":
		return name{}, nil
	case s == AnyProgram:
		return name{kind: namesAny}, nil
	case s == KernelProgram, strings.HasPrefix(s, foreignPrefix), isFile(s):
		return name{kind: namesFile, text: s}, nil
	}
	var n name
	if rest, ok := strings.CutPrefix(s, servicePrefix); ok {
		service, path, _ := strings.Cut(rest, ":")
		if n = serviceName(service, path); n == (name{}) {
			return n, fmt.Errorf(`program %q: want a service as in service:wuauserv:C:\Windows\System32\svchost.exe`, s)
		}
	} else if rest, ok := strings.CutPrefix(s, scriptPrefix); ok {
		family, path, _ := strings.Cut(rest, ":")
		if n = scriptName(family, path); n == (name{}) {
			return n, fmt.Errorf("program %q: want a script as in script:python:/home/u/backup.py, of %s, or of the path of an interpreter", s, strings.Join(Families, ", "))
		}
	} else if rest, ok := strings.CutPrefix(s, inlinePrefix); ok {
		family, path, _ := strings.Cut(rest, ":")
		if n = inlineName(family, path); n == (name{}) {
			return n, fmt.Errorf("program %q: want an interpreter as in inline:python:/usr/bin/python3.11", s)
		}
	} else if family, ok := strings.CutPrefix(s, packagePrefix); ok {
		if n = familyName(family); n == (name{}) {
			return n, fmt.Errorf("program %q: want a package family as in package:Microsoft.WindowsTerminal_8wekyb3d8bbwe", s)
		}
	} else if isOfLinux(s) {
		if n = packageName(s); n == (name{}) {
			return n, fmt.Errorf("program %q: want a package as in snap:firefox/usr/lib/firefox/firefox, flatpak:org.mozilla.firefox or nix:curl/bin/curl", s)
		}
	} else if rest, ok := strings.CutPrefix(s, signerPrefix); ok {
		signer, product, _ := strings.Cut(rest, productMark)
		if n = signedName(signer, product); n == (name{}) {
			return n, fmt.Errorf("program %q: want signer and product as in signer:Mozilla Corporation/product:Firefox", s)
		}
	} else if strings.HasPrefix(s, containerPrefix) {
		return n, fmt.Errorf("program %q: want a program in a container as in container:docker-3f2a1b4c5d6e/usr/bin/curl", s)
	} else {
		return n, fmt.Errorf("program %q: want an absolute path, %q, or %q for any program", s, KernelProgram, AnyProgram)
	}
	return n, nil
}

// serviceName names a service of the executable at path. The colon, which
// would end its name in a rule, is in no service's name.
func serviceName(service, path string) name {
	if service == "" || len(service) > maxService || strings.ContainsAny(service, `:/\`) || !isPrintable(service) || !isPath(path) {
		return name{}
	}
	return name{namesService, path, service}
}

// scriptName names a script by its own path: run by an interpreter of a family,
// it stays the same program when that is updated. by may be the path of an
// interpreter instead, without a colon, which would end it in a rule.
func scriptName(by, path string) name {
	one := strings.HasPrefix(by, "/") && !strings.Contains(by, ":")
	if !one && !slices.Contains(Families, by) || !isPath(path) {
		return name{}
	}
	return name{namesScript, path, by}
}

// inlineName names the inline code of the interpreter at path.
func inlineName(family, path string) name {
	if !slices.Contains(Families, family) || !isPath(path) {
		return name{}
	}
	return name{namesInline, path, family}
}

// packageName names an installed package. A family has no colon.
func packageName(s string) name {
	if !isOfLinux(s) {
		return familyName(s)
	}
	system, rest, _ := strings.Cut(s, ":")
	title, _, _ := strings.Cut(rest, "/")
	inner := rest[len(title):]
	if title == "" || strings.Trim(title, linuxBytes) != "" || (system == "flatpak") != (inner == "") || len(s) > maxProgram {
		return name{}
	}
	if inner != "" && (inner == "/" || path.Clean(inner) != inner || strings.ContainsRune(inner, 0)) {
		return name{}
	}
	return name{kind: namesPackage, text: s}
}

// isOfLinux tells whether s names, if it is well formed, a package of Linux:
// what it is called without its version or revision, and the path in it of the
// executable; a Flatpak app is named as a whole.
func isOfLinux(s string) bool {
	return strings.HasPrefix(s, "snap:") || strings.HasPrefix(s, "flatpak:") || strings.HasPrefix(s, "nix:")
}

// familyName names a package of Windows: its name of letters, digits, dots and
// hyphens, an underscore, and the thirteen characters that stand for its
// publisher.
func familyName(family string) name {
	title, publisher, _ := strings.Cut(family, "_")
	if title == "" || len(family) > maxFamily || len(publisher) != 13 || strings.Trim(title, titleBytes) != "" || strings.Trim(publisher, publisherBytes) != "" {
		return name{}
	}
	return name{kind: namesPackage, text: family}
}

func signedName(signer, product string) name {
	if !isPrintable(signer) || !isPrintable(product) || strings.Contains(signer, productMark) {
		return name{}
	}
	return name{namesSigned, signer, product}
}

const (
	maxService = 256 // characters of a service's name, says CreateService
	maxFamily  = 64  // PACKAGE_FAMILY_NAME_MAX_LENGTH of appmodel.h

	titleBytes     = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"
	publisherBytes = "0123456789abcdefghjkmnpqrstvwxyz" // Crockford's base 32
	linuxBytes     = titleBytes + "_+?="                // Nix takes the most
)

// isPrintable tells whether s is not empty, begins and ends with no space, and
// has no control characters.
func isPrintable(s string) bool {
	control := strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || 0x7f <= c && c < 0xa0 })
	return s != "" && strings.TrimSpace(s) == s && !control
}

// name is the program's own: that by which it is remembered. It names nothing
// if the program is not identified.
func (p *Program) name() name {
	switch p.Kind {
	case Executable:
		return p.file()
	case Changed:
		if p.Script != "" {
			return p.script()
		}
		return p.file()
	case Foreign:
		if p.File != "" {
			return name{kind: namesFile, text: foreignPrefix + p.File + ":" + p.Path}
		}
	case Kernel:
		return name{kind: namesFile, text: KernelProgram}
	case Hosted:
		return serviceName(p.Service, p.Path)
	case Packaged:
		if isPath(p.Path) {
			return packageName(p.Package)
		}
	case Interpreted:
		if p.Script != "" {
			return p.script()
		}
		if p.File != "" {
			return inlineName(p.Family, p.Path)
		}
	}
	return name{}
}

// script names the program's script, and the interpreter with it if others
// could be in its place.
func (p *Program) script() name {
	switch {
	case !isPath(p.Path) || !slices.Contains(Families, p.Family):
		return name{}
	case p.Replaceable:
		return scriptName(p.Path, p.Script)
	}
	return scriptName(p.Family, p.Script)
}

// file names the path of a program that is known to be the file there.
func (p *Program) file() name {
	switch p.Kind {
	case Executable, Hosted, Packaged, Changed, Interpreted:
		if isFile(p.Path) {
			return name{kind: namesFile, text: p.Path}
		}
	}
	return name{}
}

// signature names what the program has in common with other versions of it.
// Services and scripts have no such name: what is signed is what runs them.
func (p *Program) signature() name {
	if p.Signer == "" || p.Kind == Hosted || p.Kind == Interpreted || p.isScript() || p.file() == (name{}) {
		return name{}
	}
	return signedName(p.Signer, p.Product)
}

// names are all the names by which a rule may call the program, the narrowest
// first; some may name nothing. identified tells whether one is its own.
func (p *Program) names() (names [6]name, identified bool) {
	names = [...]name{p.name(), {}, {}, {}, p.signature(), {kind: namesAny}}
	identified = names[0].kind != namesNothing
	switch {
	case p.isScript(), p.Kind == Interpreted:
		if p.isScript() && p.Replaceable {
			names[1] = scriptName(p.Family, p.Script)
		}
		// What is said of the interpreter's package or signer is said of what it runs.
		if names[2] = p.file(); names[2] != (name{}) {
			names[3], names[4] = packageName(p.Package), signedName(p.Signer, p.Product)
		}
	case p.Kind == Hosted:
		names[1] = p.file()
	case p.Kind == Packaged:
		names[0], names[1] = p.file(), names[0]
	}
	return names, identified
}

// validateProgram says what is wrong with the program of a rule.
func validateProgram(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("no program: want a path, or %q for any program", AnyProgram)
	case len(s) > maxProgram:
		return fmt.Errorf("program name of %d bytes: at most %d", len(s), maxProgram)
	case strings.ContainsRune(s, 0):
		return fmt.Errorf("program %q: an absolute path has no zero byte", s)
	}
	_, err := parseName(s)
	return err
}

func (n name) part() string { return n.text }
