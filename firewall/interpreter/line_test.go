package interpreter

import (
	"slices"
	"strings"
	"testing"
)

func TestWhichScriptACommandLineOfWindowsRuns(t *testing.T) {
	const (
		python     = `C:\Program Files\Python313\python.exe`
		node       = `C:\Program Files\nodejs\node.exe`
		powershell = `C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe`
		pwsh       = `C:\Program Files\PowerShell\7\pwsh.exe`
		cscript    = `C:\Windows\System32\cscript.exe`
		cmd        = `C:\Windows\System32\cmd.exe`
		javaw      = `C:\Program Files\Java\bin\javaw.exe`
	)
	for _, test := range []struct {
		file, line, script string
		why                Why
	}{
		{python, `python C:\u\x.py`, `C:\u\x.py`, ""},
		{python, `"C:\Program Files\Python313\python.exe" -u "C:\my scripts\x.py" "a b" c`, `C:\my scripts\x.py`, ""},
		{python, `python x.py "say \"hi\""`, `x.py`, ""}, // what follows the script does not count
		{python, `python "x.py"y`, "", Unknown},
		{python, `python "x.py""y"`, "", Unknown},
		{python, `python "C:\u\"x.py`, "", Unknown},
		{python, `python C:x.py`, "", Unknown},
		{python, `python \x.py`, "", Unknown},
		{python, `python /c/x.py`, "", Unknown},
		{python, `python x.py:stream`, "", Unknown},
		{python, `python 'x.py'`, "", Unknown},
		{python, `python *.py`, "", Unknown},
		{python, `python C:/u/x.py`, `C:/u/x.py`, ""},
		{python, `python \\server\share\x.py`, `\\server\share\x.py`, ""},
		{python, `python -c "import os"`, "", Inline},
		{python, `python -m http.server`, "", "module http.server, wherever it is found"},
		{python, `python -m http".server"`, "", Unknown},
		{python, `python`, "", Stdin},
		{python, ` python x.py`, "", Unknown},
		{python, `"" x.py`, "", Unknown},
		{python, "python\nx.py", "", Unknown},
		{python, ``, "", Unknown},
		{node, `node --max-old-space-size=4096 app\y.js`, `app\y.js`, ""},
		{node, `node -e "1"`, "", Inline},
		{javaw, `javaw -Xmx1g -jar C:\a\x.jar`, `C:\a\x.jar`, ""},
		{javaw, `javaw -cp C:\a\x.jar org.a.Main`, "", "class org.a.Main, wherever it is found"},

		{powershell, `powershell -NoProfile -ExecutionPolicy Bypass -File C:\u\x.ps1 -Command y`, `C:\u\x.ps1`, ""},
		{powershell, `powershell /NoLogo /FILE x.ps1`, `x.ps1`, ""},
		{powershell, `powershell C:\u\x.ps1`, "", Inline},
		{powershell, `powershell -Command x`, "", Inline},
		{powershell, `powershell -EncodedCommand eA==`, "", Inline},
		{powershell, `powershell -enc eA==`, "", Inline},
		{powershell, `powershell –File x.ps1`, "", Inline},
		{powershell, `powershell -NoExit -File x.ps1`, "", Stdin},
		{powershell, `powershell -fi x.ps1`, "", Unknown},
		{powershell, `powershell`, "", Stdin},
		{pwsh, `pwsh x.ps1`, `x.ps1`, ""},
		{pwsh, `pwsh –Command x`, "", Unknown},

		{cscript, `cscript //nologo //B //E:vbscript C:\u\x.txt /a`, `C:\u\x.txt`, ""},
		{cscript, `cscript //T:10 x.vbs`, `x.vbs`, ""},
		{cscript, `cscript //H:cscript x.vbs`, "", Unknown},
		{cscript, `cscript /a x.vbs`, "", Unknown},

		{cmd, `cmd /c C:\u\x.bat`, `C:\u\x.bat`, ""},
		{cmd, `C:\Windows\system32\cmd.exe /c ""C:\my scripts (new)\x.bat" a b"`, `C:\my scripts (new)\x.bat`, ""},
		{cmd, `"C:\Windows\system32\cmd.exe" /D /Q /C "C:\u\x.CMD" a`, `C:\u\x.CMD`, ""},
		{cmd, `cmd /c C:\u\x.bat & evil`, "", Inline},
		{cmd, `cmd /c C:\u\x.bat a|evil`, "", Inline},
		{cmd, `cmd /c C:\u\x.bat %a%`, "", Inline},
		{cmd, `cmd /c ""C:\u\x.bat"&evil"`, "", Inline},
		{cmd, `cmd /s /c "C:\my scripts\x.bat"`, "", Inline},
		{cmd, `cmd /v:on /c C:\u\x.bat`, "", Inline},
		{cmd, `cmd /k C:\u\x.bat`, "", Inline},
		{cmd, `cmd /c x.bat`, "", Inline},
		{cmd, `cmd /c dir`, "", Inline},
		{cmd, "cmd /c C:\\u\\x.bat\nevil", "", Unknown},
		{cmd, `cmd`, "", Stdin},
		{`C:\Windows\System32\curl.exe`, `curl x`, "", Unknown},
	} {
		if script, why := ScriptOfLine(test.file, test.line); script != test.script || why != test.why {
			t.Errorf("%s: %q, %q; want %q, %q", test.line, script, why, test.script, test.why)
		}
	}
}

// FuzzScriptOfLine: a script stands in the command line as it is, and what
// follows it in words of their own changes nothing.
func FuzzScriptOfLine(f *testing.F) {
	f.Add(uint8(0), `python -u "C:\a b\x.py"`)
	f.Add(uint8(1), `powershell -File x.ps1`)
	f.Add(uint8(2), `cmd /c ""C:\a b\x.bat" 1"`)
	f.Add(uint8(3), `cscript //B x.vbs`)
	files := []string{`C:\python.exe`, `C:\powershell.exe`, `C:\cmd.exe`, `C:\cscript.exe`, `C:\ls.exe`}
	f.Fuzz(func(t *testing.T, which uint8, line string) {
		file := files[int(which)%len(files)]
		script, why := ScriptOfLine(file, line)
		if (script == "") != (why != "") {
			t.Fatalf("%q: %q, %q", line, script, why)
		}
		if script == "" {
			return
		}
		if !strings.Contains(line, script) || !namesFile(script) {
			t.Fatalf("%q: %q is no part of it", line, script)
		}
		if args, whole := words(line); whole && file != files[2] && !slices.Contains(args, script) {
			t.Fatalf("%q: %q is no argument", line, script)
		}
	})
}
