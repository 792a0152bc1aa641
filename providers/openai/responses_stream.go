package openai

import (
	"bytes"
	"io"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/stream"
)

// responsesStream reads one streamed response; API reference, "Streaming events". Every kind of event passes.
// response.completed and response.incomplete end the answer, response.failed and error are its failure.
type responsesStream struct {
	*responses
	call *llm.Call
	body io.Reader
	sse  *stream.SSE
	next llm.Next[llm.ResponsesChunk] // of an answer that came whole
	err  error                        // what read returns from now on

	typ, item string // of the event before
	order     order
}

func (o *responses) stream(call *llm.Call, body io.Reader) llm.Next[llm.ResponsesChunk] {
	s := &responsesStream{responses: o, call: call, body: body}
	return func() (*llm.ResponsesChunk, error) {
		if s.err != nil {
			return nil, s.err
		}
		c, err := s.read()
		s.err = err
		if c != nil { // the last event comes together with io.EOF
			return c, nil
		}
		return nil, err
	}
}

func (s *responsesStream) read() (*llm.ResponsesChunk, error) {
	if s.sse == nil && s.next == nil {
		if err := s.open(); err != nil {
			return nil, err
		}
	}
	if s.next != nil {
		return s.next()
	}
	for {
		ev, err := s.sse.Next()
		if err == io.EOF {
			return nil, llm.Truncated("the stream ended without response.completed")
		}
		if err != nil {
			return nil, err
		}
		if data := ev.Data; len(data) == 0 || data[0] == '[' && bytes.Equal(bytes.TrimSpace(data), done) {
			continue // some hosts end with [DONE] as chat completions do; it proves nothing here
		}
		c := &llm.ResponsesChunk{Type: s.typ, ItemID: s.item}
		if err := c.UnmarshalJSON(ev.Data); err != nil {
			return nil, s.undecodable(ev, err)
		}
		if c.Type == "" {
			c.Type = string(ev.Name)
		}
		switch s.order.place(c, c.Type == s.typ) {
		case placeAgain:
			s.order.warn(s.call)
			continue
		case placeLate:
			return nil, llm.Malformed("the events of the stream are out of order", nil)
		}
		s.typ = c.Type
		if c.ItemID != "" {
			s.item = c.ItemID
		}
		return s.event(c, ev.Data)
	}
}

// event judges an event; the last one is returned together with io.EOF.
func (s *responsesStream) event(c *llm.ResponsesChunk, data []byte) (*llm.ResponsesChunk, error) {
	switch c.Type {
	case "response.completed", "response.incomplete":
		if c.Response == nil {
			return nil, llm.Malformed("the last event of the stream has no response", nil)
		}
		if err := s.check(c.Response); err != nil {
			return nil, err
		}
		s.call.WarnTrailing(s.sse.Buffered())
		return c, io.EOF
	case "response.failed":
		if c.Response == nil {
			return nil, eventError(data)
		}
		return nil, responseError(c.Response.Error)
	case "error":
		return nil, eventError(data)
	case "": // no event, so perhaps an error
		if e := bodyError(nil, data); e != nil {
			return nil, e
		}
	}
	return c, nil
}

// order follows the events' sequence numbers, which not all hosts take seriously: an event comes late only if the one
// before it left out its number, and again only if all of it does.
type order struct {
	last, missing int
	delta         string
	warned        bool
}

type place int

const (
	placeNext place = iota
	placeAgain
	placeLate
)

func (o *order) place(c *llm.ResponsesChunk, sameType bool) place {
	n, delta, missing := c.SequenceNumber, o.delta, o.missing
	o.delta, o.missing = c.Delta, 0
	switch {
	case n == 0: // the first, or not numbered
	case n == o.last && sameType && c.Delta == delta:
		return placeAgain
	case n == missing:
		return placeLate
	case n == o.last+2:
		o.missing = o.last + 1
	}
	o.last = n
	return placeNext
}

func (o *order) warn(call *llm.Call) {
	if !o.warned {
		o.warned = true
		call.Warn(llm.Warning{Code: "stream", Message: "the host sent an event twice; it was read once"})
	}
}

func (s *responsesStream) undecodable(ev stream.Event, err error) error {
	if ev.Unterminated {
		e := llm.Truncated("the stream ended within an event")
		e.Err = err
		return e
	}
	if e := bodyError(nil, ev.Data); e != nil {
		return e
	}
	return llm.Malformed("an event of the stream is not the JSON of an event", err)
}

// open looks at the first byte of the body: some hosts answer a request for a stream with plain JSON.
func (s *responsesStream) open() error {
	head, plain, err := plainJSON(s.body)
	if err != nil {
		return err
	}
	r := io.MultiReader(bytes.NewReader(head), s.body)
	if !plain {
		s.sse = stream.NewSSE(r, s.call.MaxEventBytes())
		return nil
	}
	body, err := readJSON(r, s.call.MaxEventBytes())
	if err != nil {
		return err
	}
	whole, err := s.decode(s.call, nil, body)
	if err != nil {
		return err
	}
	s.next = llm.ReplayResponses(whole).Next
	return nil
}
