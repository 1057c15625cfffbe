package ui

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"fyne.io/fyne/v2"
)

// maxIcon bounds the size of an icon's file, in bytes.
const maxIcon = 1 << 20

// iconFinder finds the icon of a program through the .desktop files, which it
// reads once, in the background: until then there are letter tiles.
type iconFinder struct {
	mu    sync.Mutex
	names map[string]string        // executable → icon name
	found map[string]fyne.Resource // executable → icon, nil if there is none
}

func newIconFinder() *iconFinder {
	f := &iconFinder{found: map[string]fyne.Resource{}}
	go func() {
		names := desktopIcons(dataFolders())
		f.mu.Lock()
		defer f.mu.Unlock()
		f.names = names
	}()
	return f
}

// find returns the icon of the program at a path, or nil. A program that is
// not the file at its path is not named by a path, and has none.
func (f *iconFinder) find(program string) fyne.Resource {
	if !filepath.IsAbs(program) {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	icon, ok := f.found[program]
	if !ok && f.names != nil {
		icon = readIcon(iconFile(f.names[program], dataFolders()))
		f.found[program] = icon
	}
	return icon
}

// dataFolders are where applications and icons lie. Folders of the person come
// last: an entry there does not replace the system's.
func dataFolders() []string {
	system := os.Getenv("XDG_DATA_DIRS")
	if system == "" {
		system = "/usr/local/share:/usr/share"
	}
	folders := append(filepath.SplitList(system), "/var/lib/flatpak/exports/share", "/var/lib/snapd/desktop")
	own := os.Getenv("XDG_DATA_HOME")
	if own == "" {
		own = filepath.Join(os.Getenv("HOME"), ".local/share")
	}
	return append(folders, own)
}

// desktopIcons maps executables to the icons that .desktop files name for them.
func desktopIcons(folders []string) map[string]string {
	icons := map[string]string{}
	for _, folder := range folders {
		files, _ := filepath.Glob(filepath.Join(folder, "applications", "*.desktop"))
		for _, file := range files {
			program, icon := readDesktopFile(file)
			if _, taken := icons[program]; program != "" && icon != "" && !taken {
				icons[program] = icon
			}
		}
	}
	return icons
}

// readDesktopFile returns the executable that an entry starts, as the kernel
// names it, and its icon.
func readDesktopFile(file string) (program, icon string) {
	f, err := os.Open(file)
	if err != nil {
		return "", ""
	}
	defer f.Close()
	inEntry := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		key, value, _ := strings.Cut(line, "=")
		switch {
		case strings.HasPrefix(line, "["):
			inEntry = line == "[Desktop Entry]"
		case inEntry && key == "Icon":
			icon = value
		case inEntry && key == "Exec":
			program = firstProgram(strings.Fields(value))
		}
	}
	if program == "" {
		return "", ""
	}
	if !filepath.IsAbs(program) {
		for _, folder := range []string{"/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/usr/games"} {
			if _, err := os.Stat(filepath.Join(folder, program)); err == nil {
				program = filepath.Join(folder, program)
				break
			}
		}
	}
	if real, err := filepath.EvalSymlinks(program); err == nil {
		program = real
	}
	return program, icon
}

// firstProgram skips env and its assignments.
func firstProgram(words []string) string {
	for i, word := range words {
		if i == 0 && filepath.Base(word) == "env" || strings.Contains(word, "=") {
			continue
		}
		return strings.Trim(word, `"`)
	}
	return ""
}

// iconFile finds an icon of the fallback theme by its name.
func iconFile(name string, folders []string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	for _, folder := range folders {
		for _, size := range []string{"48x48", "64x64", "128x128", "256x256", "scalable", "32x32"} {
			for _, ending := range []string{".png", ".svg"} {
				file := filepath.Join(folder, "icons/hicolor", size, "apps", name+ending)
				if _, err := os.Stat(file); err == nil {
					return file
				}
			}
		}
		file := filepath.Join(folder, "pixmaps", name+".png")
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	return ""
}

// readIcon reads an icon's file, if it is one that can be drawn.
func readIcon(file string) fyne.Resource {
	ending := filepath.Ext(file)
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxIcon || ending != ".png" && ending != ".svg" {
		return nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	return fyne.NewStaticResource(filepath.Base(file), b)
}
