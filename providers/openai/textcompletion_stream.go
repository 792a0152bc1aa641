package openai

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
	"github.com/llm-go/llm/stream"
)

// textStream reads one streamed text completion.
type textStream struct {
	*text
	call *llm.Call
	body io.Reader
	sse  *stream.SSE
	err  error // what next returns from now on

	last     llm.TextCompletionResponse // the head members of the chunk before
	finished map[int]bool               // choices by index
	open     int                        // of those, the ones without a finish_reason
}

func (t *text) stream(call *llm.Call, body io.Reader) llm.Next[llm.TextCompletionChunk] {
	s := &textStream{text: t, call: call, body: body, finished: make(map[int]bool, 1)}
	return s.next
}

func (s *textStream) next() (*llm.TextCompletionChunk, error) {
	if s.err != nil {
		return nil, s.err
	}
	chunk, err := s.read()
	if s.err = err; chunk != nil {
		return chunk, nil
	}
	return nil, err
}

// read returns the next chunk; a chunk together with io.EOF is the last.
func (s *textStream) read() (*llm.TextCompletionChunk, error) {
	if s.sse == nil {
		if chunk, err := s.begin(); chunk != nil || err != nil {
			return chunk, err
		}
	}
	for {
		ev, err := s.sse.Next()
		if err == io.EOF {
			return nil, s.atEnd()
		}
		if err != nil {
			return nil, err
		}
		switch {
		case len(ev.Data) == 0:
			continue
		case bytes.Equal(bytes.TrimSpace(ev.Data), done):
			if len(s.finished) == 0 {
				return nil, llm.Malformed("the answer has no choices", nil)
			}
			s.call.WarnTrailing(s.sse.Buffered())
			return nil, io.EOF
		case string(ev.Name) == "error":
			if e := bodyError(nil, ev.Data); e != nil {
				return nil, e
			}
		}
		return s.chunk(ev)
	}
}

func (s *textStream) chunk(ev stream.Event) (*llm.TextCompletionChunk, error) {
	r := llm.TextCompletionResponse{ID: s.last.ID, Created: s.last.Created, Model: s.last.Model, SystemFingerprint: s.last.SystemFingerprint}
	var d jsonx.Decoder
	d.Reset(ev.Data)
	decodeText(&d, &r)
	if err := d.End(); err != nil {
		if ev.Unterminated {
			return nil, llm.Truncated("the stream ended within an event")
		}
		if e := bodyError(nil, ev.Data); e != nil {
			return nil, e
		}
		return nil, llm.Malformed("an event of the stream is not the JSON of a chunk", err)
	}
	if r.Extra != nil {
		if raw, ok := r.Extra["error"].(json.RawMessage); ok && carriesError(raw) {
			return nil, bodyErrorOr(nil, ev.Data)
		}
		if len(r.Choices) == 0 {
			if e := bodyError(nil, ev.Data); e != nil {
				return nil, e
			}
		}
	}
	s.last.ID, s.last.Created, s.last.Model, s.last.SystemFingerprint = r.ID, r.Created, r.Model, r.SystemFingerprint
	for i := range r.Choices {
		ch := &r.Choices[i]
		if ch.Index < 0 {
			return nil, llm.Malformed("a choice has a negative index", nil)
		}
		if e := choiceError(nil, ch.NativeFinishReason, ch.Extra); e != nil {
			return nil, e
		}
		done, known := s.finished[ch.Index]
		if !known {
			s.open++
		}
		if ch.FinishReason != "" && !done {
			s.open--
			done = true
		}
		s.finished[ch.Index] = done
	}
	if r.Usage != nil {
		usageExtra(r.Usage)
	}
	return textChunk(&r), nil
}

func textChunk(r *llm.TextCompletionResponse) *llm.TextCompletionChunk {
	return &llm.TextCompletionChunk{ID: r.ID, Object: r.Object, Created: r.Created, Model: r.Model,
		SystemFingerprint: r.SystemFingerprint, Choices: r.Choices, Usage: r.Usage, Extra: r.Extra}
}

// begin is that of chatStream.open.
func (s *textStream) begin() (*llm.TextCompletionChunk, error) {
	head, plain, err := plainJSON(s.body)
	if err != nil {
		return nil, err
	}
	r := io.MultiReader(bytes.NewReader(head), s.body)
	if !plain {
		s.sse = stream.NewSSE(r, s.call.MaxEventBytes())
		return nil, nil
	}
	body, err := readJSON(r, s.call.MaxEventBytes())
	if err != nil {
		return nil, err
	}
	resp, err := s.decode(s.call, nil, body)
	if err != nil {
		return nil, err
	}
	return textChunk(resp), io.EOF
}

// atEnd judges a body that ended without [DONE].
func (s *textStream) atEnd() error {
	if !s.cutOff {
		return llm.Truncated("the stream ended without [DONE]")
	}
	want := 1
	if r, ok := s.call.Request.(*llm.TextCompletionRequest); ok {
		want = max(1, r.N) * max(1, len(r.Prompt), len(r.Tokens))
	}
	if s.open > 0 || len(s.finished) < want {
		return llm.Truncated("the stream ended before each choice had a finish_reason")
	}
	return io.EOF
}
