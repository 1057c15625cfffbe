package startenv_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"fyne.io/fyne/v2/test"

	_ "sallyport.dev/sallyport/app/startenv"
)

// The order of initialisation is Go's to choose, so it is looked at.
func TestInitialisedBeforeFyne(t *testing.T) {
	if os.Getenv("GODEBUG") != "inittrace=1" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestInitialisedBeforeFyne$")
		cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		ours := strings.Index(string(out), "init sallyport.dev/sallyport/app/startenv ")
		theirs := strings.Index(string(out), "init fyne.io/fyne/v2/internal/cache ")
		if ours < 0 || theirs < 0 || ours > theirs {
			t.Errorf("initialised at %d, Fyne's cache at %d of\n%s", ours, theirs, out)
		}
		return
	}
	test.NewTempApp(t)
	if v := os.Getenv("FYNE_CACHE"); v != "5s" {
		t.Errorf("FYNE_CACHE is %q", v)
	}
}
