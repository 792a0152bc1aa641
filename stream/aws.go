package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// Errors of the AWS event stream, to be found with errors.Is. There is no resuming after them, since nothing marks
// where a frame begins.
var (
	ErrChecksum  = errors.New("stream: checksum of an AWS event stream frame does not match")
	ErrMalformed = errors.New("stream: malformed AWS event stream frame")
)

const (
	preludeSize  = 12 // total length, length of the headers, checksum of these two
	trailerSize  = 4  // checksum of all before it
	minFrameSize = preludeSize + trailerSize
)

// Message is one frame of an AWS event stream. What AWS.Next returns is valid until the following Next.
type Message struct {
	Headers []Header
	Payload []byte
}

// Header is one header of a Message. Its value has one of ten types on the wire, and here one of nine in Go: bool
// (types 0 and 1), int8, int16, int32, int64 (2 to 5), []byte (6), string (7), time.Time (8, in milliseconds) and
// [16]byte (9, a UUID).
type Header struct {
	Name  string // 1 to 255 bytes
	Value any    // []byte and string: up to 65,535 bytes
}

// Header returns the value of the string header with that name, "" if there is none. AWS names its own with a colon:
// ":message-type" is event, exception or error, ":event-type" and ":exception-type" say which.
func (m Message) Header(name string) string {
	for i := range m.Headers {
		if m.Headers[i].Name == name {
			s, _ := m.Headers[i].Value.(string)
			return s
		}
	}
	return ""
}

// AWS reads the binary framing that Amazon calls application/vnd.amazon.eventstream, as its "Amazon event stream
// specification" (Smithy) defines it. Both checksums of each frame are verified: the prelude's before its lengths
// are believed.
type AWS struct {
	source
	headers []Header
}

// NewAWS returns a reader of the frames in r. The limit is in bytes and applies to a whole frame. Zero or less is
// DefaultLimit; AWS itself stops at 24 MiB of payload, and stays far below that for models.
func NewAWS(r io.Reader, limit int) *AWS {
	return &AWS{source: newSource(r, limit)}
}

// Next returns the next frame, and io.EOF after the last one. An input that ends inside a frame is
// io.ErrUnexpectedEOF; other errors are ErrChecksum, ErrMalformed, ErrEventTooLarge or the reader's.
func (a *AWS) Next() (Message, error) {
	if err := a.need(preludeSize); err != nil {
		return Message{}, err
	}
	prelude := a.buf[a.pos : a.pos+preludeSize]
	if crc32.ChecksumIEEE(prelude[:8]) != binary.BigEndian.Uint32(prelude[8:]) {
		return Message{}, a.fail(fmt.Errorf("%w: prelude", ErrChecksum))
	}
	// In 64 bits no length can wrap around.
	total, headers := int64(binary.BigEndian.Uint32(prelude)), int64(binary.BigEndian.Uint32(prelude[4:]))
	if total > int64(a.limit) {
		return Message{}, a.fail(ErrEventTooLarge)
	}
	if total < minFrameSize || headers > total-minFrameSize {
		return Message{}, a.fail(fmt.Errorf("%w: impossible lengths", ErrMalformed))
	}
	if err := a.need(int(total)); err != nil {
		return Message{}, err
	}
	frame := a.buf[a.pos : a.pos+int(total)]
	body := frame[:len(frame)-trailerSize]
	if crc32.ChecksumIEEE(body) != binary.BigEndian.Uint32(frame[len(body):]) {
		return Message{}, a.fail(fmt.Errorf("%w: message", ErrChecksum))
	}
	a.pos += len(frame)
	payload := body[preludeSize+headers:]
	if err := a.parse(body[preludeSize : preludeSize+headers]); err != nil {
		return Message{}, a.fail(err)
	}
	return Message{Headers: a.headers, Payload: payload[:len(payload):len(payload)]}, nil
}

// need reads until n bytes are there.
func (a *AWS) need(n int) error {
	for a.end-a.pos < n {
		if _, err := a.more(0); err != nil {
			if err == io.EOF && a.pos < a.end {
				err = io.ErrUnexpectedEOF
			}
			return a.fail(err)
		}
	}
	return nil
}

// parse sets the headers from b. From one frame to the next most of them stay the same, so a name or value equal to
// that at the same place in the frame before is taken over instead of allocated.
func (a *AWS) parse(b []byte) error {
	old := a.headers[:cap(a.headers)]
	a.headers = a.headers[:0]
	for n := 0; len(b) > 0; n++ {
		var h Header
		if n < len(old) {
			h = old[n]
		}
		size := int(b[0])
		if size == 0 || len(b) < 1+size+1 {
			return fmt.Errorf("%w: header name", ErrMalformed)
		}
		if name := b[1 : 1+size]; string(name) != h.Name {
			h.Name = string(name)
		}
		kind := b[1+size]
		b = b[1+size+1:]

		size = 0
		if int(kind) < len(valueSizes) {
			size = valueSizes[kind]
		}
		if kind == typeBytes || kind == typeString {
			if len(b) < 2 {
				return fmt.Errorf("%w: header value", ErrMalformed)
			}
			size = int(binary.BigEndian.Uint16(b))
			b = b[2:]
		}
		if len(b) < size {
			return fmt.Errorf("%w: header value", ErrMalformed)
		}
		v := b[:size:size]
		b = b[size:]
		switch kind {
		case typeTrue:
			h.Value = true
		case typeFalse:
			h.Value = false
		case typeInt8:
			h.Value = int8(v[0])
		case typeInt16:
			h.Value = int16(binary.BigEndian.Uint16(v))
		case typeInt32:
			h.Value = int32(binary.BigEndian.Uint32(v))
		case typeInt64:
			h.Value = int64(binary.BigEndian.Uint64(v))
		case typeBytes:
			h.Value = v
		case typeString:
			if s, ok := h.Value.(string); !ok || s != string(v) {
				h.Value = string(v)
			}
		case typeTime:
			h.Value = time.UnixMilli(int64(binary.BigEndian.Uint64(v))).UTC()
		case typeUUID:
			h.Value = [16]byte(v)
		default:
			return fmt.Errorf("%w: header of type %d", ErrMalformed, kind)
		}
		a.headers = append(a.headers, h)
	}
	return nil
}

const (
	typeTrue = iota
	typeFalse
	typeInt8
	typeInt16
	typeInt32
	typeInt64
	typeBytes
	typeString
	typeTime
	typeUUID
)

// valueSizes are the sizes of the values of fixed size, by type.
var valueSizes = [...]int{typeInt8: 1, typeInt16: 2, typeInt32: 4, typeInt64: 8, typeTime: 8, typeUUID: 16}

// AppendAWS appends m as one frame. It is for fake servers and tests, where what is written is known, and panics on
// a header that has no form on the wire: see Header.
func AppendAWS(b []byte, m Message) []byte {
	start := len(b)
	b = append(b, make([]byte, preludeSize)...)
	for _, h := range m.Headers {
		if len(h.Name) == 0 || len(h.Name) > 255 {
			panic(fmt.Sprintf("stream: header name of %d bytes", len(h.Name)))
		}
		b = append(b, byte(len(h.Name)))
		b = append(b, h.Name...)
		b = appendValue(b, h.Value)
	}
	headers := len(b) - start - preludeSize
	b = append(b, m.Payload...)
	frame := b[start:]
	binary.BigEndian.PutUint32(frame, uint32(len(frame)+trailerSize))
	binary.BigEndian.PutUint32(frame[4:], uint32(headers))
	binary.BigEndian.PutUint32(frame[8:], crc32.ChecksumIEEE(frame[:8]))
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(frame))
}

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		if v {
			return append(b, typeTrue)
		}
		return append(b, typeFalse)
	case int8:
		return append(b, typeInt8, byte(v))
	case int16:
		return binary.BigEndian.AppendUint16(append(b, typeInt16), uint16(v))
	case int32:
		return binary.BigEndian.AppendUint32(append(b, typeInt32), uint32(v))
	case int64:
		return binary.BigEndian.AppendUint64(append(b, typeInt64), uint64(v))
	case []byte:
		return append(appendSize(append(b, typeBytes), len(v)), v...)
	case string:
		return append(appendSize(append(b, typeString), len(v)), v...)
	case time.Time:
		return binary.BigEndian.AppendUint64(append(b, typeTime), uint64(v.UnixMilli()))
	case [16]byte:
		return append(append(b, typeUUID), v[:]...)
	}
	panic(fmt.Sprintf("stream: header value of type %T", v))
}

func appendSize(b []byte, n int) []byte {
	if n > 0xFFFF {
		panic(fmt.Sprintf("stream: header value of %d bytes", n))
	}
	return binary.BigEndian.AppendUint16(b, uint16(n))
}
