package netfilter

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"

	"sallyport.dev/sallyport/firewall"
)

// packaged says which package's program p is, if it is one of a system that
// puts every version elsewhere: then its package is the subject, and not the
// path. Where a program is in a mount namespace of its own, only its process
// tells what it has mounted, and then what it tells is proven here, in ours.
func (i *identities) packaged(key kernelProgram, pid uint32, p firewall.Program) subject {
	s := subject{Program: p, stamp: stampOf(key)}
	if p.Kind != firewall.Executable && p.Kind != firewall.Foreign {
		return s
	}
	switch own := p.Kind == firewall.Executable; {
	case isAppImagePath(p.Path):
		return i.appImage(key, pid, s)
	case own:
		name := snapOf(p.Path, key.Device)
		if name == "" {
			name = nixOf("/", p.Path)
		}
		if name != "" {
			s.Kind, s.Package = firewall.Packaged, name
		}
	case isFlatpakPath(p.Path):
		return i.flatpak(key, pid, s)
	case p.Why == elsewhere:
		s.Program = i.contained(key, pid, p)
	}
	return s
}

// untold is a program of which only its process could have told more, which
// is gone.
func untold(pid uint32) subject {
	const why = "in another mount namespace, and its process is gone"
	return subject{Program: firewall.Program{File: fmt.Sprintf("process %d: %s", pid, why), Why: why}}
}

// mountsOf are the mounts that a process sees: "self", or its number.
func mountsOf(process string) ([]*mountinfo.Info, error) {
	file, err := os.Open("/proc/" + process + "/mountinfo")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return mountinfo.GetMountsFromReader(file, nil)
}

// below returns the part of a path that begins with the slash after a folder.
func below(path, folder string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(path, strings.TrimSuffix(folder, "/"))
	return rest, ok && strings.HasPrefix(rest, "/")
}

// mountAt is the mount that a path is on; nil if none is.
func mountAt(mounts []*mountinfo.Info, path string) (at *mountinfo.Info) {
	for _, m := range mounts { // a later one covers an earlier one at the same place
		if _, ok := below(path, m.Mountpoint); ok && (at == nil || len(m.Mountpoint) >= len(at.Mountpoint)) {
			at = m
		}
	}
	return at
}

// here are the paths at which our mounts may have what a process has at a path.
func here(theirs []*mountinfo.Info, path string) (paths []string, err error) {
	at := mountAt(theirs, path)
	if at == nil {
		return nil, nil
	}
	rest, _ := below(path, at.Mountpoint)
	inside := strings.TrimSuffix(at.Root, "/") + rest
	ours, err := mountsOf("self")
	if err != nil {
		return nil, err
	}
	for _, m := range ours {
		if m.Major != at.Major || m.Minor != at.Minor {
			continue
		}
		if rest, ok := below(inside, m.Root); ok {
			paths = append(paths, strings.TrimSuffix(m.Mountpoint, "/")+rest)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths), nil
}
