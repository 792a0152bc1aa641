package llm

import (
	"context"
	"fmt"
	"io"
)

// mock is the answer of [WithMock].
type mock struct{ answer any }

// WithMock answers calls without network. answer is
//   - a string: the text of a completion, a response or a text completion;
//   - an error: the call fails with it;
//   - []*CompletionChunk (or the chunks of another operation): a stream, and folded for a unary completion;
//   - a response such as *CompletionResponse or *EmbeddingResponse, which a stream replays.
//
// Middleware and callbacks run as they do for real calls. For a server that speaks the providers' wire formats
// see package llmtest.
func WithMock(answer any) Option { return func(s *settings) { s.mock = &mock{answer} } }

func (e *endpoint[Req, Resp, Chunk]) answerMock(ctx context.Context, call *Call) (*Result, error) {
	answer := call.settings.mock.answer
	if text, ok := answer.(string); ok {
		answer = mockText[Resp](text, call.name)
	}
	switch a := answer.(type) {
	case error:
		return nil, a
	case *Resp:
		resp := *a
		if call.Stream {
			if e.replay == nil {
				break
			}
			s := NewStream(e.replay(&resp), nil)
			s.watch, s.meta = e.watcher(call), call.newMeta(nil)
			return &Result{Stream: s}, nil
		}
		*e.meta(&resp) = *call.newMeta(nil)
		if e.finish != nil {
			e.finish(call, &resp)
		}
		return &Result{Response: &resp}, nil
	case []*Chunk:
		s := NewStream(pieces(a), nil)
		s.watch, s.meta = e.watcher(call), call.newMeta(nil)
		if call.Stream {
			return &Result{Stream: s}, nil
		}
		if e.fold == nil {
			break
		}
		resp, err := e.fold(s)
		if err != nil {
			return nil, err
		}
		return &Result{Response: resp}, nil
	}
	return nil, InvalidRequest("options", fmt.Sprintf("llm.WithMock: a %T cannot answer %s", answer, e.name))
}

// mockText is a text as the answer of an operation that answers with text.
func mockText[Resp any](text, model string) any {
	c := &CompletionResponse{ID: "mock", Object: "chat.completion", Model: model,
		Choices: []Choice{{Message: Assistant(text), FinishReason: FinishStop}}}
	switch any((*Resp)(nil)).(type) {
	case *CompletionResponse:
		return c
	case *ResponsesResponse:
		if r, err := fromCompletion(c); err == nil {
			return r
		}
	case *TextCompletionResponse:
		return &TextCompletionResponse{ID: c.ID, Object: "text_completion", Model: model,
			Choices: []TextChoice{{Text: text, FinishReason: FinishStop}}}
	}
	return text
}

// pieces gives copies of chunks: a mock is used for many calls.
func pieces[Chunk any](list []*Chunk) Next[Chunk] {
	return func() (*Chunk, error) {
		if len(list) == 0 {
			return nil, io.EOF
		}
		c := *list[0]
		list = list[1:]
		return &c, nil
	}
}
