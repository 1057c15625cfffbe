package interpreter

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// A command line is written as its words, "·" being an empty one.
func TestWhichScriptACommandLineRuns(t *testing.T) {
	for _, test := range []struct {
		file, line, script string
		why                Why
	}{
		{"/usr/bin/dash", "sh a.sh", "a.sh", ""},
		{"/usr/bin/dash", "sh -e ./a.sh -c b", "./a.sh", ""},
		{"/usr/bin/dash", "sh", "", Stdin},
		{"/usr/bin/dash", "sh -c a.sh", "", Inline},
		{"/usr/bin/dash", "sh -ec a.sh", "", Inline},
		{"/usr/bin/dash", "sh -s a.sh", "", Stdin},
		{"/usr/bin/dash", "sh - a.sh", "a.sh", ""},
		{"/usr/bin/dash", "sh -", "", Stdin},
		{"/usr/bin/dash", "sh -- -a.sh", "-a.sh", ""},
		{"/usr/bin/dash", "sh ·", "", Unknown},
		{"/usr/bin/bash", "-bash", "", Stdin},
		{"/usr/bin/bash", "bash -lc a", "", Inline},
		{"/usr/bin/bash", "bash -l a.sh", "a.sh", ""},
		{"/usr/bin/bash", "bash -euo pipefail a.sh", "a.sh", ""},
		{"/usr/bin/bash", "bash -oe pipefail a.sh", "", Unknown},
		{"/usr/bin/bash", "bash -o", "", Unknown},
		{"/usr/bin/bash", "bash -O evil.sh a.sh", "", Unknown},
		{"/usr/bin/bash", "bash +x a.sh", "a.sh", ""},
		{"/usr/bin/bash", "bash +", "", Unknown},
		{"/usr/bin/bash", "bash --norc --noprofile a.sh", "a.sh", ""},
		{"/usr/bin/bash", "bash --rcfile evil a.sh", "", Beside},
		{"/usr/bin/bash", "bash -rcfile evil a.sh", "", Unknown},
		{"/usr/bin/bash", "bash -i a.sh", "", Beside},
		{"/usr/bin/zsh", "zsh -b a.sh", "", Unknown},
		{"/usr/bin/mksh", "mksh -T evil a.sh", "", Unknown},

		{"/usr/bin/python3.11", "python3 x.py -c y", "x.py", ""},
		{"/usr/bin/python3.11", "python3 -Es /u/x.py", "/u/x.py", ""},
		{"/usr/bin/python3.11", "python3 -c x.py", "", Inline},
		{"/usr/bin/python3.11", "python3 -Ic x.py", "", Inline},
		{"/usr/bin/python3.11", "python3 -cx x.py", "", Inline},
		{"/usr/bin/python3.11", "python3 -m http.server", "", "module http.server, wherever it is found"},
		{"/usr/bin/python3.11", "python3 -um http.server 8000", "", "module http.server, wherever it is found"},
		{"/usr/bin/python3.11", "python3 -Immy.app x.py", "", "module my.app, wherever it is found"},
		{"/usr/bin/python3.11", "python3 -m \x1b[2J x.py", "", Module},
		{"/usr/bin/python3.11", "python3 -m", "", Unknown},
		{"/usr/bin/python3.11", "python3 -i x.py", "", Stdin},
		{"/usr/bin/python3.11", "python3 -", "", Stdin},
		{"/usr/bin/python3.11", "python3 -- -", "", Stdin},
		{"/usr/bin/python3.11", "python3 -u", "", Stdin},
		{"/usr/bin/python3.11", "python3 -W ignore x.py", "x.py", ""},
		{"/usr/bin/python3.11", "python3 -Wignore::DeprecationWarning x.py", "x.py", ""},
		{"/usr/bin/python3.11", "python3 -W error::evil.Warning x.py", "", Unknown},
		{"/usr/bin/python3.11", "python3 -X utf8 x.py", "x.py", ""},
		{"/usr/bin/python3.11", "python3 -X pycache_prefix=/tmp/evil x.py", "", Unknown},
		{"/usr/bin/python3.11", "python3 -X", "", Unknown},
		{"/usr/bin/python3.11", "python3 --unheard-of x.py", "", Unknown},

		{"/usr/bin/perl5.36.0", "perl -w x.pl", "x.pl", ""},
		{"/usr/bin/perl", "perl -0777 -l x.pl", "x.pl", ""},
		{"/usr/bin/perl", "perl -we print x.pl", "", Inline},
		{"/usr/bin/perl", "perl -Mevil x.pl", "", Beside},
		{"/usr/bin/perl", "perl -I. x.pl", "", Beside},
		{"/usr/bin/perl", "perl -S x.pl", "", "script x.pl, wherever it is found"},
		{"/usr/bin/perl", "perl -wS x.pl", "", "script x.pl, wherever it is found"},
		{"/usr/bin/perl", "perl -S /u/x.pl", "/u/x.pl", ""},
		{"/usr/bin/perl", "perl -S", "", Stdin},
		{"/usr/bin/perl", "perl -CSD x.pl", "", Unknown},
		{"/usr/bin/perl", "perl - x.pl", "", Stdin},

		{"/usr/bin/ruby3.1", "ruby -w x.rb", "x.rb", ""},
		{"/usr/bin/ruby3.1", "ruby -W0 x.rb", "x.rb", ""},
		{"/usr/bin/ruby3.1", "ruby -S rake", "", "script rake, wherever it is found"},
		{"/usr/bin/ruby3.1", "ruby -S ./x.rb", "", "script ./x.rb, wherever it is found"},
		{"/usr/bin/ruby3.1", "ruby -S /u/x.rb", "/u/x.rb", ""},
		{"/usr/bin/ruby3.1", "ruby -e puts x.rb", "", Inline},
		{"/usr/bin/ruby3.1", "ruby -rjson x.rb", "", Beside},

		{"/usr/bin/node", "node x.js", "x.js", ""},
		{"/usr/bin/node", "node -r x y.js", "", Beside},
		{"/usr/bin/node", "node --require=x y.js", "", Beside},
		{"/usr/bin/node", "node -e x y.js", "", Inline},
		{"/usr/bin/node", "node --eval=x y.js", "", Inline},
		{"/usr/bin/node", "node --max-old-space-size=4096 y.js", "y.js", ""},
		{"/usr/bin/node", "node --max-old-space-size evil.js y.js", "", Unknown},
		{"/usr/bin/node", "node inspect y.js", "", Beside},
		{"/usr/bin/node", "node --inspect y.js", "", Unknown},
		{"/usr/bin/node", "node", "", Stdin},
		{"/usr/bin/node", "node -- y.js", "y.js", ""},

		{"/usr/lib/jvm/17/bin/java", "java -jar x.jar -jar y.jar", "x.jar", ""},
		{"/usr/lib/jvm/17/bin/java", "java -Xmx1g -XX:+UseZGC -Dfile.encoding=UTF-8 --add-opens java.base/java.lang=ALL-UNNAMED -jar x.jar", "x.jar", ""},
		{"/usr/lib/jvm/17/bin/java", "java -cp a.jar:b.jar com.acme.Main", "", "class com.acme.Main, wherever it is found"},
		{"/usr/lib/jvm/17/bin/java", "java --class-path=a.jar com.acme.Main x.java", "", "class com.acme.Main, wherever it is found"},
		{"/usr/lib/jvm/17/bin/java", "java -cp a.jar -jar b.jar", "", Beside},
		{"/usr/lib/jvm/17/bin/java", "java -cp a.jar Main.java", "", Beside},
		{"/usr/lib/jvm/17/bin/java", "java -p mods -m acme/com.acme.Main", "", "module acme/com.acme.Main, wherever it is found"},
		{"/usr/lib/jvm/17/bin/java", "java --module=acme", "", "module acme, wherever it is found"},
		{"/usr/lib/jvm/17/bin/java", "java -cp", "", Unknown},
		{"/usr/lib/jvm/17/bin/java", "java Main", "", "class Main, wherever it is found"},
		{"/usr/lib/jvm/17/bin/java", "java Main.java", "Main.java", ""},
		{"/usr/lib/jvm/17/bin/java", "java -javaagent:evil.jar -jar x.jar", "", Unknown},
		{"/usr/lib/jvm/17/bin/java", "java -XX:OnError=evil -jar x.jar", "", Unknown},
		{"/usr/lib/jvm/17/bin/java", "java -XX:+ReadVMOptionsFile -jar x.jar", "", Unknown},
		{"/usr/lib/jvm/17/bin/java", "java @options -jar x.jar", "", Unknown},
		{"/usr/lib/jvm/17/bin/java", "java -jar", "", Unknown},

		{"/opt/microsoft/powershell/7/pwsh", "pwsh -NoProfile -File x.ps1", "x.ps1", ""},
		{"/opt/microsoft/powershell/7/pwsh", "pwsh x.ps1", "x.ps1", ""},
		{"/opt/microsoft/powershell/7/pwsh", "pwsh -Command x", "", Inline},
		{"/opt/microsoft/powershell/7/pwsh", "pwsh -File -", "", Stdin},

		{"/usr/bin/env", "env python3 x.py", "", Unknown}, // it executes python3, which then is asked about
		{"/usr/bin/curl", "curl x", "", Unknown},
	} {
		args := strings.Fields(test.line)
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "·", "")
		}
		if script, why := Script(test.file, args); script != test.script || why != test.why {
			t.Errorf("%s: %q, %q; want %q, %q", test.line, script, why, test.script, test.why)
		}
	}
	if _, why := Script("/usr/bin/dash", nil); why != Unknown {
		t.Errorf("no arguments at all: %q", why)
	}
}

func TestWhatIsAnInterpreter(t *testing.T) {
	for file, want := range map[string]string{
		"/usr/bin/dash": "sh", "/usr/bin/bash": "sh", "/bin/zsh-5.9": "sh", "/usr/bin/mksh": "sh", "/bin/ksh93": "sh",
		"/usr/bin/python3.11": "python", "/usr/local/bin/python3.13d": "python", "/usr/bin/pypy3": "python",
		"/usr/bin/perl5.36.0": "perl", "/usr/bin/ruby3.1": "ruby", "/usr/bin/nodejs": "node", "/usr/lib/jvm/a/bin/java": "java",
		"/usr/bin/curl": "", "/usr/bin/bashbug": "", "/usr/bin/python3-config": "", "/usr/bin/perldoc": "", "/usr/bin/javac": "", "/usr/bin/ssh": "", "/usr/bin/node-gyp": "",
		"/usr/bin/perl5.36-x86_64-linux-gnu": "", "": "", "/usr/bin/cmd": "", "/usr/bin/python.exe": "",
		`C:\Python\Python.EXE`: "python", `C:\Python\pythonw.exe`: "python", `C:\Python\python3.13t.exe`: "python", `C:\Python\python`: "",
		`C:\Ruby\bin\rubyw.exe`: "ruby", `C:\Java\bin\javaw.exe`: "java", `C:\Perl\wperl.exe`: "perl", `\\server\share\node.exe`: "node",
		`C:\Windows\System32\cmd.exe`: "cmd", `C:\Windows\System32\CScript.exe`: "wscript", `C:\Windows\System32\curl.exe`: "",
		`C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe`: "powershell", `C:\Program Files\Git\usr\bin\bash.exe`: "sh",
	} {
		if family, ok := Of(file); family != want || ok != (want != "") {
			t.Errorf("%s: %q, want %q", file, family, want)
		}
	}
	var all []string
	for _, f := range slices.Concat(families, windowsFamilies) {
		if !slices.Contains(all, f.name) {
			all = append(all, f.name)
		}
	}
	if !slices.Equal(all, firewall.Families) {
		t.Errorf("rules can name scripts of %v, of %v are there interpreters", firewall.Families, all)
	}
}

// What people install with a manager of versions is known before it runs.
func TestWhereInterpretersAreLookedFor(t *testing.T) {
	for file, want := range map[string]bool{
		"/usr/bin/python3.11": true, "/usr/lib/jvm/java-17/bin/java": true,
		"/home/ann/.pyenv/versions/3.11.4/bin/python3.11": true, "/home/ann/miniconda3/bin/python3.11": true, "/home/ann/anaconda3/envs/x/bin/python3.12": true,
		"/home/ann/.nvm/versions/node/v22.1.0/bin/node": true, "/root/.rbenv/versions/3.3.0/bin/ruby": true, "/home/ann/.sdkman/candidates/java/21-tem/bin/java": true,
		"/home/ann/project/venv/bin/python3.11": false, "/tmp/python3": false,
	} {
		found := slices.ContainsFunc(slices.Concat(Folders, HomeFolders), func(pattern string) bool {
			matches, err := filepath.Match(pattern+"/*", file)
			if err != nil {
				t.Fatal(err)
			}
			return matches
		})
		if found != want {
			t.Errorf("%s is looked for: %v", file, found)
		}
	}
}

// FuzzScript: the script is one of the arguments as it stands there, and
// arguments behind it change nothing.
func FuzzScript(f *testing.F) {
	f.Add(uint8(0), "sh\x00-euo\x00pipefail\x00a.sh")
	f.Add(uint8(1), "python3\x00-X\x00utf8\x00x.py")
	f.Add(uint8(4), "node\x00--stack-size=1\x00x.js")
	f.Add(uint8(5), "java\x00-Xmx1g\x00-jar\x00x.jar")
	files := []string{"/bin/sh", "/bin/python3", "/bin/perl", "/bin/ruby", "/bin/node", "/bin/java", "/bin/pwsh", "/bin/ls"}
	f.Fuzz(func(t *testing.T, which uint8, line string) {
		file, args := files[int(which)%len(files)], strings.Split(line, "\x00")
		script, why := Script(file, args)
		if (script == "") != (why != "") {
			t.Fatalf("%q: %q, %q", args, script, why)
		}
		if script != "" && !slices.Contains(args[1:], script) {
			t.Fatalf("%q: %q is no argument", args, script)
		}
		if why == Unknown || why == Stdin {
			return // more arguments may tell
		}
		if s, w := Script(file, append(slices.Clone(args), "-c", "evil")); s != script || w != why {
			t.Fatalf("%q: %q, %q; with more arguments %q, %q", args, script, why, s, w)
		}
	})
}
