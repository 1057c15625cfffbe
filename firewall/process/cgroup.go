package process

import (
	"regexp"
	"strings"
)

// cgroupPath is the path in the text of /proc/PID/cgroup: of cgroup v2, or of
// systemd's own hierarchy beside version 1.
func cgroupPath(text string) (path string) {
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) != 3 {
			continue
		}
		if named := parts[1] == "name=systemd"; named || parts[1] == "" && path == "" {
			if path = parts[2]; named {
				break
			}
		}
	}
	return strings.TrimSuffix(path, " (deleted)")
}

// unitOf is the innermost service or scope of systemd in a cgroup's path.
func unitOf(path string) string {
	for path != "" {
		i := strings.LastIndexByte(path, '/')
		if part := path[i+1:]; strings.HasSuffix(part, ".service") || strings.HasSuffix(part, ".scope") {
			return part
		}
		path = path[:max(i, 0)]
	}
	return ""
}

// isLogin tells whether the unit is a login session, which holds all that a
// person started there.
func isLogin(unit string) bool {
	return strings.HasPrefix(unit, "session-") && strings.HasSuffix(unit, ".scope")
}

// containers are the forms of cgroup paths by which managers of containers can
// be told; the first group is the name of the container.
var containers = []struct {
	manager string
	form    *regexp.Regexp
	sandbox bool // of one application, on this computer's root folder or a known one's
}{
	{"docker", regexp.MustCompile(`/docker[/-]([0-9a-f]{12})[0-9a-f]{52}(?:\.scope)?(?:/|$)`), false},
	{"podman", regexp.MustCompile(`/libpod-([0-9a-f]{12})[0-9a-f]{52}(?:\.scope)?(?:/|$)`), false},
	{"containerd", regexp.MustCompile(`/(?:cri-containerd-|crio-|kubepods[^:]*/)([0-9a-f]{12})[0-9a-f]{52}(?:\.scope)?(?:/|$)`), false},
	{"lxc", regexp.MustCompile(`/lxc(?:\.payload)?[./]([^/]+)(?:/|$)`), false},
	{"nspawn", regexp.MustCompile(`/machine\.slice/(?:systemd-nspawn@|machine-)([^/]+)\.(?:service|scope)(?:/|$)`), false},
	{"snap", regexp.MustCompile(`/snap\.([a-z0-9-]+)\.[^/]+\.(?:service|scope)(?:/|$)`), true},
	{"flatpak", regexp.MustCompile(`/app-flatpak-([^/]+)-[0-9]+\.scope(?:/|$)`), true},
}

// containerOf is the container whose cgroup the path is: "docker 3f2a1b4c5d6e".
func containerOf(path string) string {
	for _, c := range containers {
		if found := c.form.FindStringSubmatch(path); found != nil {
			return c.manager + " " + found[1]
		}
	}
	return ""
}

// containerFolder is the name of the container whose cgroup the path is in, as in
// "docker-3f2a1b4c5d6e", and the container's own part of the path.
func containerFolder(path string) (name, folder string) {
	for _, c := range containers {
		if at := c.form.FindStringSubmatchIndex(path); at != nil && !c.sandbox {
			return c.manager + "-" + path[at[2]:at[3]], strings.TrimSuffix(path[:at[1]], "/")
		}
	}
	return "", ""
}
