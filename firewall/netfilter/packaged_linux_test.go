package netfilter_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// installed gives the client's mount namespace a folder /var/lib of its own,
// with no packages yet.
func (w *world) installed(tools ...string) {
	w.t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1" {
				w.t.Fatal(err)
			}
			w.t.Skip(err)
		}
	}
	w.shell("mount -t tmpfs -o mode=755 none /var/lib")
}

// shell runs a script in the client's namespaces that the firewall does not
// filter.
func (w *world) shell(script string, arguments ...string) {
	w.t.Helper()
	w.mustRun(w.outside("sh", append([]string{"-euc", script, "sh"}, arguments...)...))
}

// connects has a program that runs connect, and tells whether it could.
func (w *world) connects(g *guard, t *talker) bool {
	w.t.Helper()
	must(w.t, t, "open tcp4")
	r := do(w.t, t, "connect 10.77.0.2:7000")
	g.unasked(w.t)
	return r.Error == ""
}

// asks has a program that runs connect, and returns whom the question is
// about; the answer is given.
func (w *world) asks(g *guard, t *talker, v firewall.Verdict, forever bool) (p firewall.Program) {
	w.t.Helper()
	must(w.t, t, "open tcp4")
	t.send(w.t, "connect 10.77.0.2:7000")
	var prompt firewall.Prompt
	g.await("a question", func() bool {
		if len(g.prompts) == 1 {
			prompt = g.prompts[0]
		}
		return len(g.prompts) == 1
	})
	if forever {
		g.remember(prompt, v)
	} else {
		g.once(prompt, v)
	}
	g.await("the question to be closed", func() bool { return len(g.prompts) == 0 })
	if r := t.next(w.t); (r.Error == "") != (v == firewall.Allow) {
		w.t.Errorf("answered %v, it says %+v", v, r)
	}
	return prompt.Program
}

// snap installs a revision of a snap as snapd does, from a file at another
// place if one is given.
func (w *world) snap(name, revision, program, from string) (path string) {
	w.t.Helper()
	file := fmt.Sprintf("/var/lib/snapd/snaps/%s_%s.snap", name, revision)
	if from != "" {
		file = from
	}
	folder := filepath.Join("/var/lib/snapd/snap", name, revision)
	w.shell(`work=$(mktemp -d /var/lib/XXXXXX); chmod 755 "$work"; mkdir -p "$work/bin" /var/lib/snapd/snaps "$2"; cp "$3" "$work/bin/$4"
		mksquashfs "$work" "$1" -quiet -no-progress -all-root -noappend >/dev/null; mount -t squashfs -o loop,ro "$1" "$2"`, file, folder, program, name)
	return folder + "/bin/" + name
}

// snapped runs a program in a mount namespace of its own, as snaps do.
func (w *world) snapped(path string) *talker {
	w.t.Helper()
	return startChild[result](w.t, w.inside("unshare", "-m", path), nil)
}

func TestASnapIsTheSameSubjectAfterItsUpdate(t *testing.T) {
	world := newWorld(t)
	world.installed("mksquashfs")
	g := world.guard(setup{})
	program := world.program("built")
	first := world.snap("web", "41", program, "")
	p := world.asks(g, world.snapped(first), firewall.Allow, true)
	if want := (firewall.Program{Kind: firewall.Packaged, Path: first, Package: "snap:web/bin/web"}); p != want {
		t.Errorf("asked about %+v, want %+v", p, want)
	}
	if !world.connects(g, world.talk(first)) {
		t.Error("allowed, but it cannot connect outside of its sandbox")
	}
	second := world.snap("web", "x1", program, "")
	if !world.connects(g, world.snapped(second)) {
		t.Error("the next revision cannot connect")
	}

	evil := world.program("evil")
	for name, path := range map[string]string{
		"another snap":                  world.snap("other", "1", program, ""),
		"a snap that is not snapd's":    world.snap("web", "42", program, filepath.Join(world.dir, "web_42.snap")),
		"a folder instead of a mount":   world.like("/var/lib/snapd/snap/web/43/bin/web", evil),
		"a folder that is called alike": world.like(filepath.Join(world.dir, "snap/web/41/bin/web"), evil),
	} {
		if p := world.asks(g, world.talk(path), firewall.Block, false); p.ID() == "snap:web/bin/web" || p.Path != path {
			t.Errorf("%s counts as %+v", name, p)
		}
	}
	impostor := world.inside("unshare", "-Urm", "sh", "-euc", `mount --bind "$1" "$2"; exec "$2"`, "sh", evil, second)
	if p := world.asks(g, startChild[result](t, impostor, nil), firewall.Block, false); p.Kind != firewall.Foreign {
		t.Errorf("what a user mounted over the snap counts as %+v", p)
	}
}

// like puts a copy of a program at a path.
func (w *world) like(path, program string) string {
	w.t.Helper()
	w.shell(`mkdir -p "${1%/*}"; cp "$2" "$1"`, path, program)
	return path
}

// sandboxed runs a program of an app with what is in a folder at /app, as
// Flatpak does, with or without the rights of root.
func (w *world) sandboxed(files, program string, how ...string) *talker {
	w.t.Helper()
	const script = `mount -t tmpfs none "$3"; mkdir "$3/app" "$3/old"; mount --bind "$1" "$3/app"; cd "$3"; pivot_root . old; exec "/app/$2"`
	root := filepath.Join(w.t.TempDir(), "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		w.t.Fatal(err)
	}
	command := append(append([]string{}, how...), "sh", "-euc", script, "sh", files, program, root)
	return startChild[result](w.t, w.inside("unshare", command...), nil)
}

func TestAFlatpakAppIsTheSameSubjectAfterItsUpdate(t *testing.T) {
	world := newWorld(t)
	world.installed("unshare")
	g := world.guard(setup{})
	program, evil := world.program("built"), world.program("evil")
	const app = "/var/lib/flatpak/app/org.example.Web/x86_64/stable/"
	first, second := app+"abc/files", app+"def/files"
	world.like(first+"/bin/web", program)
	world.like(second+"/bin/web-2", program)
	p := world.asks(g, world.sandboxed(first, "bin/web", "-m"), firewall.Allow, true)
	if want := (firewall.Program{Kind: firewall.Packaged, Path: first + "/bin/web", Package: "flatpak:org.example.Web"}); p != want {
		t.Errorf("asked about %+v, want %+v", p, want)
	}
	for _, how := range [][]string{{"-m"}, {"-Urm"}} { // with a helper that is root's, and without
		if !world.connects(g, world.sandboxed(second, "bin/web-2", how...)) {
			t.Errorf("the next version cannot connect (%v)", how)
		}
	}

	other := "/var/lib/flatpak/app/org.example.Other/x86_64/stable/abc/files"
	world.like(other+"/bin/web", program)
	like := filepath.Join(world.dir, "var/lib/flatpak/app/org.example.Web/x86_64/stable/abc/files")
	world.like(like+"/bin/web", evil)
	writable := app + "123/files"
	world.like(writable+"/bin/web", program)
	world.shell("chown 1000 " + writable + "/bin")
	for _, test := range []struct {
		files string
		kind  firewall.ProgramKind
		why   string
	}{
		{other, firewall.Packaged, ""},
		{like, firewall.Foreign, "in another mount namespace"},
		{writable, firewall.Foreign, "in another mount namespace"},
	} {
		p := world.asks(g, world.sandboxed(test.files, "bin/web", "-Urm"), firewall.Block, false)
		if p.Kind != test.kind || p.Why != test.why || p.ID() == "flatpak:org.example.Web" {
			t.Errorf("%s counts as %+v", test.files, p)
		}
	}
	// Another program in the place of the app's, and another one below the app's.
	root := filepath.Join(world.dir, "root")
	world.shell(`mkdir "$1"`, root)
	for _, script := range []string{
		`mount --bind "$1" "$2/bin/web"; exec "$2/bin/web"`,
		`mount -t tmpfs none "$3"; cd "$3"; mkdir app old; for i in usr lib lib64 dev; do ln -s "old/$i" "$i"; done
		mount --bind "$2" app; mount --bind "$1" app/bin/web; pivot_root . old; exec /app/bin/web`,
		`mount -t tmpfs none "$3"; cd "$3"; mkdir app old; for i in usr lib lib64 dev; do ln -s "old/$i" "$i"; done
		mkdir app/bin; cp "$1" app/bin/web; pivot_root . old; cd /app/bin; mount --bind "/old$2" /app; exec ./web`,
	} {
		impostor := world.inside("unshare", "-Urm", "sh", "-euc", script, "sh", evil, first, root)
		if p := world.asks(g, startChild[result](t, impostor, nil), firewall.Block, false); p.Kind != firewall.Foreign {
			t.Errorf("what a user mounted (%s) counts as %+v", script, p)
		}
	}
}

// A user can change the apps of their own installation: each file there is known
// by its content, as other programs of users are, whatever version has it.
func TestAFileOfAUsersFlatpakAppIsTheSameSubjectWhileItIsTheSame(t *testing.T) {
	world := newWorld(t)
	world.installed("unshare")
	world.shell("mkdir -p /var/lib/flatpak/app")
	g := world.guard(setup{})
	program, evil := world.version("built", "1"), world.version("evil", "2")
	home := filepath.Join(world.dir, "home")
	app := home + "/.local/share/flatpak/app/org.example.Web/x86_64/stable/"
	deploy := func(commit, program string) (files string) {
		files = app + commit + "/files"
		world.like(files+"/bin/web", program)
		world.shell(`ln -sfn "$1" "$2"; chown -hR 1000 "$3"`, commit, app+"active", home)
		return files
	}
	stable := app + "active/files/bin/web"
	files := deploy("abc", program)
	p := world.asks(g, world.sandboxed(files, "bin/web", "-m"), firewall.Allow, true)
	if want := (firewall.Program{Kind: firewall.Executable, Path: stable}); p != want {
		t.Fatalf("asked about %+v, want %+v", p, want)
	}
	if !world.connects(g, world.sandboxed(files, "bin/web", "-Urm")) {
		t.Error("allowed, it cannot connect")
	}
	g.await("it to be read", func() bool { return g.kept[stable].Proof.SHA256 == digest(t, program) })
	world.connectsSoon(g, world.sandboxed(deploy("def", program), "bin/web", "-m"))

	// The next version has another program, and so has who calls theirs the same.
	p = world.asksOfAnother(g, world.sandboxed(deploy("fed", evil), "bin/web", "-m"), stable)
	if want := "sha256:" + digest(t, evil); p.Kind != firewall.Changed || p.File != want {
		t.Errorf("another file counts as %+v", p)
	}
	deploy("cba", program)
	like := filepath.Join(world.dir, "elsewhere", strings.TrimPrefix(app, home), "cba/files")
	world.like(like+"/bin/web", program)
	inactive := app + "other/files"
	world.like(inactive+"/bin/web", program)
	for _, files := range []string{like, inactive} {
		if p := world.asks(g, world.sandboxed(files, "bin/web", "-m"), firewall.Block, false); p.Kind != firewall.Foreign {
			t.Errorf("%s counts as %+v", files, p)
		}
	}
	impostor := world.inside("unshare", "-Urm", "sh", "-euc", `mount --bind "$1" "$2"; exec "$2"`, "sh", evil, stable)
	if p := world.asks(g, startChild[result](t, impostor, nil), firewall.Block, false); p.Kind != firewall.Foreign {
		t.Errorf("what a user mounted over it counts as %+v", p)
	}
}

// connectsSoon has a program connect of which the file is read meanwhile.
func (w *world) connectsSoon(g *guard, t *talker) {
	w.t.Helper()
	must(w.t, t, "open tcp4")
	must(w.t, t, "connect 10.77.0.2:7000")
	g.unasked(w.t)
}

// asksOfAnother has a program that runs connect, and returns what is asked once
// it is known to be another file than was allowed at the path; the answer is no.
func (w *world) asksOfAnother(g *guard, t *talker, path string) firewall.Program {
	w.t.Helper()
	must(w.t, t, "open tcp4")
	t.send(w.t, "connect 10.77.0.2:7000")
	p := g.another(path)
	g.once(p, firewall.Block)
	if r := t.next(w.t); r.Error == "" {
		w.t.Errorf("another file at %s connected", path)
	}
	return p.Program
}

// appImage writes a program that looks as an AppImage does and serves, as
// these do, an image with the rights of the user who runs it.
func (w *world) appImage(name string) string {
	w.t.Helper()
	server, err := exec.LookPath("squashfuse")
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := os.ReadFile(server)
	if err != nil {
		w.t.Fatal(err)
	}
	copy(b[8:], "AI\x02")
	return w.executable(name, b)
}

// served runs a program from the image that another program serves, both as a
// user who is not root.
func (w *world) served(image, server string, environment ...string) *talker {
	w.t.Helper()
	const script = `mkdir "$1/.mount_web"; "$2" "$3" "$1/.mount_web"; exec "$1/.mount_web/bin/web"`
	folder := filepath.Join(w.dir, fmt.Sprintf("user-%d", worlds.Add(1)))
	w.shell(`mkdir "$1"; chown 1000 "$1"; chmod 755 "${1%/*}" "$1"; chmod 711 "${1%/*/*}"`, folder)
	command := append([]string{"--reuid", "1000", "--regid", "1000", "--clear-groups", "env"}, environment...)
	command = append(command, "sh", "-euc", script, "sh", folder, server, image)
	c := startChild[result](w.t, w.inside("setpriv", command...), nil)
	w.t.Cleanup(func() { w.outside("umount", "-l", folder+"/.mount_web").Run() })
	return c
}

// fuse has everybody mount by FUSE.
func (w *world) fuse() {
	w.t.Helper()
	w.installed("mksquashfs", "squashfuse", "fusermount3", "setpriv")
	w.shell(`mknod "$1" c 10 229; chmod 666 "$1"; mount --bind "$1" /dev/fuse`, filepath.Join(w.dir, "fuse"))
}

// image makes an image with a program in it.
func (w *world) image(program string) string {
	w.t.Helper()
	files, image := filepath.Join(w.dir, "files"), filepath.Join(w.dir, "image")
	w.like(files+"/bin/web", program)
	w.shell(`mksquashfs "$1" "$2" -quiet -no-progress -all-root >/dev/null; chmod 644 "$2"`, files, image)
	return image
}

func TestAnAppImageIsTheSameSubjectWhereverItIsMounted(t *testing.T) {
	world := newWorld(t)
	world.fuse()
	image := world.image(world.program("built"))
	g := world.guard(setup{})

	web := world.appImage("Web.AppImage")
	p := world.asks(g, world.served(image, web), firewall.Allow, true)
	if want := (firewall.Program{Kind: firewall.Executable, Path: web}); p != want {
		t.Fatalf("asked about %+v, want %+v", p, want)
	}
	if !world.connects(g, world.served(image, web)) {
		t.Error("mounted elsewhere, it cannot connect")
	}
	plain, err := exec.LookPath("squashfuse")
	if err != nil {
		t.Fatal(err)
	}
	for name, start := range map[string]func() *talker{
		"another AppImage":               func() *talker { return world.served(image, world.appImage("Other.AppImage")) },
		"files served by any program":    func() *talker { return world.served(image, plain) },
		"an AppImage that is forced":     func() *talker { return world.served(image, web, "LD_PRELOAD=") },
		"one that is told to be another": func() *talker { return world.served(image, web, "TARGET_APPIMAGE="+image) },
		"one with a mounter of its user": func() *talker { return world.served(image, web, "PATH="+world.mounter()+":"+os.Getenv("PATH")) },
	} {
		q := world.asks(g, start(), firewall.Block, false)
		if q.ID() == p.ID() || strings.HasSuffix(q.Path, "/Web.AppImage") || q.Kind != firewall.Foreign && !strings.HasSuffix(q.Path, "/Other.AppImage") {
			t.Errorf("%s counts as %+v", name, q)
		}
	}
	// Nothing proves that another file in its place is another version.
	g.await("it to be read", func() bool { return g.kept[web].Proof.SHA256 == digest(t, web) })
	world.shell(`cp "$1" "$1.new"; echo >>"$1.new"; mv "$1.new" "$1"`, web)
	if q := world.asksOfAnother(g, world.served(image, web), web); q.Kind != firewall.Changed || !strings.HasPrefix(q.Why, "another file at this path since ") {
		t.Errorf("another file counts as %+v", q)
	}
}

// mounter is a folder with a program in it that a user calls fusermount3.
func (w *world) mounter() string {
	w.t.Helper()
	folder := filepath.Join(w.dir, "mounter")
	w.shell(`mkdir "$1"; printf '#!/bin/sh\nPATH=/usr/bin:/bin exec fusermount3 "$@"\n' >"$1/fusermount3"; chmod 755 "$1/fusermount3"; chown -R 1000 "$1"`, folder)
	return folder
}
