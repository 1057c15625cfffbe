// Package appimage proves who made an AppImage: a program in one file, which
// mounts the image behind its own code and runs what is there.
//
// An AppImage may be signed with an OpenPGP key that it carries itself. Nobody
// vouches for the name in such a key, but whoever has it made every version that
// is signed with it.
package appimage

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Made is who made an AppImage.
type Made struct {
	Key    string // the fingerprint of the key, in hexadecimal: "0A1B…"
	Update string // where it says that its next version is, which tells the programs of one maker apart
}

// ErrUnsigned is that of an AppImage without a signature.
var ErrUnsigned = errors.New("it is not signed")

// The sections of an AppImage that are filled after it was signed, and that
// with the update information.
const (
	signatureSection = ".sha256_sig"
	keySection       = ".sig_key"
	updateSection    = ".upd_info"
)

// Is tells whether a file that begins so, with 11 bytes or more, is an AppImage
// of type 2.
func Is(head []byte) bool {
	return len(head) >= 11 && bytes.HasPrefix(head, []byte("\x7fELF")) && string(head[8:11]) == "AI\x02"
}

// Verify reads an AppImage of a size in bytes, and says who made it: whoever
// signed all of it, but the signature and the key, and where it says that its
// next version is.
func Verify(file io.ReaderAt, size int64) (Made, error) {
	head := make([]byte, 11)
	if _, err := file.ReadAt(head, 0); err != nil || !Is(head) {
		return Made{}, errors.New("it is no AppImage")
	}
	sections, err := sectionsOf(file, size, signatureSection, keySection, updateSection)
	if err != nil {
		return Made{}, fmt.Errorf("read its sections: %w", err)
	}
	text := make(map[string][]byte)
	for _, name := range []string{signatureSection, keySection, updateSection} {
		b, err := sections[name].read(file)
		if err != nil {
			return Made{}, fmt.Errorf("read its section %s: %w", name, err)
		}
		text[name] = b
	}
	if len(text[signatureSection]) == 0 || len(text[keySection]) == 0 {
		return Made{}, ErrUnsigned
	}
	m := Made{Update: string(text[updateSection])}
	if m.Update == "" || strings.TrimSpace(m.Update) != m.Update || strings.ContainsFunc(m.Update, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return Made{}, errors.New("it does not say where its next version is")
	}
	digest, err := digest(file, size, sections[signatureSection], sections[keySection])
	if err != nil {
		return Made{}, err
	}
	if m.Key, err = signer(digest, text[signatureSection], text[keySection]); err != nil {
		return Made{}, err
	}
	return m, nil
}

// digest is the SHA-256 of a file, in hexadecimal, in which sections are empty.
func digest(file io.ReaderAt, size int64, empty ...section) (string, error) {
	h, at := sha256.New(), int64(0)
	if empty[0].offset > empty[1].offset {
		empty[0], empty[1] = empty[1], empty[0]
	}
	for _, s := range append(empty, section{offset: size}) {
		if s.offset < at {
			return "", errors.New("its sections overlap")
		}
		if _, err := io.Copy(h, io.NewSectionReader(file, at, s.offset-at)); err != nil {
			return "", err
		}
		h.Write(make([]byte, s.size))
		at = s.offset + s.size
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// strict rejects digests that can be made alike, also within a key.
var strict = map[crypto.Hash]bool{crypto.MD5: true, crypto.SHA1: true, crypto.RIPEMD160: true}

// signer is the fingerprint of the key that made a signature of a text.
func signer(text string, signature, key []byte) (fingerprint string, err error) {
	defer func() { // whoever made the file chose what is parsed here
		if r := recover(); r != nil {
			err = fmt.Errorf("verify its signature: %v", r)
		}
	}()
	keys, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(key))
	if err != nil {
		return "", fmt.Errorf("read its key: %w", err)
	}
	if len(keys) != 1 {
		return "", errors.New("it has more than one key")
	}
	config := &packet.Config{RejectHashAlgorithms: strict, RejectMessageHashAlgorithms: strict}
	_, by, err := openpgp.VerifyArmoredDetachedSignature(keys, strings.NewReader(text), bytes.NewReader(signature), config)
	if err != nil {
		return "", fmt.Errorf("verify its signature: %w", err)
	}
	return strings.ToUpper(hex.EncodeToString(by.PrimaryKey.Fingerprint)), nil
}
