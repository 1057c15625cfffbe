package persistence

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sealSize is how many bytes of a value come before the text.
const sealSize = 4

var errChecksum = errors.New("the checksum is wrong")

// seal makes a record's value: a checksum of key and text (CRC-32C, big
// endian), then v as JSON. bbolt itself does not notice a flipped bit.
func seal(key []byte, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, sealSize+len(text)), checksum(key, text)), text...), nil
}

// unseal reads into v what seal wrote under the key.
func unseal(key, value []byte, v any) error {
	if len(value) < sealSize {
		return errors.New("the record is too short")
	}
	if binary.BigEndian.Uint32(value) != checksum(key, value[sealSize:]) {
		return errChecksum
	}
	return json.Unmarshal(value[sealSize:], v)
}

func checksum(key, text []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, text)
}

// number is a key that sorts like the number.
func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
