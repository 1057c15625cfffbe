package process

import (
	"path"
	"path/filepath"
	"strings"
)

// Container is a container as the manager named its cgroup.
type Container struct {
	Name   string // "docker-3f2a1b4c5d6e", "nspawn-web"
	Folder string // its cgroup
}

// ContainerOf is the container in whose cgroup the process is, below the folder
// where the cgroup v2 tree is mounted. The error says why it cannot be believed:
// who may make cgroups can give them any name. The zero Container is none.
func ContainerOf(pid int, tree string) (Container, error) {
	group := unifiedPath(readSmall(proc(pid, "cgroup")))
	name, folder := containerFolder(group)
	if name == "" || path.Clean(group) != group {
		return Container{}, nil
	}
	c := Container{Name: name, Folder: filepath.Join(tree, folder)}
	return c, RootsAlone(c.Folder)
}

// unifiedPath is the path of cgroup v2 alone.
func unifiedPath(text string) string {
	for line := range strings.Lines(text) {
		if path, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			return path
		}
	}
	return ""
}
