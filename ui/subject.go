package ui

import (
	"regexp"
	"strings"

	"sallyport.dev/sallyport/firewall"
)

// windowsPath is where a path of Windows begins in a rule's program.
var windowsPath = regexp.MustCompile(`^(?:[A-Za-z]:)?\\`)

// subjectText says what a rule's program is called, and what that is, where it
// is not a path of Unix: a path of Windows, a service, a script, inline code, a
// package, or a signer with a product. An executable that is not called as its
// package is shown with it: "curl (firefox)".
func subjectText(program string) (title, detail string, ok bool) {
	if firewall.IsLocalResolver(program) && strings.HasPrefix(program, "/") {
		return shown(lastPart(program)) + textResolverMark, textResolverDetail + " · " + shown(program), true
	}
	if windowsPath.MatchString(program) {
		return shown(program[strings.LastIndexByte(program, '\\')+1:]), shown(program), true
	}
	if rest, ok := strings.CutPrefix(program, "service:"); ok {
		service, host, _ := strings.Cut(rest, ":")
		if firewall.IsLocalResolver(program) {
			return shown(service) + textResolverMark, textResolverDetail + " · " + shown(host), true
		}
		return shown(service), textServiceDetail + " · " + shown(host), true
	}
	if rest, ok := strings.CutPrefix(program, "script:"); ok {
		by, script, _ := strings.Cut(rest, ":")
		detail := textScriptDetail + " · " + shown(script)
		if strings.HasPrefix(by, "/") {
			detail += " · " + textScriptBy + " " + shown(lastPart(by))
		}
		return shown(lastPart(script) + " (" + lastPart(by) + ")"), detail, true
	}
	if rest, ok := strings.CutPrefix(program, "container:"); ok {
		container, _, _ := strings.Cut(rest, "/")
		return shown(lastPart(rest) + " (" + container + ")"), textContainerDetail + " " + shown(container) + " · " + shown(strings.TrimPrefix(rest, container)), true
	}
	if rest, ok := strings.CutPrefix(program, "inline:"); ok {
		_, path, _ := strings.Cut(rest, ":")
		return shown(lastPart(path)), textInlineDetail + " · " + shown(path), true
	}
	if family, ok := strings.CutPrefix(program, "package:"); ok {
		title, _, _ := strings.Cut(family, "_")
		return shown(title), textPackageDetail + " · " + shown(family), true
	}
	for system, text := range linuxPackages {
		if rest, ok := strings.CutPrefix(program, system); ok {
			title, inner, _ := strings.Cut(rest, "/")
			if last := inner[strings.LastIndexByte(inner, '/')+1:]; last != "" && last != title {
				title = last + " (" + title + ")"
			}
			return shown(title), text + " · " + shown(rest), true
		}
	}
	if rest, ok := strings.CutPrefix(program, "signer:"); ok {
		signer, product, _ := strings.Cut(rest, "/product:")
		return shown(product), textSignerDetail + " " + shown(signer), true
	}
	return "", "", false
}

// linuxPackages says what begins with the prefix of each system of packages.
var linuxPackages = map[string]string{
	"snap:":    "A snap, also when it is updated",
	"flatpak:": "A Flatpak app, also when it is updated",
	"nix:":     "A Nix package, also when it is updated",
}

const (
	textResolverMark    = " (local resolver)"
	textResolverDetail  = "The local resolver"
	textServiceDetail   = "A service"
	textScriptDetail    = "A script"
	textScriptBy        = "own"
	textInlineDetail    = "Inline code"
	textContainerDetail = "In the container"
	textPackageDetail   = "An installed package"
	textSignerDetail    = "Every version signed by"
)
