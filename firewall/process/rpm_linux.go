package process

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	// rpmPatience is how long rpm may take to answer: it waits for who changes
	// its database.
	rpmPatience = 10 * time.Second
	// rpmFormat has a line for a package, and one for each of its files.
	rpmFormat = `P\t%{NAME}\t%{EVR}\t%{FILEDIGESTALGO}\n[F\t%{FILEDIGESTS}\t%{FILENAMES}\n]`
)

// rpmDatabases are where rpm has had its database, one after the other.
var rpmDatabases = []string{"/usr/lib/sysimage/rpm", "/var/lib/rpm"}

// rpmHashes are the digests that prove a file, by their numbers in OpenPGP.
var rpmHashes = map[string]func() hash.Hash{"8": sha256.New, "9": sha512.New384, "10": sha512.New}

// rpm is the package database of Fedora, openSUSE and their relatives. It asks
// rpm itself, which alone knows each of the formats that the database has had,
// and reads them where a damaged one does the firewall no harm.
type rpm struct{ root string }

func (r rpm) find(path string) (recorded, bool) {
	database := r.database()
	if database == "" {
		return recorded{}, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), rpmPatience)
	defer cancel()
	path = aliasesBelow(r.root).real(path)
	query := exec.CommandContext(ctx, "/usr/bin/rpm", "--root", r.root, "--dbpath", database, "--query", "--queryformat", rpmFormat, "--file", path)
	query.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	out, err := query.Output() // fails if no package has the file
	if err != nil {
		return recorded{}, false
	}
	return parseRPM(string(out), path, aliasesBelow(r.root))
}

// database is the folder of the database, below root, or "": many have rpm as
// a tool only.
func (r rpm) database() string {
	for _, folder := range rpmDatabases {
		for _, name := range []string{"rpmdb.sqlite", "Packages.db", "Packages"} {
			if _, err := os.Stat(filepath.Join(r.root, folder, name)); err == nil {
				return folder
			}
		}
	}
	return ""
}

// parseRPM finds a file in what rpm says, of one package or several, in
// rpmFormat.
func parseRPM(text, path string, a aliases) (recorded, bool) {
	var owner Owner
	var algorithm string
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 4)
		switch {
		case fields[0] == "P" && len(fields) == 4:
			owner, algorithm = Owner{Manager: "rpm", Name: fields[1], Version: fields[2]}, fields[3]
		case fields[0] == "F" && len(fields) == 3 && owner.Name != "" && a.real(fields[2]) == path:
			r := recorded{Owner: owner, path: path, hash: rpmHashes[algorithm]}
			if digest, err := hex.DecodeString(fields[1]); err == nil && r.hash != nil && len(digest) == r.hash().Size() {
				r.digest = digest
			}
			return r, true
		}
	}
	return recorded{}, false
}
