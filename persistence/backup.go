package persistence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	stamp        = "20060102T150405.000000Z" // sorts like the time
	keepAge      = 7 * 24 * time.Hour
	keepNewest   = 20 // whatever their age, and however close together
	backupPrefix = "rules-"
	backupSuffix = ".toml"
)

func (s *Store) backupFolder() string { return filepath.Join(filepath.Dir(s.path), "backups") }

// backups returns the paths of all backups, newest first.
func (s *Store) backups() []string {
	names, _ := filepath.Glob(filepath.Join(s.backupFolder(), backupPrefix+"*"+backupSuffix))
	names = slices.DeleteFunc(names, func(name string) bool { return backupTime(name).IsZero() })
	slices.Sort(names)
	slices.Reverse(names)
	return names
}

// backupTime and backupHash read a backup's name; zero and "" if it is none.
func backupTime(name string) time.Time {
	at, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(name), backupPrefix), "-")
	t, err := time.Parse(stamp, at)
	if err != nil {
		return time.Time{}
	}
	return t
}

func backupHash(name string) string {
	_, hash, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(filepath.Base(name), backupPrefix), backupSuffix), "-")
	return hash
}

func hashOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// readBackup reads a backup and verifies it against the hash in its name.
func readBackup(name string) (Document, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return Document{}, err
	}
	if hashOf(text) != backupHash(name) {
		return Document{}, errors.New("its content is not what was written")
	}
	return DecodeDocument(text)
}

// Backup writes a verified backup of rules and settings if they differ from
// the newest one, and returns its path, or "" if there was nothing to do. The
// [Journal] calls it a moment after each change.
func (s *Store) Backup() (string, error) {
	s.backup.Lock()
	defer s.backup.Unlock()
	d, err := s.Document()
	if err != nil {
		return "", fmt.Errorf("back up rules: %w", err)
	}
	for i := range d.Rules {
		d.Rules[i].Hits, d.Rules[i].LastUsed = 0, time.Time{}
	}
	text, err := d.Encode()
	if err != nil {
		return "", fmt.Errorf("back up rules: %w", err)
	}
	old := s.backups()
	if len(old) > 0 && backupHash(old[0]) == hashOf(text) {
		if written, err := os.ReadFile(old[0]); err == nil && bytes.Equal(written, text) {
			return "", nil
		}
	}
	if len(old) == 0 && len(d.Rules) == 0 && len(d.Settings) == 0 && d.Mode == nil && d.LastID == 0 {
		return "", nil
	}
	name, err := s.writeBackup(text, time.Now().UTC())
	if err != nil {
		return "", fmt.Errorf("back up rules: %w", err)
	}
	for _, name := range surplus(s.backups(), time.Now()) {
		if err := os.Remove(name); err != nil {
			return name, fmt.Errorf("remove an old backup: %w", err)
		}
	}
	return name, nil
}

func (s *Store) writeBackup(text []byte, now time.Time) (string, error) {
	dir := s.backupFolder()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	name := filepath.Join(dir, backupPrefix+now.Format(stamp)+"-"+hashOf(text)+backupSuffix)
	fresh := filepath.Join(dir, "new")
	f, err := os.OpenFile(fresh, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(fresh)
		return "", err
	}
	if err := os.Rename(fresh, name); err != nil {
		return "", err
	}
	if _, err := readBackup(name); err != nil {
		os.Remove(name)
		return "", fmt.Errorf("verify: %w", err)
	}
	return name, syncFolder(dir)
}

// surplus names the backups that need not be kept, of all, newest first: the
// newest twenty stay, and of the last seven days the newest of each hour.
func surplus(names []string, now time.Time) (gone []string) {
	hours := map[time.Time]bool{}
	for i, name := range names {
		at := backupTime(name)
		hour := at.Truncate(time.Hour)
		first := !hours[hour]
		hours[hour] = true
		if i >= keepNewest && !(first && now.Sub(at) <= keepAge) {
			gone = append(gone, name)
		}
	}
	return gone
}
