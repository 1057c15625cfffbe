package app

import (
	"errors"
	"path/filepath"

	"golang.org/x/sys/windows"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/persistence"
)

// DefaultData is the folder of the database; "" if Windows names none for
// the data of programs. The environment, which a person's programs can change,
// has no say in it.
var DefaultData = func() string {
	programData, err := windows.KnownFolderPath(windows.FOLDERID_ProgramData, 0)
	if err != nil {
		return ""
	}
	return filepath.Join(programData, "Sallyport")
}()

// administrator is who may run the engine, in the words of this system.
const administrator = "administrator"

// needsAdministrator refuses what only an elevated administrator may.
func needsAdministrator(what string) error {
	if !windows.GetCurrentProcessToken().IsElevated() {
		return errors.New(what + " needs an administrator: run it from a terminal that was started as administrator")
	}
	return nil
}

// How a person gets to an engine that does not let them in, or does not run.
const (
	hintRefused = "The engine lets in administrators and who is logged on at this computer: run it from a terminal that was started as administrator."
	hintGone    = "Start the engine, from a terminal that was started as administrator, with: sallyport service start (or: sallyport engine)."
)

// access lets in who is logged on at the computer.
func (o engineOptions) access(s *persistence.Store) (a link.Access, notes []string, err error) {
	a = link.Access{GID: -1, LoggedOn: true}
	if o.User != "" {
		return a, nil, errors.New("--user is for Linux: on Windows who is logged on at the computer is let in")
	}
	if settings, err := s.Settings(); err == nil && settings.User != "" {
		notes = append(notes, "the setting user has no effect on Windows: who is logged on at the computer is let in")
	}
	if err := link.Installed(-1); err != nil && !o.Demo {
		notes = append(notes, "only an administrator can answer in the windows, others can only look: "+err.Error())
	}
	return a, notes, nil
}
