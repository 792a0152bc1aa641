package replicate

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
	"github.com/llm-go/llm/stream"
)

// streamCompletion creates a prediction and reads its urls.stream: server-sent events output (plain text), error,
// done, and logs, which are passed over. After done the prediction is asked for once more: how it ended, and what
// it used, is only there.
func streamCompletion(ctx context.Context, call *llm.Call, req *llm.CompletionRequest, send llm.Send) (llm.Next[llm.CompletionChunk], error) {
	input, err := completionInput(call, req)
	if err != nil {
		return nil, err
	}
	j := &job{call: call, send: send}
	p, err := j.create(ctx, input, req.Extra)
	if err != nil {
		return nil, err
	}
	s := &output{ctx: ctx, job: j, last: p, model: p.modelName(call)}
	if p.stream == "" || p.over() {
		return s.whole, nil
	}
	r, err := s.request(p.stream)
	if err != nil {
		return nil, err
	}
	answer, err := send(ctx, r)
	if err != nil {
		return nil, err
	}
	call.OnEnd(func() { answer.Body.Close() })
	s.events = stream.NewSSE(answer.Body, call.MaxEventBytes())
	return s.next, nil
}

// output is a prediction's output as it is made.
type output struct {
	ctx    context.Context
	job    *job
	last   *prediction // as last seen
	model  string
	events *stream.SSE
	begun  bool
	ended  bool
}

type chunk struct {
	llm.CompletionChunk
	choices [1]llm.ChunkChoice
}

func (s *output) chunk() (*llm.CompletionChunk, *llm.ChunkChoice) {
	c := &chunk{}
	c.ID, c.Object, c.Created, c.Model, c.Choices = s.last.id, "chat.completion.chunk", s.last.created, s.model, c.choices[:1:1]
	if !s.begun {
		s.begun = true
		c.choices[0].Delta.Role = llm.RoleAssistant
	}
	return &c.CompletionChunk, &c.choices[0]
}

// request asks for a stream. Its URL comes from the answer: where it is not on a host that the provider names,
// the engine sends it without the key.
func (s *output) request(target string) (*http.Request, error) {
	u, err := url.Parse(target)
	base, _ := url.Parse(s.job.call.BaseURL)
	if err != nil || u.Host == "" || u.Scheme != "https" && (base == nil || u.Scheme != base.Scheme || u.Host != base.Host) {
		return nil, llm.Malformed("the prediction's stream URL is not an https URL", nil)
	}
	r, err := llm.NewRequest(http.MethodGet, target, "", nil)
	if err == nil {
		r.Header.Set("Accept", "text/event-stream")
		r.Header.Set("Cache-Control", "no-store")
	}
	return r, err
}

func (s *output) next() (*llm.CompletionChunk, error) {
	if s.ended {
		return nil, io.EOF
	}
	for {
		e, err := s.events.Next()
		switch {
		case err == io.EOF:
			return nil, llm.Truncated("the stream ended before its done event")
		case err != nil:
			return nil, err
		case e.Unterminated:
			return nil, llm.Truncated("the stream ended inside an event")
		}
		switch string(e.Name) {
		case "output":
			if len(e.Data) == 0 {
				continue
			}
			c, choice := s.chunk()
			choice.Delta.Content = string(e.Data)
			return c, nil
		case "error":
			return nil, streamError(e.Data)
		case "done":
			s.job.call.WarnTrailing(s.events.Buffered())
			return s.done(e.Data)
		}
	}
}

// done reads the last event: {} or {"reason": "canceled"} or {"reason": "error"}.
func (s *output) done(data []byte) (*llm.CompletionChunk, error) {
	reason := ""
	if len(data) > 0 {
		var d jsonx.Decoder
		d.Reset(data)
		for d.Object(); d.More(); {
			if string(d.Key()) == "reason" {
				reason = d.Str()
			} else {
				d.Skip()
			}
		}
		if err := d.End(); err != nil {
			return nil, llm.Malformed("the done event is not JSON", err)
		}
	}
	switch reason {
	case "canceled", "aborted":
		s.job.ended = true
		return nil, ended(reason, "")
	case "error":
		s.job.ended = true
		return nil, ended("failed", "")
	}
	// The answer is complete; a failure to read what it used must not undo it.
	p, err := s.job.get(s.ctx)
	if err == nil {
		p, err = s.job.wait(s.ctx, p)
		if err != nil && p != nil {
			return nil, err // it failed after all
		}
	}
	if err != nil {
		if s.ctx.Err() != nil {
			return nil, context.Cause(s.ctx)
		}
		s.job.ended = true
		s.job.call.Warn(llm.Warning{Code: "stream", Message: "the answer is complete, but what it used could not be read"})
		p = nil
	}
	return s.finish(p), nil
}

func (s *output) finish(p *prediction) *llm.CompletionChunk {
	s.ended = true
	c, choice := s.chunk()
	choice.FinishReason, choice.NativeFinishReason = llm.FinishStop, "succeeded"
	if p != nil {
		c.Usage, c.Extra = p.usage(), p.extra
		choice.NativeFinishReason = p.status
	}
	return c
}

// whole serves a prediction that has no stream: its output comes at once, at its end.
func (s *output) whole() (*llm.CompletionChunk, error) {
	if s.ended {
		return nil, io.EOF
	}
	p, err := s.job.wait(s.ctx, s.last)
	if err != nil {
		return nil, err
	}
	s.job.call.Warn(llm.Warning{Code: "stream", Message: "this model has no stream; the whole answer came at once"})
	text, err := p.text()
	if err != nil {
		return nil, err
	}
	c := s.finish(p)
	c.Choices[0].Delta.Content = text
	return c, nil
}
