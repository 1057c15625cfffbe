package netfilter_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// javaTalks connects once for every line that it reads, and says how it went.
const javaTalks = `package acme;
public class Main {
	public static void main(String[] args) throws Exception {
		var in = new java.io.BufferedReader(new java.io.InputStreamReader(System.in));
		while (in.readLine() != null) {
			String error = "";
			try (var s = new java.net.Socket()) {
				s.connect(new java.net.InetSocketAddress("10.77.0.2", 7000), 25000);
			} catch (java.io.IOException e) {
				error = "refused";
			}
			System.out.println("{\"Error\": \"" + error + "\"}");
		}
	}
}
`

func TestAJarIsTheSubjectAndAClassIsNot(t *testing.T) {
	for _, tool := range []string{"java", "javac", "jar"} {
		if _, err := exec.LookPath("/usr/bin/" + tool); err != nil && os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1" {
			t.Fatal(err)
		} else if err != nil {
			t.Skip(err)
		}
	}
	world := newWorld(t)
	g := world.guard(setup{})
	classes, jar := filepath.Join(world.dir, "classes"), filepath.Join(world.dir, "acme.jar")
	source := world.executable("Main.java", []byte(javaTalks))
	build := func() {
		world.mustRun(exec.Command("javac", "-d", classes, source))
		world.mustRun(exec.Command("jar", "--create", "--file", jar, "--main-class", "acme.Main", "-C", classes, "."))
	}
	build()
	line := "java -Xmx64m -XX:+UseSerialGC "
	p := g.refused(line + "-jar " + jar).Program
	if p.Kind != firewall.Interpreted || p.Family != "java" || p.Script != jar || p.ID() != "script:java:"+jar {
		t.Errorf("asked about %+v", p)
	}
	g.allowScript(line+"-jar "+jar, p.ID(), digest(t, jar))
	if p := g.refused(line + "-cp " + jar + " acme.Main").Program; p.Script != "" || p.Why != "class acme.Main, wherever it is found" || p.Lasting() {
		t.Errorf("asked about %+v", p)
	}
	if p := g.refused(line + source).Program; p.Script != source {
		t.Errorf("asked about %+v", p)
	}
	if err := os.WriteFile(source, []byte(javaTalks+"// another\nclass More {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	build()
	if p := g.refused(line + "-jar " + jar).Program; p.Kind != firewall.Changed || p.Script != jar {
		t.Errorf("another jar: asked about %+v", p)
	}
}
