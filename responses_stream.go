package llm

import (
	"io"
	"math"
)

// CollectResponses reads a stream of events to its end and returns the answer as one: that of the last event, with
// the items that came before it where the host leaves them out of that. On an error the answer so far is in the
// error's Partial, as a completion.
func CollectResponses(s *Stream[ResponsesChunk]) (*ResponsesResponse, error) {
	defer s.Close()
	f := responsesFolder{room: math.MaxInt}
	for {
		c, err := s.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		f.add(c)
	}
	r := f.response(nil)
	if r == nil {
		return nil, Truncated("the stream ended without a response")
	}
	r.Meta = *s.Meta()
	return r, nil
}

// ReplayResponses is the reverse of [CollectResponses]: an answer as events, for middleware such as caches.
func ReplayResponses(r *ResponsesResponse) *Stream[ResponsesChunk] {
	s := NewStream(replayResponses(r), nil)
	s.meta = &r.Meta
	return s
}

// failure is the error of an answer with status "failed", for providers whose Decode lets it pass.
func (r *ResponsesResponse) failure() *Error {
	e := StatusError(500)
	e.Status = 0
	if r.Error != nil {
		e.Code, e.Message = r.Error.Code, r.Error.Message
		if e.Code == "rate_limit_exceeded" {
			e.SetKind(ErrRateLimit)
		}
	}
	return e
}

// events makes the events of an answer, in order.
type events struct {
	queue []*ResponsesChunk
	given int // of the queue
	seq   int
}

func (q *events) push(c *ResponsesChunk) *ResponsesChunk {
	c.SequenceNumber = q.seq
	q.seq++
	q.queue = append(q.queue, c)
	return c
}

// pop is nil when there is none.
func (q *events) pop() *ResponsesChunk {
	if q.given == len(q.queue) {
		q.queue, q.given = q.queue[:0], 0
		return nil
	}
	c := q.queue[q.given]
	q.queue[q.given] = nil
	q.given++
	return c
}

// begin are the events before any output.
func (q *events) begin(r ResponsesResponse) {
	r.Status, r.Output, r.Usage, r.IncompleteReason = "in_progress", nil, nil, ""
	created, progress := r, r
	q.push(&ResponsesChunk{Type: eventCreated, Response: &created})
	q.push(&ResponsesChunk{Type: eventInProgress, Response: &progress})
}

// end is the last event.
func (q *events) end(r *ResponsesResponse) {
	typ := "response." + r.Status
	if r.Status == "" {
		typ = eventCompleted
	}
	q.push(&ResponsesChunk{Type: typ, Response: r})
}

// item are the events of a complete item.
func (q *events) item(index int, it *ResponsesItem) {
	shell := *it
	if namedItem(it.Type) {
		if shell.Status != "" {
			shell.Status = "in_progress"
		}
		shell.Content, shell.Summary, shell.Arguments, shell.Input = nil, nil, "", ""
	}
	q.push(&ResponsesChunk{Type: eventItemAdded, OutputIndex: index, Item: &shell})
	at := func(typ string) *ResponsesChunk {
		return &ResponsesChunk{Type: typ, OutputIndex: index, ItemID: it.ID}
	}
	switch it.Type {
	case "message", "reasoning":
		for i := range it.Content {
			q.part(it, i, at)
		}
		for i := range it.Summary {
			p := &it.Summary[i]
			for _, typ := range []string{eventSummaryPartAdded, eventSummaryDelta, eventSummaryDone, eventSummaryPartDone} {
				c := at(typ)
				c.SummaryIndex = i
				switch typ {
				case eventSummaryPartAdded:
					empty := *p
					empty.Text = ""
					c.Part = &empty
				case eventSummaryDelta:
					c.Delta = p.Text
				case eventSummaryDone:
					c.Text = p.Text
				default:
					c.Part = p
				}
				q.push(c)
			}
		}
	case "function_call":
		q.push(at(eventArgumentsDelta)).Delta = it.Arguments
		c := q.push(at(eventArgumentsDone))
		c.Arguments, c.Name = it.Arguments, it.Name
	case "custom_tool_call":
		q.push(at(eventInputDelta)).Delta = it.Input
		q.push(at(eventInputDone)).Input = it.Input
	}
	q.push(&ResponsesChunk{Type: eventItemDone, OutputIndex: index, Item: it})
}

// part are the events of a part of a message or of reasoning.
func (q *events) part(it *ResponsesItem, i int, at func(string) *ResponsesChunk) {
	p := &it.Content[i]
	push := func(typ string) *ResponsesChunk {
		c := q.push(at(typ))
		c.ContentIndex = i
		return c
	}
	empty := *p
	empty.Text, empty.Refusal, empty.Annotations, empty.Logprobs = "", "", nil, nil
	push(eventPartAdded).Part = &empty
	switch p.Type {
	case "output_text":
		c := push(eventTextDelta)
		c.Delta, c.Logprobs = p.Text, p.Logprobs
		for j := range p.Annotations {
			c := push(eventAnnotation)
			c.Annotation, c.AnnotationIndex = &p.Annotations[j], j
		}
		c = push(eventTextDone)
		c.Text, c.Logprobs = p.Text, p.Logprobs
	case "refusal":
		push(eventRefusalDelta).Delta = p.Refusal
		push(eventRefusalDone).Refusal = p.Refusal
	case "reasoning_text":
		push(eventReasoningDelta).Delta = p.Text
		push(eventReasoningDone).Text = p.Text
	}
	push(eventPartDone).Part = p
}

// replayResponses gives the events that the answer would have come in.
func replayResponses(r *ResponsesResponse) Next[ResponsesChunk] {
	var q events
	q.begin(*r)
	for i := range r.Output {
		q.item(i, &r.Output[i])
	}
	final := *r
	q.end(&final)
	return func() (*ResponsesChunk, error) {
		if c := q.pop(); c != nil {
			return c, nil
		}
		return nil, io.EOF
	}
}

// responsesWatcher sees what of a stream's events is content, and keeps the partial answer, as the completion that
// the events stand for.
type responsesWatcher struct {
	reader eventReader
	chunk  chunkBlock
	acc    Accumulator
	usage  *Usage
}

func newResponsesWatcher(*Call) watcher[ResponsesChunk] {
	w := &responsesWatcher{}
	w.acc.limit = maxPartial
	return w
}

func (w *responsesWatcher) see(c *ResponsesChunk) (content, keep bool) {
	if c.Response != nil && c.Response.Usage != nil {
		w.usage = c.Response.Usage
	}
	if terminal := c.Type == eventCompleted || c.Type == eventIncomplete; !terminal {
		w.chunk.CompletionChunk = CompletionChunk{}
		if w.reader.read(c, &w.chunk) && !w.acc.full {
			w.acc.Add(&w.chunk.CompletionChunk)
		}
	}
	return c.content(), true
}

func (w *responsesWatcher) last() *ResponsesChunk { return nil }

func (w *responsesWatcher) outcome() (*Usage, *CompletionResponse) {
	p := w.acc.partial()
	if p != nil && len(p.Choices) == 0 {
		p = nil
	}
	return w.usage, p
}

// content says whether the event is something that the reader waits for. States and empty shells are not: what
// fails after them can still be tried again unseen.
func (c *ResponsesChunk) content() bool {
	switch c.Type {
	case eventCreated, eventQueued, eventInProgress, eventPartAdded, eventSummaryPartAdded, "":
		return false
	case eventItemAdded:
		return c.Item != nil && c.Item.Type != "message" && c.Item.Type != "reasoning"
	case eventTextDelta, eventRefusalDelta, eventReasoningDelta, eventSummaryDelta, eventArgumentsDelta, eventInputDelta:
		return c.Delta != ""
	}
	// The progress of the provider's own tools, and what is not known; but not a ping.
	return len(c.Type) > len("response.") && c.Type[:len("response.")] == "response."
}
