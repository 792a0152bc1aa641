package router

import (
	"context"
	"slices"

	"github.com/llm-go/llm"
)

// Prefill is the capability to go on with an answer of which the beginning is given as the last message. It is needed
// for [llm.MarkerContinue], and never assumed: a deployment must list it.
const Prefill Capability = "prefill"

// resumable lets a stream that breaks off go on elsewhere, if the call has consented.
func (t *trip) resumable(ctx context.Context, res *llm.Result, p *pick) *llm.Result {
	want, ok := t.call.Value(resumeKey{}).(llm.Marker)
	s, streamed := res.Stream.(*llm.Stream[llm.CompletionChunk])
	if !ok || !streamed {
		return res
	}
	at := *p
	out := t.call.Resume(ctx, s, func(ctx context.Context, failed *llm.Error) (*llm.Stream[llm.CompletionChunk], llm.Marker) {
		var err error = failed
		for {
			if v, e := judge(err); v == nothing || e == nil || !t.again(&at, err) {
				return nil, ""
			}
			next, e := t.find(ctx)
			if e != nil {
				return nil, ""
			}
			if !t.free && !t.rt.retries.take() {
				t.release(&next)
				return nil, ""
			}
			t.tries++
			marker := llm.MarkerRestart
			f := t.fork(&next)
			if want == llm.MarkerContinue && contains(next.d.Capabilities, Prefill) {
				if req, ok := continued(t.call.Request, failed.Partial); ok {
					f.Request, marker = req, llm.MarkerContinue
				}
			}
			t.rt.event(Event{Time: t.rt.clock.Now(), Kind: "resume", Group: next.group.name, Deployment: next.d.ID, Reason: string(marker)})
			res, e := t.send(ctx, &next, f)
			if e == nil {
				at = next
				s, ok := res.Stream.(*llm.Stream[llm.CompletionChunk])
				if !ok {
					return nil, ""
				}
				return s, marker
			}
			at, err = next, e
		}
	})
	return &llm.Result{Stream: out}
}

// continued is the request with what was said as the beginning of the answer. It cannot be made of more than text.
func continued(request any, partial *llm.CompletionResponse) (*llm.CompletionRequest, bool) {
	req, ok := request.(*llm.CompletionRequest)
	if !ok || partial == nil || len(partial.Choices) != 1 || req.N > 1 || req.ResponseFormat != nil {
		return nil, false
	}
	m := &partial.Choices[0].Message
	text := m.Content.Text()
	if text == "" || len(m.ToolCalls) > 0 || len(m.IncompleteToolCalls) > 0 || m.Audio != nil || len(m.Images) > 0 {
		return nil, false
	}
	next := *req
	next.Messages = append(slices.Clip(req.Messages), llm.Assistant(text))
	return &next, true
}
