package persistence

import (
	"fmt"

	"sallyport.dev/sallyport/firewall"
)

// Document is what an export holds: everything that a person decided. As text
// it has one JSON object a line, see [Document.Encode].
type Document struct {
	Mode     *firewall.Mode // nil if nobody chose one
	Settings map[string]string
	Rules    []firewall.Rule
}

// LineError is what is wrong with a line of a document.
type LineError struct {
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e *LineError) Unwrap() error { return e.Err }

// Document returns what an export of the store holds.
func (s *Store) Document() (Document, error) { panic("being built") }

// Encode writes the document as text.
func (d Document) Encode() ([]byte, error) { panic("being built") }

// DecodeDocument reads the text of a document. It refuses it whole, with a
// [LineError], if anything in it is not understood or not valid.
func DecodeDocument(text []byte) (Document, error) { panic("being built") }

// Replace makes the rules and settings those of the document, in one
// transaction: rules that the document does not have are removed, those that
// it has keep their hits.
func (s *Store) Replace(d Document) error { panic("being built") }
