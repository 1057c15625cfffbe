package firewall

import (
	"path"
	"strings"
)

const (
	containerPrefix = "container:"
	maxContainer    = 80 // characters: the name of a manager, and of what it runs
)

// ContainerPath is the [Program].Path of the file at a path in the root folder
// of a container: "container:docker-3f2a1b4c5d6e/usr/bin/curl". It is "" if that
// cannot be named.
func ContainerPath(container, inside string) string {
	p := containerPrefix + container + inside
	if name, at, ok := InContainer(p); !ok || name != container || at != inside {
		return ""
	}
	return p
}

// InContainer takes apart what [ContainerPath] made; ok is false for any other
// path.
func InContainer(p string) (container, inside string, ok bool) {
	rest, ok := strings.CutPrefix(p, containerPrefix)
	if !ok {
		return "", "", false
	}
	at := strings.IndexByte(rest, '/')
	if at <= 0 || at > maxContainer {
		return "", "", false
	}
	container, inside = rest[:at], rest[at:]
	if strings.Trim(container, linuxBytes) != "" || inside == "/" || path.Clean(inside) != inside || strings.ContainsRune(inside, 0) {
		return "", "", false
	}
	return container, inside, true
}

// isFile tells whether s names a file: by its absolute path, here or in a
// container.
func isFile(s string) bool {
	_, _, contained := InContainer(s)
	return contained || isPath(s)
}
