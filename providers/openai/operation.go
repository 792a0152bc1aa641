package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/stream"
)

// member is a member of a request that some host cannot carry.
type member struct {
	name    string
	special bool // not OpenAI's: hosts take it only if Quirks.Accept names it
	set     bool
	clear   func()
}

// plain is a member that hosts take unless Quirks.Drop names it; p is its field in a copy of the request.
func plain[T comparable](name string, p *T) member {
	var zero T
	return member{name: name, set: *p != zero, clear: func() { *p = zero }}
}

// plainList is plain for a list.
func plainList[T any](name string, p *[]T) member {
	return member{name: name, set: len(*p) > 0, clear: func() { *p = nil }}
}

// special is a member that is not OpenAI's.
func special[T comparable](name string, p *T) member {
	m := plain(name, p)
	m.special = true
	return m
}

// leaveOut clears the members that are set and that the host cannot carry, or fails where the caller has not
// allowed dropping them. In the quirks' lists the members of these operations have the operation's name before
// them, "image.n" or "embedding.input_type": a host that refuses n in a chat may well make two pictures.
func (q *Quirks) leaveOut(call *llm.Call, members ...member) error {
	for _, m := range members {
		if !m.set {
			continue
		}
		if word := string(call.Operation) + "." + m.name; m.special && q.accepts(word) || !m.special && !q.drops(word) {
			continue
		}
		if err := call.Unsupported(m.name, ""); err != nil {
			return err
		}
		m.clear()
	}
	return nil
}

// decodeBody reads a 2xx body. An error that it carries instead of an answer, or beside one, is returned; extra is
// where the answer keeps members that it does not name.
func decodeBody(h http.Header, body []byte, v json.Unmarshaler, extra *llm.Extra) error {
	if err := v.UnmarshalJSON(body); err != nil {
		if e := bodyError(h, body); e != nil {
			return e
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			e := llm.Truncated("the answer's JSON ends too early")
			e.Err = err
			return e
		}
		return llm.Malformed("the answer is not the JSON that the operation promises", err)
	}
	if raw, ok := (*extra)["error"].(json.RawMessage); ok && carriesError(raw) {
		return bodyErrorOr(h, body)
	}
	return nil
}

// nothing is the error of a 2xx body that has no answer in it: the one that it carries, or else that it is empty.
func nothing(h http.Header, body []byte, what string) error {
	if e := bodyError(h, body); e != nil {
		return e
	}
	return llm.Malformed("the answer has no "+what, nil)
}

// notStreamed refuses a stream that is asked for by Extra where the operation has none: the answer would be events.
func notStreamed(extra llm.Extra) error {
	if extra.Get("stream").Bool() {
		return llm.InvalidRequest("stream", "streams of this operation are not offered; leave stream out of Extra")
	}
	return nil
}

// events reads a stream whose events are JSON objects with a type, one of which ends it.
type events struct {
	call *llm.Call
	sse  *stream.SSE
	// last is the type of the event that ends the stream.
	last string
	err  error // what next returns from now on
}

// next decodes the next event into v; typ and extra are where v keeps the type and the members that it does not
// name. It returns io.EOF after the last.
func (s *events) next(v json.Unmarshaler, typ *string, extra *llm.Extra) error {
	if s.err != nil {
		return s.err
	}
	s.err = s.read(v, extra)
	if s.err != nil {
		return s.err
	}
	if *typ == s.last {
		s.call.WarnTrailing(s.sse.Buffered())
		s.err = io.EOF
	}
	return nil
}

func (s *events) read(v json.Unmarshaler, extra *llm.Extra) error {
	for {
		ev, err := s.sse.Next()
		if err == io.EOF {
			return llm.Truncated("the stream ended before the event " + s.last)
		}
		if err != nil {
			return err
		}
		data := bytes.TrimSpace(ev.Data)
		if len(data) == 0 {
			continue
		}
		if bytes.Equal(data, done) { // servers that borrow the dialect end each stream so
			return io.EOF
		}
		if string(ev.Name) == "error" {
			if e := bodyError(nil, data); e != nil {
				return e
			}
		}
		if err := v.UnmarshalJSON(data); err != nil {
			if ev.Unterminated {
				e := llm.Truncated("the stream ended within an event")
				e.Err = err
				return e
			}
			if e := bodyError(nil, data); e != nil {
				return e
			}
			return llm.Malformed("an event of the stream is not the JSON that it should be", err)
		}
		if raw, ok := (*extra)["error"].(json.RawMessage); ok && carriesError(raw) {
			return bodyErrorOr(nil, data)
		}
		return nil
	}
}
