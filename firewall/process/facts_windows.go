package process

import (
	"strings"

	"github.com/shirou/gopsutil/v3/process"
)

func nameAndPath(p *process.Process) (name, path string) {
	o, err := open(int(p.Pid))
	if err != nil {
		name, _ = p.Name()
		return name, ""
	}
	defer o.close()
	if f, err := o.executable(); err == nil {
		path = f.path
		f.close()
	} else if path, err = o.image(0); err == nil {
		path = plainPath(nativePath(path, drives()))
	}
	if name = path[strings.LastIndexByte(path, '\\')+1:]; name == "" {
		name, _ = p.Name()
	}
	return name, path
}

// describe reads how the process was called, who runs it, and what its file
// says of itself.
func (f *Facts) describe(p *process.Process) {
	if o, err := open(f.PID); err == nil {
		if f.Command, err = o.commandLine(); err != nil {
			f.Command, _ = p.Cmdline() // Windows before 8.1, and only with the right to read its memory
		}
		o.close()
	}
	f.User, _ = p.Username()
	if f.Path != "" {
		texts := textsOf(f.Path)
		f.Product, f.Description = texts.product, texts.description
	}
}
