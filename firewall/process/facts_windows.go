package process

import (
	"strings"

	"github.com/shirou/gopsutil/v3/process"

	"sallyport.dev/sallyport/firewall/interpreter"
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
		f.Command, _ = o.commandLine()
		o.close()
	}
	f.User, _ = p.Username()
	if f.Path != "" {
		texts := textsOf(f.Path)
		f.Product, f.Description = texts.product, texts.description
	}
}

// scriptOf is the script that an interpreter runs, or whether it runs code in
// its command line.
func scriptOf(p *process.Process, path string) (file string, inline bool) {
	o, err := open(int(p.Pid))
	if err != nil {
		return "", false
	}
	defer o.close()
	line, err := o.commandLine()
	if err != nil {
		return "", false
	}
	named, why := interpreter.ScriptOfLine(path, line)
	if named == "" {
		return "", why == interpreter.Inline
	}
	if file, err = o.absolute(named); err != nil {
		return "", false
	}
	f, err := openFile(longPath(file))
	if err != nil {
		return "", false
	}
	defer f.close()
	return f.path, false
}
