package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"sallyport.dev/sallyport/app/importer"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

// ownKind is what --from calls a policy file.
const ownKind = "sallyport"

// imported is a file that is to be imported, and what it changes.
type imported struct {
	ui.Difference
	From string          `json:"from,omitempty"` // whose file it is, if another program's
	Left []importer.Left `json:"left,omitempty"` // what of it was left out, or counts otherwise

	document []byte // as a policy file
}

func importKind(from string) (importer.Kind, error) {
	if from != "" && from != ownKind && !slices.Contains(importer.Kinds, importer.Kind(from)) {
		return "", fmt.Errorf("--from %q: want %s, opensnitch, simplewall or portmaster", from, ownKind)
	}
	return importer.Kind(from), nil
}

// readImport reads a file, or the folder of OpenSnitch, as a policy file. The
// kind is "" where its content tells it.
func (e *env) readImport(name string, kind importer.Kind) (imported, error) {
	if info, err := os.Stat(name); name != "-" && err == nil && info.IsDir() {
		if kind == ownKind {
			return imported{}, errors.New("that is a folder: name a policy file")
		}
		r, err := importer.ReadFolder(kind, os.DirFS(name))
		if err != nil {
			return imported{}, err
		}
		return asPolicy(importer.OpenSnitch, r)
	}
	text, err := e.readFile(name)
	if err != nil {
		return imported{}, err
	}
	return importedFrom(filepath.Base(name), text, kind)
}

// importedFrom reads the text of a file as a policy file.
func importedFrom(name string, text []byte, kind importer.Kind) (imported, error) {
	if kind == "" {
		kind = importer.Detect(text)
	}
	if kind == "" || kind == ownKind {
		return imported{document: text}, nil
	}
	r, err := importer.Read(kind, name, text)
	if err != nil {
		return imported{}, err
	}
	return asPolicy(kind, r)
}

// asPolicy writes the rules of another program as a policy file.
func asPolicy(kind importer.Kind, r importer.Result) (in imported, err error) {
	for i := range r.Rules {
		r.Rules[i].Program = asWritten(r.Rules[i].Program)
	}
	in.From, in.Left = string(kind), r.Left
	in.document, err = persistence.Document{Rules: r.Rules}.Encode()
	return in, err
}

// translate reads a file that was chosen in the windows.
func translate(name string, text []byte) (ui.Translated, error) {
	in, err := importedFrom(name, text, "")
	out := ui.Translated{Document: in.document, From: in.From}
	for _, l := range in.Left {
		out.Left = append(out.Left, l.What+": "+l.Why+" ("+l.Where+")")
	}
	return out, err
}

func (e *env) readFile(name string) ([]byte, error) {
	from := e.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	var text bytes.Buffer
	if n, err := io.Copy(&text, io.LimitReader(from, importer.MaxFile+1)); err != nil {
		return nil, err
	} else if n > importer.MaxFile {
		return nil, fmt.Errorf("it is larger than %d MB: no policy is", importer.MaxFile>>20)
	}
	return text.Bytes(), nil
}
