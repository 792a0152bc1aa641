package cache

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"time"

	"github.com/llm-go/llm"
)

// A stored value is a header and the answer in this library's JSON:
//
//	 0  "llmc"
//	 4  version
//	 5  flags
//	 6  CRC-32C of the key and of everything that follows
//	10  when the answer was made, and when it ends, in milliseconds since 1970; 0: it does not end
//	26  length of the rest, before compression
//	30  length of the answer's Meta, Meta as texts with their lengths, answer
//
// What does not read as one is a miss, whatever its bytes are.
const (
	magic      = "llmc"
	version    = 1
	headerSize = 30

	flagDeflate = 1
)

// compressAbove is the size from which compression saves more than it costs, over a network or on a disk.
const compressAbove = 4096

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	errValue   = errors.New("cache: not a value of this version")
)

// entry is an answer as it is stored.
type entry struct {
	created, expires time.Time // expires is zero if there is no end
	meta             meta
	answer           []byte // JSON
}

// meta is what is kept of an answer's Meta: neither headers, which may hold what is one caller's alone, nor the native
// body, which says everything a second time.
type meta struct {
	Provider, Model, RequestID string
	Status                     int
	Warnings                   []llm.Warning
}

func (m *meta) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(m.Status))
	b = binary.AppendUvarint(b, uint64(len(m.Warnings)))
	text := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	text(m.Provider)
	text(m.Model)
	text(m.RequestID)
	for i := range m.Warnings {
		w := &m.Warnings[i]
		text(w.Code)
		text(w.Param)
		text(w.Message)
	}
	return b
}

// read returns false if b is not what append writes.
func (m *meta) read(b []byte) bool {
	ok := true
	number := func() uint64 {
		n, used := binary.Uvarint(b)
		if used <= 0 {
			ok, b = false, nil
			return 0
		}
		b = b[used:]
		return n
	}
	text := func() string {
		n := number()
		if n > uint64(len(b)) {
			ok, b = false, nil
			return ""
		}
		s := string(b[:n])
		b = b[n:]
		return s
	}
	m.Status = int(number())
	warnings := number()
	m.Provider, m.Model, m.RequestID = text(), text(), text()
	for ; ok && warnings > 0; warnings-- {
		m.Warnings = append(m.Warnings, llm.Warning{Code: text(), Param: text(), Message: text()})
	}
	return ok && len(b) == 0
}

// encode is the value to be stored under key.
func (e *entry) encode(key Key, compress bool) []byte {
	m := e.meta.append(nil)
	b := make([]byte, headerSize, headerSize+len(m)+len(e.answer)+binary.MaxVarintLen32)
	b = binary.AppendUvarint(b, uint64(len(m)))
	b = append(append(b, m...), e.answer...)
	copy(b, magic)
	b[4] = version
	binary.BigEndian.PutUint64(b[10:], uint64(e.created.UnixMilli()))
	if !e.expires.IsZero() {
		binary.BigEndian.PutUint64(b[18:], uint64(e.expires.UnixMilli()))
	}
	binary.BigEndian.PutUint32(b[26:], uint32(len(b)-headerSize))
	if compress && len(b) > compressAbove {
		packed := bytes.NewBuffer(append(make([]byte, 0, len(b)/2), b[:headerSize]...))
		w, _ := flate.NewWriter(packed, flate.BestSpeed) // it fails for unknown levels only
		_, _ = w.Write(b[headerSize:])                   // into memory
		_ = w.Close()
		if packed.Len() < len(b) {
			b = packed.Bytes()
			b[5] |= flagDeflate
		}
	}
	binary.BigEndian.PutUint32(b[6:], checksum(key, b))
	return b
}

// checksum covers the key, so that a value that got under another key is not taken for an answer.
func checksum(key Key, b []byte) uint32 {
	sum := crc32.Update(0, castagnoli, key[:])
	sum = crc32.Update(sum, castagnoli, b[:6])
	return crc32.Update(sum, castagnoli, b[10:])
}

// decode reads what encode wrote; limit bounds the answer's size. The entry shares the value's memory.
func decode(key Key, b []byte, limit int) (*entry, error) {
	if len(b) < headerSize || string(b[:4]) != magic || b[4] != version || b[5]&^flagDeflate != 0 ||
		binary.BigEndian.Uint32(b[6:]) != checksum(key, b) {
		return nil, errValue
	}
	e := &entry{created: time.UnixMilli(int64(binary.BigEndian.Uint64(b[10:])))}
	if ms := int64(binary.BigEndian.Uint64(b[18:])); ms != 0 {
		e.expires = time.UnixMilli(ms)
	}
	size := binary.BigEndian.Uint32(b[26:])
	rest := b[headerSize:]
	if uint64(size) > uint64(limit)+maxMeta {
		return nil, errValue
	}
	if b[5]&flagDeflate != 0 {
		packed := bytes.NewReader(rest)
		var err error
		if rest, err = io.ReadAll(io.LimitReader(flate.NewReader(packed), int64(size)+1)); err != nil {
			return nil, errValue
		}
	}
	n, used := binary.Uvarint(rest)
	if len(rest) != int(size) || used <= 0 || n > uint64(len(rest)-used) {
		return nil, errValue
	}
	rest = rest[used:]
	if !e.meta.read(rest[:n]) {
		return nil, errValue
	}
	e.answer = rest[n:]
	return e, nil
}

// maxMeta is room for what is stored beside an answer.
const maxMeta = 64 << 10
