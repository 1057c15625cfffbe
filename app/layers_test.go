package app_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "sallyport.dev/sallyport"

// mayImport says which packages of ours each package may import, by folder.
// An entry that ends in "/*" stands for all folders below; the most exact
// entry counts. Tests may import more.
var mayImport = map[string][]string{
	".":                                {"app"},
	"app":                              {"app/*", "ui", "assets", "persistence", "firewall", "firewall/*"},
	"app/*":                            {"app/*", "ui", "ui/*", "assets", "persistence", "firewall", "firewall/*"},
	"app/link":                         {"persistence/acl", "firewall", "ui"},
	"ui":                               {"assets", "firewall"},
	"ui/*":                             {"ui", "ui/*", "assets", "firewall"},
	"assets":                           {},
	"persistence":                      {"persistence/acl", "firewall"},
	"persistence/acl":                  {},
	"firewall":                         {},
	"firewall/firewalltest":            {"firewall"},
	"firewall/packet":                  {"firewall"},
	"firewall/names":                   {"firewall", "firewall/packet"},
	"firewall/process":                 {"firewall", "firewall/interpreter", "firewall/appimage", "persistence/acl"},
	"firewall/identity":                {"firewall"},
	"firewall/interpreter":             {},
	"firewall/appimage":                {},
	"firewall/networks":                {},
	"firewall/netfilter":               {"firewall", "firewall/packet", "firewall/names", "firewall/process", "firewall/interpreter", "firewall/appimage"},
	"firewall/windivert":               {"firewall", "firewall/packet", "firewall/names", "firewall/process", "firewall/wfp"},
	"firewall/windivert/windiverttest": {"firewall"},
	"firewall/wfp":                     {"firewall"},
	"scripts/*":                        {},
}

// onlyIn says in which folders a package of others may be imported.
var onlyIn = map[string][]string{
	"fyne.io/fyne/v2":            {"ui", "ui/*", "assets", "app", "app/*"},
	"fyne.io/fyne/v2/app":        {"app"},
	"fyne.io/systray":            {"ui", "ui/*", "app"},
	"go.etcd.io/bbolt":           {"persistence"},
	"github.com/cilium/ebpf":     {"firewall/netfilter"},
	"github.com/florianl":        {"firewall/netfilter", "firewall/windivert/windiverttest"},
	"github.com/google/nftables": {"firewall/netfilter"},
	"github.com/pelletier":       {"persistence"},
	"go.yaml.in/yaml":            {"app/importer"},
	"github.com/imgk/divert-go":  {"firewall/windivert"},
	"github.com/spf13/cobra":     {"app"},
	"github.com/ProtonMail":      {"firewall/appimage"},
	"github.com/shirou/gopsutil": {"firewall/process"},
	"github.com/tailscale/wf":    {"firewall/wfp"},
}

// TestLayers reads the imports of every file, for every operating system.
func TestLayers(t *testing.T) {
	files := 0
	err := filepath.WalkDir("..", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() {
			if name != ".." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "build" || base == "vendor") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") || strings.HasSuffix(base, "_test.go") {
			return nil
		}
		files++
		folder, err := filepath.Rel("..", filepath.Dir(name))
		if err != nil {
			return err
		}
		folder = filepath.ToSlash(folder)
		allowed, known := entryFor(folder)
		if !known {
			t.Errorf("%s: package %s is not in the table of layers", name, folder)
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if ours, found := strings.CutPrefix(imported, module+"/"); found {
				if !within(ours, allowed) {
					t.Errorf("%s: %s must not import %s", name, folder, ours)
				}
			} else if folder == "firewall" && strings.Contains(strings.Split(imported, "/")[0], ".") {
				t.Errorf("%s: firewall imports the standard library only, not %s", name, imported)
			}
			if where, limited := limit(imported); limited && !within(folder, where) {
				t.Errorf("%s: %s must not import %s", name, folder, imported)
			}
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Fatalf("read %d files: %v", files, err)
	}
}

// entryFor finds the most exact entry of mayImport.
func entryFor(folder string) ([]string, bool) {
	if allowed, ok := mayImport[folder]; ok {
		return allowed, true
	}
	for ; folder != "."; folder = path.Dir(folder) {
		if allowed, ok := mayImport[path.Dir(folder)+"/*"]; ok {
			return allowed, true
		}
	}
	return nil, false
}

// limit finds the longest entry of onlyIn that the import path lies in.
func limit(imported string) ([]string, bool) {
	for p := imported; p != "."; p = path.Dir(p) {
		if where, ok := onlyIn[p]; ok {
			return where, true
		}
	}
	return nil, false
}

// within tells whether a folder is in a list whose entries may end in "/*".
func within(folder string, list []string) bool {
	return slices.ContainsFunc(list, func(entry string) bool {
		parent, below := strings.CutSuffix(entry, "/*")
		return entry == folder || below && strings.HasPrefix(folder, parent+"/")
	})
}
