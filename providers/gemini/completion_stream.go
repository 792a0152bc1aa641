package gemini

import (
	"bytes"
	"errors"
	"io"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/stream"
)

// completionStream reads streamGenerateContent: each event is a GenerateContentResponse that adds to the one before.
//
// There is no closing event. The answer is complete once every candidate has a finishReason; the piece with the last of
// them is the end if it has the token counts too, as those of the service do, and nothing is waited for after it. A
// finishReason without counts may be early, since some relays put one on every piece: then it is held back, and the
// answer goes on until the body ends.
type completionStream struct {
	answer
	events *stream.SSE
	stray  stray
	wanted int // candidates asked for
	begun  []bool
	done   bool
}

func streamCompletion(call *llm.Call, body io.Reader) llm.Next[llm.CompletionChunk] {
	s := &completionStream{wanted: 1}
	s.call, s.streamed = call, true
	if req, ok := call.Request.(*llm.CompletionRequest); ok {
		s.wanted = max(req.N, 1)
		s.multi = req.N > 1 || req.Extra["generationConfig"] != nil // which may ask for more than one
	}
	s.stray = stray{r: body, lineStart: true}
	s.events = stream.NewSSE(&s.stray, call.MaxEventBytes())
	return s.next
}

func (s *completionStream) next() (*llm.CompletionChunk, error) {
	for !s.done {
		event, err := s.events.Next()
		if err != nil {
			return s.end(err)
		}
		if len(event.Data) == 0 || string(event.Data) == "[DONE]" {
			continue
		}
		if err := s.read(event.Data); err != nil {
			if event.Unterminated && errors.Is(err, io.ErrUnexpectedEOF) {
				return nil, llm.Truncated("the stream ended in the middle of an event")
			}
			return nil, err
		}
		if s.block != nil && len(s.turns) == 0 {
			return nil, s.block
		}
		if s.complete() {
			s.call.WarnTrailing(s.events.Buffered())
			return s.last()
		}
		if c := s.chunk(); c != nil {
			return c, nil
		}
	}
	return nil, io.EOF
}

// finished says whether every candidate that was seen has a finishReason.
func (s *completionStream) finished() bool {
	for i := range s.turns {
		if s.turns[i].finish == "" {
			return false
		}
	}
	return len(s.turns) > 0
}

// complete says whether the piece just read was the last.
func (s *completionStream) complete() bool {
	if !s.hasUsage || len(s.turns) < s.wanted || !s.finished() {
		return false
	}
	return bytes.Contains(s.rawUsage, []byte(`"totalTokenCount"`))
}

// end is the end of the body, or a failure to read it.
func (s *completionStream) end(err error) (*llm.CompletionChunk, error) {
	if err != io.EOF {
		return nil, err
	}
	if s.finished() && len(s.turns) >= s.wanted && s.credible() {
		for i := range s.turns {
			s.turns[i].reset()
		}
		return s.last()
	}
	if s.block != nil {
		return nil, s.block
	}
	if e := s.stray.err(s); e != nil {
		return nil, e
	}
	return nil, llm.Truncated("the stream ended before the answer did: no finishReason came")
}

// credible says whether a finishReason without token counts may be the end: not a STOP before anything was said.
func (s *completionStream) credible() bool {
	for i := range s.turns {
		if t := &s.turns[i]; !t.said && t.finish == "STOP" {
			return false
		}
	}
	return true
}

// block is a chunk and its one choice, allocated together.
type block struct {
	c  llm.CompletionChunk
	ch [1]llm.ChunkChoice
}

func (s *completionStream) head(c *llm.CompletionChunk) {
	c.ID, c.Object, c.Created, c.Model = s.id, "chat.completion.chunk", s.created, s.model
	if c.Model == "" {
		c.Model = s.call.Model
	}
}

// chunk is what the piece just read adds; nil if that is nothing.
func (s *completionStream) chunk() *llm.CompletionChunk {
	if len(s.turns) == 1 {
		if !s.turns[0].any() {
			return nil
		}
		b := &block{}
		s.head(&b.c)
		b.c.Choices = b.ch[:1:1]
		s.delta(0, &b.ch[0])
		return &b.c
	}
	c := &llm.CompletionChunk{}
	for i := range s.turns {
		if s.turns[i].any() {
			c.Choices = append(c.Choices, llm.ChunkChoice{})
			s.delta(i, &c.Choices[len(c.Choices)-1])
		}
	}
	if len(c.Choices) == 0 {
		return nil
	}
	s.head(c)
	return c
}

func (s *completionStream) delta(i int, ch *llm.ChunkChoice) {
	t := &s.turns[i]
	ch.Index = t.index
	d := &ch.Delta
	if len(s.begun) <= i {
		s.begun = append(s.begun, make([]bool, i+1-len(s.begun))...)
	}
	if !s.begun[i] {
		s.begun[i] = true
		d.Role = llm.RoleAssistant
	}
	d.Content, d.ReasoningContent = t.text, t.thought
	d.ThinkingBlocks, d.ToolCalls = t.thoughts, t.toolCalls
	d.Images, d.Audio, d.Annotations = t.images, t.audio, t.annotations
	ch.Logprobs = t.logprobs
}

// last is the chunk that ends the answer: with why it ended, the counts, and what was held back.
func (s *completionStream) last() (*llm.CompletionChunk, error) {
	if len(s.turns) == 1 {
		if err := s.turns[0].failure(); err != nil {
			return nil, err
		}
	}
	s.done = true
	c := &llm.CompletionChunk{Extra: s.extra, Choices: make([]llm.ChunkChoice, len(s.turns))}
	s.head(c)
	for i := range s.turns {
		t, ch := &s.turns[i], &c.Choices[i]
		t.abandonCall()
		s.delta(i, ch)
		ch.Delta.Native = t.nativeContent()
		ch.FinishReason, ch.NativeFinishReason = finishReason(t.finish), t.finish
		ch.Extra = t.extra
		if t.need && t.full {
			s.call.Warn(llm.Warning{Code: "stream", Message: "the answer is too long to keep its parts; Native is not set"})
		}
	}
	c.Usage, c.ServiceTier = s.usage()
	return c, nil
}

// stray passes a body on and catches what is not an event: the service, and what stands in front of it, answer some
// failures in the middle of a stream with a bare JSON object.
type stray struct {
	r         io.Reader
	buf       []byte
	lineStart bool
	caught    bool
}

const maxStray = 64 << 10

func (c *stray) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if n > 0 {
		c.look(p[:n])
	}
	return n, err
}

func (c *stray) look(p []byte) {
	if !c.caught {
		i := -1
		if c.lineStart && (p[0] == '{' || p[0] == '[') {
			i = 0
		} else if i = bytes.Index(p, []byte("\n{")); i >= 0 {
			i++
		} else if i = bytes.Index(p, []byte("\n[")); i >= 0 {
			i++
		}
		c.lineStart = p[len(p)-1] == '\n'
		if i < 0 {
			return
		}
		c.caught = true
		p = p[i:]
	}
	c.buf = append(c.buf, p[:min(len(p), maxStray-len(c.buf))]...)
}

// err is the error that was caught, nil if there was none or it is not complete.
func (c *stray) err(s *completionStream) error {
	if !c.caught {
		return nil
	}
	var e *llm.Error
	if err := s.read(bytes.TrimSpace(c.buf)); errors.As(err, &e) && (e.Status != 0 || e.Type != "") {
		return err
	}
	return nil
}
