package process

import (
	"strings"
	"testing"
)

var someDrives = map[string]string{
	"C:": `\Device\HarddiskVolume1`, "D:": `\Device\HarddiskVolume12`, "E:": `\Device\CdRom0`, "Z:": "",
}

func TestKernelPathsAreTranslated(t *testing.T) {
	long := `\` + strings.Repeat(`a\`, 16000) + "a.exe"
	for native, want := range map[string]string{
		`\Device\HarddiskVolume1\Windows\a.exe`:  `C:\Windows\a.exe`,
		`\device\harddiskvolume1\Windows\a.exe`:  `C:\Windows\a.exe`,
		`\Device\HarddiskVolume12\a.exe`:         `D:\a.exe`,
		`\Device\HarddiskVolume1`:                `\Device\HarddiskVolume1`,
		`\Device\HarddiskVolume7\a.exe`:          `\Device\HarddiskVolume7\a.exe`,
		`\Device\CdRom0\a.exe`:                   `E:\a.exe`,
		`\Device\Mup\server\share\a.exe`:         `\\server\share\a.exe`,
		`\Device\Mup\;LanmanRedirector\;Z:\a`:    `\Device\Mup\;LanmanRedirector\;Z:\a`,
		`\??\C:\a.exe`:                           `C:\a.exe`,
		`\??\UNC\server\share\a.exe`:             `\\server\share\a.exe`,
		`C:\a.exe`:                               `C:\a.exe`,
		`\\server\share\a.exe`:                   `\\server\share\a.exe`,
		`\Device\HarddiskVolume1\PROGRA~1\a.exe`: `C:\PROGRA~1\a.exe`,
		`\Device\HarddiskVolume1` + long:         "C:" + long,
		"":                                       "",
	} {
		if got := nativePath(native, someDrives); got != want {
			t.Errorf("%.80q is %.80q, want %.80q", native, got, want)
		}
	}
}

func TestLongPathsAreWrittenPlainly(t *testing.T) {
	for long, plain := range map[string]string{
		`\\?\C:\a.exe`:                `C:\a.exe`,
		`\\?\UNC\server\share\a`:      `\\server\share\a`,
		`\\?\Volume{0-0}\a.exe`:       `\\?\Volume{0-0}\a.exe`,
		`\\?\GLOBALROOT\Device\Mup\a`: `\\?\GLOBALROOT\Device\Mup\a`,
	} {
		if got := plainPath(long); got != plain {
			t.Errorf("%q is written %q, want %q", long, got, plain)
		}
		if got := longPath(plain); got != long {
			t.Errorf("%q is opened as %q, want %q", plain, got, long)
		}
	}
}

func FuzzNativePath(f *testing.F) {
	f.Add(`\Device\HarddiskVolume1\a`)
	f.Add(`\??\UNC\a`)
	f.Fuzz(func(t *testing.T, path string) {
		got := nativePath(path, someDrives)
		if len(got) > len(path) {
			t.Fatalf("%q becomes longer: %q", path, got)
		}
		tail := path[strings.LastIndexByte(path, '\\')+1:]
		if !strings.HasSuffix(got, tail) {
			t.Fatalf("%q loses its end: %q", path, got)
		}
		if again := plainPath(longPath(got)); strings.HasPrefix(got, `C:\`) && again != got {
			t.Fatalf("%q is opened as %q", got, again)
		}
	})
}
