package process

import "strings"

// nativePath writes a path of the Windows kernel as programs and persons know
// it: \Device\HarddiskVolume3\a and \??\C:\a as C:\a, a share as
// \\server\share\a. drives are the kernel's devices by drive letter ("C:"). What
// it does not know stays as it is. It shortens nothing.
func nativePath(path string, drives map[string]string) string {
	if rest, ok := cutPrefixFold(path, `\??\UNC\`); ok {
		return `\\` + rest
	}
	if rest, ok := cutPrefixFold(path, `\??\`); ok {
		return rest
	}
	if rest, ok := cutPrefixFold(path, `\Device\Mup\`); ok && !strings.HasPrefix(rest, ";") {
		return `\\` + rest
	}
	letter, device := "", ""
	for l, d := range drives {
		if len(d) > len(device) && isBelow(path, d) {
			letter, device = l, d
		}
	}
	if letter != "" {
		return letter + path[len(device):]
	}
	return path
}

// plainPath takes the prefix from a path that lets it be long.
func plainPath(path string) string {
	if rest, ok := cutPrefixFold(path, `\\?\UNC\`); ok {
		return `\\` + rest
	}
	if rest, ok := strings.CutPrefix(path, `\\?\`); ok && len(rest) > 2 && rest[1] == ':' && rest[2] == '\\' {
		return rest
	}
	return path
}

// longPath adds what lets a path be longer than 260 characters.
func longPath(path string) string {
	switch {
	case strings.HasPrefix(path, `\\?\`):
		return path
	case strings.HasPrefix(path, `\\`):
		return `\\?\UNC\` + path[2:]
	}
	return `\\?\` + path
}

// isBelow tells whether the path is of something inside the folder or device.
func isBelow(path, folder string) bool {
	rest, ok := cutPrefixFold(path, folder)
	return ok && folder != "" && strings.HasPrefix(rest, `\`)
}

func cutPrefixFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
