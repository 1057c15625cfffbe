package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

func TestARuleInAnotherCaseIsForTheSameProgram(t *testing.T) {
	file := filepath.Join(t.TempDir(), "Updater.exe")
	if err := os.WriteFile(file, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, spelled := range []string{file, strings.ToUpper(file), strings.ToLower(file)} {
		r, err := ruleIn(ui.Rule{Program: spelled, Verdict: firewall.Block, Until: "always", Enabled: true})
		if err != nil || !strings.HasSuffix(r.Program, `\Updater.exe`) {
			t.Errorf("%s: the rule is for %s (%v)", spelled, r.Program, err)
		}
		r, err = ruleIn(ui.Rule{Program: "script:cmd:" + spelled, Verdict: firewall.Block, Until: "always", Enabled: true})
		if err != nil || !strings.HasPrefix(r.Program, "script:cmd:") || !strings.HasSuffix(r.Program, `\Updater.exe`) {
			t.Errorf("%s: the rule is for %s (%v)", spelled, r.Program, err)
		}
		if err := ownPath("--program", spelled); err != nil {
			t.Errorf("%s: %v", spelled, err)
		}
	}
	if missing := `C:\Nowhere\x.exe`; asWritten(missing) != missing {
		t.Errorf("%s is written %s", missing, asWritten(missing))
	}
}
