package ui

import (
	"regexp"
	"strings"
)

// windowsPath is where a path of Windows begins in a rule's program.
var windowsPath = regexp.MustCompile(`^(?:[A-Za-z]:)?\\`)

// subjectText says what a rule's program is called, and what that is, where it
// is not a path of Unix: a path of Windows, a service, a script, inline code, a
// package, or a signer with a product.
func subjectText(program string) (title, detail string, ok bool) {
	if windowsPath.MatchString(program) {
		return shown(program[strings.LastIndexByte(program, '\\')+1:]), shown(program), true
	}
	if rest, ok := strings.CutPrefix(program, "service:"); ok {
		service, host, _ := strings.Cut(rest, ":")
		return shown(service), textServiceDetail + " · " + shown(host), true
	}
	if rest, ok := strings.CutPrefix(program, "script:"); ok {
		family, script, _ := strings.Cut(rest, ":")
		return shown(lastPart(script) + " (" + family + ")"), textScriptDetail + " · " + shown(script), true
	}
	if rest, ok := strings.CutPrefix(program, "inline:"); ok {
		_, path, _ := strings.Cut(rest, ":")
		return shown(lastPart(path)), textInlineDetail + " · " + shown(path), true
	}
	if family, ok := strings.CutPrefix(program, "package:"); ok {
		title, _, _ := strings.Cut(family, "_")
		return shown(title), textPackageDetail + " · " + shown(family), true
	}
	if rest, ok := strings.CutPrefix(program, "signer:"); ok {
		signer, product, _ := strings.Cut(rest, "/product:")
		return shown(product), textSignerDetail + " " + shown(signer), true
	}
	return "", "", false
}

const (
	textServiceDetail = "A service"
	textScriptDetail  = "A script"
	textInlineDetail  = "Inline code"
	textPackageDetail = "An installed package"
	textSignerDetail  = "Every version signed by"
)
