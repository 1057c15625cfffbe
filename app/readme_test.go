package app

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
)

// What the README names is there: targets, links, commands, flags, folders.
func TestReadmeIsTrue(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range found(t, readme, `(?:^|[^a-z])make ([a-z-]+)`) {
		if !strings.Contains(string(makefile), "\n"+target+":") {
			t.Errorf("there is no target %s", target)
		}
	}
	for _, path := range found(t, readme, `\]\(([^)#]+)[^)]*\)`) {
		if _, err := os.Stat(filepath.Join("..", path)); err != nil {
			t.Error(err)
		}
	}
	for _, row := range firstColumn(t, readme, "| command | does |") {
		for _, words := range found(t, row, "`([^`]+)`") {
			checkCommand(t, strings.ReplaceAll(words, `\|`, "|"))
		}
	}
	for _, row := range firstColumn(t, readme, "| folder | is |") {
		parent := ""
		for _, path := range found(t, row, "`([a-z/]+)`") {
			if parent == "" {
				parent = filepath.Dir(path)
			}
			_, here := os.Stat(filepath.Join("..", path))
			_, beside := os.Stat(filepath.Join("..", parent, path))
			if here != nil && beside != nil {
				t.Error(here)
			}
		}
	}
}

// The policy that the README shows is one.
func TestThePolicyInTheReadmeIsRead(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := found(t, strings.ReplaceAll(string(text), "\r\n", "\n"), "(?s)```toml\n(.*?)```")
	d, err := persistence.DecodeDocument([]byte(examples[0]))
	if err != nil || len(d.Rules) != 2 || d.Settings["patience"] != "1m" || *d.Mode != firewall.ModeAsk || d.Rules[0].ID != "office-git" || !d.Rules[1].Disabled {
		t.Errorf("%+v, %v", d, err)
	}
}

// checkCommand checks a command as the README writes it, such as
// "rules [list|add]" or "log [--follow]".
func checkCommand(t *testing.T, words string) {
	t.Helper()
	fields := strings.Fields(strings.TrimPrefix(words, "sallyport"))
	root := newRoot(&env{})
	if len(fields) == 0 {
		return
	}
	c, _, err := root.Find(fields[:1])
	if err != nil || c == root {
		t.Errorf("there is no command %q", fields[0])
		return
	}
	for _, flag := range regexp.MustCompile(`--([a-z]+)`).FindAllStringSubmatch(words, -1) {
		if c.Flags().Lookup(flag[1]) == nil && root.PersistentFlags().Lookup(flag[1]) == nil {
			t.Errorf("%s has no flag --%s", fields[0], flag[1])
		}
	}
	if _, names, ok := strings.Cut(words, "["); ok && c.HasSubCommands() {
		for name := range strings.SplitSeq(strings.TrimSuffix(names, "]"), "|") {
			if !hasCommand(c, name) {
				t.Errorf("%s has no command %s", fields[0], name)
			}
		}
	}
}

func hasCommand(c *cobra.Command, name string) bool {
	for _, sub := range c.Commands() {
		if sub.Name() == name {
			return true
		}
	}
	return false
}

// firstColumn gives the first cells of a table's rows.
func firstColumn(t *testing.T, text, head string) (cells []string) {
	t.Helper()
	_, rest, ok := strings.Cut(text, head+"\n|---|---|\n")
	if !ok {
		t.Fatalf("the README has no table %s", head)
	}
	for row := range strings.Lines(rest) {
		if !strings.HasPrefix(row, "| ") {
			break
		}
		cell, _, _ := strings.Cut(row, " | ")
		cells = append(cells, cell)
	}
	return cells
}

// found gives the pattern's group for each match; there must be one.
func found(t *testing.T, text, pattern string) (groups []string) {
	t.Helper()
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		groups = append(groups, m[1])
	}
	if len(groups) == 0 {
		t.Errorf("nothing like %s in:\n%s", pattern, text)
	}
	return groups
}
