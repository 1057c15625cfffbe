package process

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	maxEnvironment = 8 << 20 // the kernel takes 6 MB at most (_STK_LIM / 4 * 3)
	maxVariable    = 1 << 10 // of a variable, as much is kept
	maxVariables   = 4       // an environment may have one several times
	maxSmallFile   = 64 << 10
)

// proc is a file of a process in /proc.
func proc(pid int, name string) string { return "/proc/" + strconv.Itoa(pid) + "/" + name }

// surround reads where the process runs and what surrounds it.
func (f *Facts) surround() {
	f.Terminal = terminal(readSmall(proc(f.PID, "stat")))
	if environment, err := os.Open(proc(f.PID, "environ")); err == nil {
		f.Loader = loaderVariables(io.LimitReader(environment, maxEnvironment))
		environment.Close()
	}
	group := cgroupPath(readSmall(proc(f.PID, "cgroup")))
	f.Unit = unitOf(group)
	for _, kind := range []struct{ file, name string }{{"mnt", "mount"}, {"pid", "pid"}, {"user", "user"}} {
		if theirs := link(proc(f.PID, "ns/"+kind.file)); theirs != "" && theirs != link("/proc/self/ns/"+kind.file) {
			f.Namespaces = append(f.Namespaces, kind.name)
		}
	}
	// Anyone may give a cgroup such a name: a container sees files of its own.
	if slices.Contains(f.Namespaces, "mount") {
		f.Container = cmp.Or(flatpakOf(readSmall(proc(f.PID, "root/.flatpak-info"))), containerOf(group), f.sandbox())
	}
	f.File = f.file()
}

// sandbox is the program that started this one in namespaces of their own.
func (f *Facts) sandbox() string {
	for _, a := range f.Chain {
		switch name := lastPart(a.Path); name {
		case "bwrap":
			return "bubblewrap"
		case "firejail":
			return name
		}
	}
	return ""
}

func unitOfProcess(pid int) string { return unitOf(cgroupPath(readSmall(proc(pid, "cgroup")))) }

// fileOf is the path of what the process calls so, "" if that is no file.
func fileOf(pid int, name string) string {
	if name == "" {
		return ""
	}
	if !path.IsAbs(name) {
		folder := link(proc(pid, "cwd"))
		if !path.IsAbs(folder) {
			return ""
		}
		name = path.Join(folder, name)
	}
	info, err := os.Stat(proc(pid, "root"+name))
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return name
}

// seesOurFiles tells whether a path is the same file to the process and here.
func seesOurFiles(pid int) bool {
	return link(proc(pid, "root")) == "/" && link(proc(pid, "ns/mnt")) == link("/proc/self/ns/mnt")
}

// readSmall reads the beginning of a file, "" if it cannot be read. One that
// is no regular file, such as a pipe of a sandbox's maker, is not waited for.
func readSmall(name string) string {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSmallFile))
	if err != nil {
		return ""
	}
	return string(text)
}

func link(name string) string {
	target, err := os.Readlink(name)
	if err != nil {
		return ""
	}
	return target
}

// terminal is the controlling terminal in the text of /proc/PID/stat.
func terminal(stat string) string {
	// The name in parentheses may hold spaces and parentheses itself.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 5 {
		return ""
	}
	number, err := strconv.ParseInt(fields[4], 10, 64)
	if err != nil {
		return ""
	}
	// tty_nr has the minor number in bits 0 to 7 and 20 to 31 (proc(5)).
	major, minor := number>>8&0xfff, number&0xff|number>>12&0xfff00
	switch {
	case major >= 136 && major <= 143: // the kernel's list of devices
		return fmt.Sprintf("pts/%d", (major-136)<<20+minor)
	case major == 4 && minor < 64:
		return fmt.Sprintf("tty%d", minor)
	case major == 4:
		return fmt.Sprintf("ttyS%d", minor-64)
	}
	return ""
}

// loaderVariables are the variables of an environment that have the dynamic
// linker load other code than the program names.
func loaderVariables(environment io.Reader) (found []string) {
	r := bufio.NewReader(environment)
	for {
		variable, err := r.ReadSlice(0)
		name, value, _ := bytes.Cut(bytes.TrimRight(variable, "\x00"), []byte{'='})
		switch string(name) {
		case "LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH":
			if len(value) > 0 && len(found) < maxVariables {
				found = append(found, string(name)+"="+string(value[:min(len(value), maxVariable)]))
			}
		}
		for errors.Is(err, bufio.ErrBufferFull) { // the rest of a long one
			_, err = r.ReadSlice(0)
		}
		if err != nil {
			return found
		}
	}
}

// flatpakOf is the application that a sandbox's /.flatpak-info names.
func flatpakOf(info string) string {
	section := ""
	for line := range strings.Lines(info) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = line
		} else if name, is := strings.CutPrefix(line, "name="); is && section == "[Application]" && name != "" {
			return "flatpak " + name
		}
	}
	return ""
}
