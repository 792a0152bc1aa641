// Package stream cuts the body of a streamed answer into its frames: server-sent events, JSON lines, and the
// binary event stream of AWS. It does no more than that; what a frame means, and which one ends an answer, is the
// dialect's business.
//
// The readers are pulled: Next returns one frame, and io.EOF after the last. They start no goroutine, and they
// return a frame as soon as its last byte has been read, without waiting for a byte more. The bytes of a frame
// belong to the reader and are valid until the following Next; a frame is not copied and not allocated.
//
// A body that breaks off is never taken for one that ended. A last event or line without its terminator is marked
// as such, half a binary frame is io.ErrUnexpectedEOF, and a read error other than io.EOF is returned, after the
// frames that were complete before it. After an error, a reader returns it again.
//
// Memory is bounded by a limit for each frame, since a host that never ends its line would otherwise be given all
// there is. The buffer starts at 4 KiB and doubles up to the limit.
package stream

import (
	"errors"
	"io"
	"math"
)

// DefaultLimit is the size, in bytes, of the largest frame where no limit is given. Images in base64 and long
// tool results, which arrive in one event, stay below it.
const DefaultLimit = 16 << 20

// ErrEventTooLarge is returned for an event, a line or a frame above the limit. There is no resuming after it.
var ErrEventTooLarge = errors.New("stream: event exceeds the limit")

var errReader = errors.New("stream: the reader returned an impossible count")

const (
	firstBuffer = 1 << 10 // a stream that waits for a model's next word, as most do, should hold little
	fastBuffer  = 8 << 10 // up to here the buffer also grows when reads fill it
	minRead     = 512     // less room than this is not worth a read, if more can be had
	emptyReads  = 100     // in a row, as for bufio
)

// source is a buffer over a reader: buf[pos:end] is read and not yet used.
type source struct {
	r        io.Reader
	buf      []byte
	filled   bool // the last read filled buf: there is more where that came from
	pos, end int
	limit    int
	err      error // of the last read; sticky
}

func newSource(r io.Reader, limit int) source {
	if limit <= 0 {
		limit = DefaultLimit
	}
	return source{r: r, limit: min(limit, math.MaxInt-1)}
}

// Buffered returns what was read from the input and not yet used, such as bytes after an event that ends a stream.
// It does not read. The bytes are valid until the following Next.
func (s *source) Buffered() []byte { return s.buf[s.pos:s.end:s.end] }

// more reads at least one byte. Before that it moves what is not yet used down to the offset keep, so that an
// offset into it falls by the shift returned.
func (s *source) more(keep int) (shift int, err error) {
	if s.err != nil {
		return 0, s.err
	}
	if shift = s.pos - keep; shift > 0 {
		copy(s.buf[keep:], s.buf[s.pos:s.end])
		s.pos -= shift
		s.end -= shift
	}
	// One byte above the limit is enough to see that a frame is too large.
	if most := max(s.limit+1, firstBuffer); len(s.buf) < most && (len(s.buf)-s.end < minRead || s.filled && len(s.buf) < fastBuffer) {
		size := max(2*len(s.buf), firstBuffer)
		if size > most/2 {
			size = most // rather than twice the same step, with both buffers alive
		}
		buf := make([]byte, size)
		copy(buf, s.buf[:s.end])
		s.buf = buf
	}
	for range emptyReads {
		n, err := s.r.Read(s.buf[s.end:])
		if n < 0 || n > len(s.buf)-s.end {
			return shift, s.fail(errReader)
		}
		s.end += n
		s.filled = s.end == len(s.buf)
		s.err = err // for the next call, if there are bytes to use first
		if n > 0 {
			return shift, nil
		}
		if err != nil {
			return shift, err
		}
	}
	return shift, s.fail(io.ErrNoProgress)
}

// fail makes err the answer to everything from now on, and lets the buffer go.
func (s *source) fail(err error) error {
	*s = source{limit: s.limit, err: err}
	return err
}
