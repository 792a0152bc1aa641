package stream

import (
	"bytes"
	"io"
)

var (
	bom   = []byte("\ufeff")
	colon = []byte{':'}
)

// Event is one server-sent event. Its bytes are valid until the next call of SSE.Next.
type Event struct {
	Name []byte // the event field; empty when absent
	Data []byte // the data fields, joined with \n
	ID   []byte // the id field of this event; empty when absent, that of an earlier event is not carried over

	// Unterminated tells that the input ended without the blank line that closes an event, perhaps in the middle of
	// a line. The HTML standard has such an event dropped. It is delivered here because there are hosts that do not
	// send the last blank line; whether it is whole is for its reader to judge.
	Unterminated bool
}

// SSE reads server-sent events as the HTML standard, section 9.2.6, has them interpreted: lines end with CR, LF or
// CRLF, a byte order mark at the start and comments are skipped, unknown fields (and retry, which is for clients
// that connect again) are ignored, and an event without a data field is none. Bytes that are not UTF-8 are left for
// the reader of the data to repair. Event.Unterminated says where else it differs.
type SSE struct {
	source
	lf, cr int  // there is no LF in buf[pos:lf], and no CR in buf[pos:cr]
	skipLF bool // the last line ended with CR: an LF that follows belongs to it
	begun  bool // past the byte order mark

	// The event so far. Its data lies in the buffer, all of it before pos: lines after the first are moved down
	// over their field names. Name and id are copied out, so that nothing else needs to stay in the buffer.
	hasData    bool
	data, tail int // the data is buf[data:tail]
	name, id   []byte
	size       int

	comments int
}

// NewSSE returns a reader of the events in r. The limit is in bytes and applies to the lines of one event together,
// not counting line ends, nor comments and ignored fields once they have passed. Zero or less is DefaultLimit.
func NewSSE(r io.Reader, limit int) *SSE {
	return &SSE{source: newSource(r, limit)}
}

// Comments returns the number of comment lines seen so far. Hosts send them to keep the connection alive while a
// model has nothing to say.
func (s *SSE) Comments() int { return s.comments }

// Next returns the next event, and io.EOF after the last one.
func (s *SSE) Next() (Event, error) {
	if s.err != nil && s.pos == s.end {
		return Event{}, s.err
	}
	s.reset()
	for {
		start, end, ok := s.line()
		if end-start > s.limit-s.size {
			return Event{}, s.fail(ErrEventTooLarge)
		}
		switch {
		case !ok:
			err := s.fill()
			if err == nil {
				continue
			}
			if err != io.EOF {
				return Event{}, err
			}
			// What follows the last line end is a line too.
			if s.pos < s.end {
				s.field(s.pos, s.end)
				s.pos = s.end
			}
			if !s.hasData {
				return Event{}, io.EOF
			}
			return s.event(true), nil
		case start < end:
			s.field(start, end)
		case s.hasData:
			return s.event(false), nil
		default:
			s.begun = true
			s.reset()
		}
	}
}

func (s *SSE) reset() {
	s.hasData, s.size = false, 0
	s.name, s.id = s.name[:0], s.id[:0]
}

func (s *SSE) event(unterminated bool) Event {
	return Event{Name: s.name, Data: s.buf[s.data:s.tail:s.tail], ID: s.id, Unterminated: unterminated}
}

// fill reads more, keeping the event so far.
func (s *SSE) fill() error {
	keep := 0
	if s.hasData {
		if s.data > 0 {
			copy(s.buf, s.buf[s.data:s.tail])
			s.data, s.tail = 0, s.tail-s.data
		}
		keep = s.tail
	}
	shift, err := s.more(keep)
	s.lf -= shift
	s.cr -= shift
	return err
}

// line takes the next line from the buffer, buf[start:end] without its end. If the line is not complete, it is what
// there is of it, and not taken. Each byte is looked at once for LF and once for CR, however it arrives: where a
// search stopped is remembered.
func (s *SSE) line() (start, end int, ok bool) {
	if s.skipLF && s.pos < s.end {
		s.skipLF = false
		if s.buf[s.pos] == '\n' {
			s.pos++
		}
	}
	start = s.pos
	s.lf, s.cr = max(s.lf, start), max(s.cr, start)
	if s.lf < s.end && s.buf[s.lf] != '\n' {
		if i := bytes.IndexByte(s.buf[s.lf:s.end], '\n'); i >= 0 {
			s.lf += i
		} else {
			s.lf = s.end
		}
	}
	// A CR matters only before the LF.
	if s.cr < s.lf {
		if i := bytes.IndexByte(s.buf[s.cr:s.lf], '\r'); i >= 0 {
			s.cr += i
			s.pos = s.cr + 1
			s.skipLF = true // it may not have arrived; waiting for it would delay the event
			return start, s.cr, true
		}
		s.cr = s.lf
	}
	if s.lf == s.end {
		return start, s.end, false
	}
	s.pos = s.lf + 1
	return start, s.lf, true
}

// field adds the line buf[start:end], which is not empty, to the event.
func (s *SSE) field(start, end int) {
	line := s.buf[start:end]
	if !s.begun {
		s.begun = true
		line = bytes.TrimPrefix(line, bom)
	}
	var name, value []byte
	if len(line) >= 5 && string(line[:5]) == "data:" {
		name, value = line[:4], line[5:]
	} else {
		name, value, _ = bytes.Cut(line, colon)
	}
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	switch string(name) {
	case "data":
		from := end - len(value)
		if !s.hasData {
			s.hasData, s.data, s.tail = true, from, end
			break
		}
		// There is room for the \n that joins: the name of this field lies between.
		s.buf[s.tail] = '\n'
		s.tail++
		s.tail += copy(s.buf[s.tail:], value)
	case "event":
		s.name = append(s.name[:0], value...)
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			s.id = append(s.id[:0], value...)
		}
	case "":
		if len(line) > 0 {
			s.comments++
		}
		return
	default:
		return
	}
	s.size += end - start
}
