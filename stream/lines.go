package stream

import (
	"bytes"
	"io"
)

// Lines reads JSON lines, also called NDJSON: one JSON text to a line, as Ollama and Cohere stream their answers. A
// line ends with LF or CRLF; blank lines and a byte order mark at the start are skipped. That a line is JSON is not
// checked.
type Lines struct {
	source
	searched int // there is no LF in buf[pos:searched]
	begun    bool
}

// NewLines returns a reader of the lines in r. The limit is in bytes and applies to one line, not counting its LF.
// Zero or less is DefaultLimit.
func NewLines(r io.Reader, limit int) *Lines {
	return &Lines{source: newSource(r, limit)}
}

// Next returns the next line that is not blank, without its end, and io.EOF after the last one. The line is
// valid until the following Next. It is unterminated when the input ended before its LF: it may be cut.
func (l *Lines) Next() (line []byte, unterminated bool, err error) {
	for {
		l.searched = max(l.searched, l.pos)
		i := bytes.IndexByte(l.buf[l.searched:l.end], '\n')
		end := l.end
		if i >= 0 {
			end = l.searched + i
		}
		l.searched = end
		if end-l.pos > l.limit {
			l.searched = 0
			return nil, false, l.fail(ErrEventTooLarge)
		}
		if i < 0 {
			shift, err := l.more(0)
			l.searched -= shift
			if err == nil {
				continue
			}
			if err != io.EOF || l.pos == l.end {
				l.searched, l.pos, l.end = 0, 0, 0 // what is cut by an error is not a line
				return nil, false, err
			}
			unterminated = true
			end = l.end
		}
		line = l.buf[l.pos:end:end]
		l.pos = min(end+1, l.end)
		if !l.begun {
			l.begun = true
			line = bytes.TrimPrefix(line, bom)
		}
		if n := len(line); n > 0 && line[n-1] == '\r' {
			line = line[: n-1 : n-1]
		}
		if len(line) > 0 && (line[0] > ' ' || len(bytes.TrimLeft(line, " \t\r")) > 0) { // JSON's white space, not Unicode's
			return line, unterminated, nil
		}
		unterminated = false
	}
}
