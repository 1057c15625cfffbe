//go:build !windows

package process

import (
	"os/user"
	"strconv"
	"strings"

	"github.com/shirou/gopsutil/v3/process"
)

func nameAndPath(p *process.Process) (name, path string) {
	path, _ = p.Exe()
	if name, _ = p.Name(); path != "" && name == "" {
		name = path[strings.LastIndexByte(path, '/')+1:]
	}
	return name, path
}

// describe reads how the process was called, and who runs it.
func (f *Facts) describe(p *process.Process) {
	if arguments, err := p.CmdlineSlice(); err == nil {
		f.Command = strings.TrimRight(strings.Join(arguments, " "), " \x00")
	}
	if uids, err := p.Uids(); err == nil && len(uids) > 1 {
		f.UID = int(uint32(uids[1])) // the effective one: what the process may do
		if u, err := user.LookupId(strconv.Itoa(f.UID)); err == nil {
			f.User = u.Username
		}
	}
}

// scriptOf is the script that an interpreter runs, or whether it runs code in
// its command line.
func scriptOf(p *process.Process, path string) (file string, inline bool) {
	arguments, err := p.CmdlineSlice()
	if err != nil {
		return "", false
	}
	file, inline = script(path, arguments)
	return fileOf(int(p.Pid), file), inline
}
