package bedrock

import (
	"errors"
	"io"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
	"github.com/llm-go/llm/stream"
)

// streamCompletion reads the event stream of ConverseStream: messageStart; for each block contentBlockStart
// (tools and images only), contentBlockDelta and contentBlockStop; messageStop; metadata. The last one carries
// the usage and comes after messageStop, so the answer is complete when both have been read.
func streamCompletion(call *llm.Call, body io.Reader) llm.Next[llm.CompletionChunk] {
	s := &converse{frames: stream.NewAWS(body, call.MaxEventBytes()), model: call.Model, origin: familyOf(call.Model).origin, call: call}
	return s.next
}

type converse struct {
	frames *stream.AWS
	d      jsonx.Decoder
	late   jsonx.Decoder
	model  string
	origin string
	call   *llm.Call

	block   *streamBlock
	open    []*streamBlock // blocks that are interleaved with the current one; there is normally none
	calls   int
	thought int
	seen    progress
	native  history

	stopped, metered bool
}

// streamBlock is a block that is being streamed.
type streamBlock struct {
	index   int // on the wire
	kind    blockKind
	ordinal int // among the message's tool calls, or thinking blocks
	media   blob
	redact  []byte
	entry   int // in the history
}

type blockKind uint8

const (
	blockNew blockKind = iota
	blockText
	blockReasoning
	blockTool
	blockServer // the provider's own tools: calls and results
	blockImage
)

// chunk holds a chunk and its one choice in one piece of memory.
type chunk struct {
	llm.CompletionChunk
	choices [1]llm.ChunkChoice
}

func (s *converse) chunk() (*llm.CompletionChunk, *llm.ChunkChoice) {
	c := &chunk{}
	c.Object, c.Model, c.Choices = "chat.completion.chunk", s.model, c.choices[:1:1]
	return &c.CompletionChunk, &c.choices[0]
}

func (s *converse) next() (*llm.CompletionChunk, error) {
	for {
		if s.stopped && s.metered {
			s.call.WarnTrailing(s.frames.Buffered())
			return nil, io.EOF
		}
		m, err := s.frames.Next()
		if err != nil {
			return nil, s.broken(err)
		}
		switch m.Header(":message-type") {
		case "exception":
			f := fault{kind: m.Header(":exception-type")}
			kind := f.kind
			f.read(m.Payload)
			f.kind = kind
			return nil, f.error(0)
		case "error":
			f := fault{kind: m.Header(":error-code"), message: m.Header(":error-message")}
			return nil, f.error(0)
		}
		c, err := s.event(m.Header(":event-type"), m.Payload)
		if c != nil || err != nil {
			return c, err
		}
	}
}

// broken says what the end of the frames means.
func (s *converse) broken(err error) error {
	switch {
	case err == io.EOF, err == io.ErrUnexpectedEOF:
		if s.stopped {
			return llm.Truncated("the stream ended before its metadata event, which has the usage")
		}
		return llm.Truncated("the stream ended before its messageStop event")
	case errors.Is(err, stream.ErrChecksum), errors.Is(err, stream.ErrMalformed):
		return llm.Malformed("a frame of the event stream is damaged", err)
	}
	return err
}

func (s *converse) event(name string, payload []byte) (*llm.CompletionChunk, error) {
	s.d.Reset(payload)
	var c *llm.CompletionChunk
	switch name {
	case "contentBlockDelta":
		c = s.delta()
	case "contentBlockStart":
		c = s.start()
	case "contentBlockStop":
		c = s.stop()
	case "messageStart":
		c = s.begin()
	case "messageStop":
		c = s.finish()
	case "metadata":
		c = s.metadata()
	default:
		return nil, nil // an event of a later day
	}
	if err := s.d.End(); err != nil {
		return nil, llm.Malformed("an event of the stream is not the JSON that ConverseStream promises", err)
	}
	return c, nil
}

func (s *converse) begin() *llm.CompletionChunk {
	c, choice := s.chunk()
	for s.d.Object(); s.d.More(); {
		if string(s.d.Key()) == "role" {
			choice.Delta.Role = llm.Role(s.d.Str())
		} else {
			s.d.Skip()
		}
	}
	return c
}

// at finds or begins the block with an index of the wire.
func (s *converse) at(index int) *streamBlock {
	if s.block != nil && s.block.index == index {
		return s.block
	}
	for _, b := range s.open {
		if b.index == index {
			s.block = b
			return b
		}
	}
	s.block = &streamBlock{index: index, entry: -1}
	s.open = append(s.open, s.block)
	return s.block
}

func (s *converse) start() *llm.CompletionChunk {
	var (
		index          int
		kind           blockKind
		id, name, typ  string
		status, format string
	)
	d := &s.d
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "contentBlockIndex":
			index = d.Int()
		case "start":
			for d.Object(); d.More(); {
				switch string(d.Key()) {
				case "toolUse":
					kind = blockTool
				case "toolResult":
					kind = blockServer
				case "image":
					kind = blockImage
				default:
					d.Skip()
					continue
				}
				for d.Object(); d.More(); {
					switch string(d.Key()) {
					case "toolUseId":
						id = d.Str()
					case "name":
						name = d.Str()
					case "type":
						typ = d.Str()
					case "status":
						status = d.Str()
					case "format":
						format = d.Str()
					default:
						d.Skip()
					}
				}
			}
		default:
			d.Skip()
		}
	}
	b := s.at(index)
	if kind == blockTool && typ != "" {
		kind = blockServer
	}
	b.kind, b.media.format = kind, format
	switch kind {
	case blockTool:
		s.seen.at(stageTools)
		b.ordinal = s.calls
		s.calls++
		b.entry = s.native.add(entry{kind: blockTool, id: id, name: name})
		c, choice := s.chunk()
		choice.Delta.ToolCalls = []llm.ToolCall{{Index: b.ordinal, ID: id, Type: "function", Function: llm.FunctionCall{Name: name}}}
		return c
	case blockServer:
		s.seen.lossy = true
		b.entry = s.native.add(entry{kind: blockServer, id: id, name: name, typ: typ, status: status})
	}
	return nil
}

func (s *converse) delta() *llm.CompletionChunk {
	d := &s.d
	var c *llm.CompletionChunk
	index, seen := 0, false
	var late []byte // a delta that came before its index
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "contentBlockIndex":
			index, seen = d.Int(), true
		case "delta":
			if seen {
				c = s.deltaOf(d, index)
			} else {
				late = d.Raw()
			}
		default:
			d.Skip() // "p" is padding
		}
	}
	if late != nil && d.Err() == nil {
		s.late.Reset(late)
		c = s.deltaOf(&s.late, index)
		d.Fail(s.late.End())
	}
	return c
}

func (s *converse) deltaOf(d *jsonx.Decoder, index int) *llm.CompletionChunk {
	b := s.at(index)
	var c *llm.CompletionChunk
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "text":
			c = s.text(b, d)
		case "reasoningContent":
			c = s.reasoning(b, d)
		case "toolUse":
			c = s.toolInput(b, d)
		case "citation":
			c = s.citation(b, d)
		case "image":
			b.kind = blockImage
			for d.Object(); d.More(); {
				if string(d.Key()) == "source" {
					b.media.source(d)
				} else {
					d.Skip()
				}
			}
		case "toolResult":
			for d.Array(); d.More(); {
				s.native.item(b.entry, d.Raw())
			}
		default:
			s.native.lost = true // a kind of block that cannot be rebuilt from its deltas
			s.seen.lossy = true
			d.Skip()
		}
	}
	return c
}

func (s *converse) text(b *streamBlock, d *jsonx.Decoder) *llm.CompletionChunk {
	if b.kind == blockNew {
		b.kind = blockText
		s.seen.at(stageText)
		b.entry = s.native.add(entry{kind: blockText})
	}
	c, choice := s.chunk()
	choice.Delta.Content = d.Str()
	s.native.text(b.entry, choice.Delta.Content)
	return c
}

func (s *converse) citation(b *streamBlock, d *jsonx.Decoder) *llm.CompletionChunk {
	if b.kind == blockNew {
		b.kind = blockText
		s.seen.at(stageText)
		b.entry = s.native.add(entry{kind: blockText})
	}
	c, choice := s.chunk()
	raw := d.Raw()
	s.native.item(b.entry, raw)
	in := jsonx.NewDecoder(raw)
	choice.Delta.Annotations = []llm.Annotation{decodeCitation(in)}
	d.Fail(in.Err())
	return c
}

func (s *converse) reasoning(b *streamBlock, d *jsonx.Decoder) *llm.CompletionChunk {
	if b.kind == blockNew {
		b.kind = blockReasoning
		s.seen.at(stageReasoning)
		b.ordinal = s.thought
		s.thought++
		b.entry = s.native.add(entry{kind: blockReasoning})
	}
	c, choice := s.chunk()
	t := llm.ThinkingBlock{Type: "thinking", Index: b.ordinal, Origin: s.origin}
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "text":
			t.Thinking = d.Str()
			s.native.text(b.entry, t.Thinking)
		case "signature":
			t.Signature = d.Str()
			s.native.sign(b.entry, t.Signature)
		case "redactedContent":
			// Each fragment is base64 by itself: the block is given when it is whole.
			b.redact = joinBase64(b.redact, d.StrBytes())
		default:
			d.Skip()
		}
	}
	if b.redact != nil {
		return nil
	}
	choice.Delta.ReasoningContent = t.Thinking
	choice.Delta.ThinkingBlocks = []llm.ThinkingBlock{t}
	return c
}

func (s *converse) toolInput(b *streamBlock, d *jsonx.Decoder) *llm.CompletionChunk {
	input := ""
	for d.Object(); d.More(); {
		if string(d.Key()) == "input" {
			input = d.Str()
		} else {
			d.Skip()
		}
	}
	s.native.text(b.entry, input)
	if b.kind != blockTool || input == "" {
		return nil
	}
	c := &struct {
		chunk
		call [1]llm.ToolCall
	}{}
	c.Object, c.Model, c.Choices = "chat.completion.chunk", s.model, c.choices[:1:1]
	c.call[0] = llm.ToolCall{Index: b.ordinal, Function: llm.FunctionCall{Arguments: input}}
	c.choices[0].Delta.ToolCalls = c.call[:1:1]
	return &c.CompletionChunk
}

func (s *converse) stop() *llm.CompletionChunk {
	index := 0
	for s.d.Object(); s.d.More(); {
		if string(s.d.Key()) == "contentBlockIndex" {
			index = s.d.Int()
		} else {
			s.d.Skip()
		}
	}
	b := s.at(index)
	for i, o := range s.open {
		if o == b {
			s.open = append(s.open[:i], s.open[i+1:]...)
			break
		}
	}
	s.block = nil
	switch {
	case b.redact != nil:
		c, choice := s.chunk()
		data := string(b.redact)
		s.native.redact(b.entry, data)
		choice.Delta.ThinkingBlocks = []llm.ThinkingBlock{{Type: "redacted_thinking", Index: b.ordinal, Data: data, Origin: dialect}}
		return c
	case b.kind == blockImage:
		c, choice := s.chunk()
		choice.Delta.Images = []llm.Part{b.media.image()}
		return c
	}
	return nil
}

func (s *converse) finish() *llm.CompletionChunk {
	s.stopped = true
	c, choice := s.chunk()
	for s.d.Object(); s.d.More(); {
		switch string(s.d.Key()) {
		case "stopReason":
			choice.NativeFinishReason = s.d.Str()
		case "additionalModelResponseFields":
			choice.StopSequence = keepAdditional(&c.Extra, &s.d)
		default:
			s.d.Skip()
		}
	}
	choice.FinishReason = finishReason(choice.NativeFinishReason)
	if s.seen.lossy {
		if content := s.native.content(); content != nil {
			choice.Delta.Native = &llm.NativeContent{Origin: dialect, Content: content}
		} else {
			s.call.Warn(llm.Warning{Code: "stream", Message: "the answer's blocks are interleaved in a way that the message cannot hold; sent back, it loses their order"})
		}
	}
	return c
}

func (s *converse) metadata() *llm.CompletionChunk {
	s.metered = true
	c := &llm.CompletionChunk{Object: "chat.completion.chunk", Model: s.model}
	for s.d.Object(); s.d.More(); {
		switch string(s.d.Key()) {
		case "usage":
			c.Usage = decodeUsage(&s.d)
		case "serviceTier":
			c.ServiceTier = decodeTier(&s.d)
		case "p":
			s.d.Skip()
		default:
			keep(&c.Extra, &s.d)
		}
	}
	return c
}
