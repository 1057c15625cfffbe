package persistence

import "testing"

func TestWithoutAChoiceUnknownProgramsPassWithoutAnEngineOnWindowsOnly(t *testing.T) {
	for system, want := range map[string]string{"linux": "closed", "windows": "open", "freebsd": "closed", "": "closed"} {
		if got := failDefault(system); got != want {
			t.Errorf("%q: fail %s, want %s", system, got, want)
		}
	}
}
