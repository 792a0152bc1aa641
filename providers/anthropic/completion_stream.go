package anthropic

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"unicode/utf8"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
	"github.com/llm-go/llm/stream"
)

// Events gives the JSON of one event after the other, valid until the next call, and io.EOF after the last.
// unterminated says that the input ended within or right after the event, which may then be cut.
type Events func() (data []byte, unterminated bool, err error)

// streamSSE reads the answer from server-sent events.
func streamSSE(call *llm.Call, body io.Reader) llm.Next[llm.CompletionChunk] {
	r := stream.NewSSE(body, call.MaxEventBytes())
	next := Stream(func() ([]byte, bool, error) {
		e, err := r.Next()
		return e.Data, e.Unterminated, err
	})
	return func() (*llm.CompletionChunk, error) {
		c, err := next()
		if err == io.EOF {
			call.WarnTrailing(r.Buffered())
		}
		return c, err
	}
}

// Stream reads the events of a streamed answer. It ends with message_stop.
func Stream(events Events) llm.Next[llm.CompletionChunk] {
	s := &streamer{events: events, index: -1}
	return s.next
}

// streamer is a stream being read.
type streamer struct {
	events Events
	d      jsonx.Decoder
	ev     event
	queue  []*llm.CompletionChunk
	done   bool

	id, model, tier string
	started         bool
	stopReason      string
	stopSequence    string
	stopDetails     []byte
	extra           llm.Extra
	usage           usage
	hasUsage        bool

	// The block that is open.
	index     int
	kind      string
	given     bool   // something of it was sent on
	spoken    bool   // some of its thinking was sent on
	input     string // a call's arguments, if its start has them
	citations []llm.Annotation
	from      int // its text's first character in the answer

	calls, thoughts int
	reasoned        bool
	runes           int // of the answer's text
	order           order
	kept            record
}

// textChunk is a chunk with its one choice, in one allocation; the others have room for what they carry too.
type textChunk struct {
	c  llm.CompletionChunk
	ch [1]llm.ChunkChoice
}

type callChunk struct {
	textChunk
	calls [1]llm.ToolCall
}

type thoughtChunk struct {
	textChunk
	blocks [1]llm.ThinkingBlock
}

func (s *streamer) init(t *textChunk) (*llm.CompletionChunk, *llm.Delta) {
	t.c.ID, t.c.Model, t.c.ServiceTier = s.id, s.model, s.tier
	t.c.Choices = t.ch[:1:1]
	return &t.c, &t.ch[0].Delta
}

func (s *streamer) next() (*llm.CompletionChunk, error) {
	for {
		if len(s.queue) > 0 {
			c := s.queue[0]
			s.queue = s.queue[1:]
			return c, nil
		}
		if s.done {
			return nil, io.EOF
		}
		data, unterminated, err := s.events()
		if err != nil {
			if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil, llm.Truncated("the stream ended before message_stop")
			}
			return nil, err
		}
		if len(data) == 0 || string(data) == "[DONE]" { // hosts that end streams as OpenAI does
			continue
		}
		c, err := s.event(data)
		if err != nil {
			var e *llm.Error
			switch {
			case errors.As(err, &e):
				return nil, err
			case unterminated:
				return nil, llm.Truncated("the stream ended within an event")
			}
			return nil, llm.Malformed("an event of the stream is not what the API promises", err)
		}
		if c != nil {
			return c, nil
		}
	}
}

// event is what an event has, read in one pass whatever the order of its members. What aliases the event's text
// is valid until the next.
type event struct {
	typ   eventType
	index int
	block []byte
	// Of delta.
	delta        deltaType
	text         string // of text, thinking, partial_json and signature
	citation     []byte
	stopReason   string
	stopSequence string
	stopDetails  []byte
	others       []member
	// Of message_start and message_delta.
	message []byte
	extra   llm.Extra
	failure *apiError
}

type eventType uint8

const (
	otherEvent eventType = iota // unknown ones are ignored, as Anthropic's versioning policy asks
	messageStart
	blockStart
	blockDelta
	blockStop
	messageDelta
	messageStop
	errorEvent
)

type deltaType uint8

const (
	otherDelta deltaType = iota
	textDelta
	inputDelta
	thinkingDelta
	signatureDelta
	citationsDelta
)

func eventTypeOf(b []byte) eventType {
	switch string(b) {
	case "content_block_delta":
		return blockDelta
	case "content_block_start":
		return blockStart
	case "content_block_stop":
		return blockStop
	case "message_start":
		return messageStart
	case "message_delta":
		return messageDelta
	case "message_stop":
		return messageStop
	case "error":
		return errorEvent
	}
	return otherEvent
}

func deltaTypeOf(b []byte) deltaType {
	switch string(b) {
	case "text_delta":
		return textDelta
	case "input_json_delta":
		return inputDelta
	case "thinking_delta":
		return thinkingDelta
	case "signature_delta":
		return signatureDelta
	case "citations_delta":
		return citationsDelta
	}
	return otherDelta
}

// event reads one event and returns the chunk that it makes, nil for none. Further chunks are in the queue.
func (s *streamer) event(data []byte) (*llm.CompletionChunk, error) {
	d, ev := &s.d, &s.ev
	d.Reset(data)
	*ev = event{index: -1, others: ev.others[:0]}
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "type":
			ev.typ = eventTypeOf(d.StrBytes())
		case "index":
			ev.index = d.Int()
		case "delta":
			ev.readDelta(d)
		case "content_block":
			ev.block = d.Raw()
		case "message":
			ev.message = d.Raw()
		case "usage":
			s.hasUsage = s.hasUsage || d.Kind() == jsonx.Object
			s.usage.decode(d)
		case "error":
			ev.failure = new(apiError)
			ev.failure.decode(d)
		case "request_id":
			d.Skip()
		default:
			keep(&ev.extra, d)
		}
	}
	if err := d.End(); err != nil {
		return nil, err
	}
	switch ev.typ {
	case blockDelta:
		return s.blockDelta()
	case blockStart:
		var b block
		bd := jsonx.NewDecoder(ev.block)
		b.decode(bd)
		if err := bd.End(); err != nil {
			return nil, err
		}
		b.raw = ev.block
		return s.open(&b, ev.index)
	case blockStop:
		if ev.index >= 0 && ev.index != s.index {
			return nil, nil
		}
		return s.close(), nil
	case messageStart:
		return s.start()
	case messageDelta:
		s.finish()
		return nil, nil
	case messageStop:
		return s.stop()
	case errorEvent:
		if ev.failure == nil {
			ev.failure = new(apiError)
		}
		return nil, ev.failure.error(http.StatusOK)
	}
	if ev.failure != nil { // an error that does not say that it is one
		return nil, ev.failure.error(http.StatusOK)
	}
	return nil, nil
}

func (ev *event) readDelta(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "type":
			ev.delta = deltaTypeOf(d.StrBytes())
		case "text", "thinking", "partial_json", "signature":
			ev.text = d.Str()
		case "citation":
			ev.citation = d.Raw()
		case "stop_reason":
			ev.stopReason = internStopReason(d.StrBytes())
		case "stop_sequence":
			ev.stopSequence = d.Str()
		case "stop_details":
			ev.stopDetails = rawUnlessNull(d)
		default:
			ev.others = append(ev.others, member{string(d.Key()), d.Raw()})
		}
	}
}

// start reads message_start. Some answers bring their first blocks with it.
func (s *streamer) start() (*llm.CompletionChunk, error) {
	if s.started || s.ev.message == nil {
		return nil, nil // hosts have been seen to send it twice
	}
	s.started = true
	m := message{usage: s.usage}
	var failed error
	c, delta := s.init(new(textChunk))
	d := jsonx.NewDecoder(s.ev.message)
	begun := false
	m.decode(d, s.ev.message, func(b *block) {
		if b == nil {
			if begun {
				d.Fail(errTwice)
			}
			begun = true
			return
		}
		first, err := s.open(b, -1)
		s.push(first)
		s.push(s.close())
		if failed == nil {
			failed = err
		}
	})
	if err := d.End(); err != nil {
		return nil, err
	}
	if m.failure != nil {
		return nil, m.failure.error(http.StatusOK)
	}
	if failed != nil {
		return nil, failed
	}
	s.usage = m.usage
	s.id, s.model, s.tier = m.id, m.model, m.usage.tier
	s.stopReason, s.stopSequence = m.stopReason, m.stopSequence
	for _, c := range append(s.queue, c) {
		c.ID, c.Model, c.ServiceTier = s.id, s.model, s.tier
	}
	delta.Role = llm.RoleAssistant
	c.Extra = m.extra
	if s.hasUsage = s.hasUsage || m.hasUsage; m.hasUsage {
		c.Usage = s.usage.record(new(usageRecord))
	}
	return c, nil
}

func (s *streamer) push(c *llm.CompletionChunk) {
	if c != nil {
		s.queue = append(s.queue, c)
	}
}

// open begins a block.
func (s *streamer) open(b *block, index int) (*llm.CompletionChunk, error) {
	s.push(s.close()) // if its end was lost
	s.index, s.kind, s.given, s.input = index, b.typ, false, ""
	s.kept.open(b)
	switch b.typ {
	case "text":
		s.order.see(stageText)
		s.order.native = s.order.native || b.hasMore()
		s.from = s.runes
		if b.citations != nil {
			d := jsonx.NewDecoder(b.citations)
			for d.Array(); d.More(); {
				s.citations = append(s.citations, decodeCitation(d))
			}
			if err := d.End(); err != nil {
				return nil, err
			}
		}
		return s.text(b.text), nil
	case "thinking", "redacted_thinking":
		s.order.see(stageThinking)
		s.thoughts++
		if b.text == "" && b.signature == "" && b.data == "" {
			return nil, nil
		}
		return s.thought(b), nil
	case "tool_use":
		s.order.see(stageCalls)
		if len(b.input) > 0 && string(b.input) != "{}" {
			s.input = string(b.input)
		}
		t := new(callChunk)
		t.calls[0] = b.toolCall(s.calls)
		s.calls++
		c, delta := s.init(&t.textChunk)
		delta.ToolCalls = t.calls[:1:1]
		return c, nil
	default: // a block that the portable form has no place for
		s.order.native = true
	}
	return nil, nil
}

var errTwice = errors.New("the message has its content twice")

var errOrder = errors.New("a delta belongs to no open block")

func (s *streamer) blockDelta() (*llm.CompletionChunk, error) {
	ev := &s.ev
	if s.kind == "" || ev.index >= 0 && ev.index != s.index {
		return nil, errOrder
	}
	switch ev.delta {
	case textDelta:
		if s.kind == "text" {
			s.kept.append(ev.text)
			return s.text(ev.text), nil
		}
	case inputDelta:
		s.kept.append(ev.text)
		if s.kind != "tool_use" || ev.text == "" {
			return nil, nil
		}
		s.given = true
		t := new(callChunk)
		t.calls[0] = llm.ToolCall{Index: s.calls - 1, Function: llm.FunctionCall{Arguments: ev.text}}
		c, delta := s.init(&t.textChunk)
		delta.ToolCalls = t.calls[:1:1]
		return c, nil
	case thinkingDelta:
		if s.kind == "thinking" {
			s.kept.append(ev.text)
			if ev.text == "" {
				return nil, nil
			}
			return s.thought(&block{typ: s.kind, text: ev.text}), nil
		}
	case signatureDelta:
		if s.kind == "thinking" {
			s.kept.sign(ev.text)
			return s.thought(&block{typ: s.kind, signature: ev.text}), nil
		}
	case citationsDelta:
		if s.kind == "text" {
			s.order.native = true
			d := jsonx.NewDecoder(ev.citation)
			s.citations = append(s.citations, decodeCitation(d))
			s.kept.cite(ev.citation)
			return nil, d.End()
		}
	default:
		s.kept.change(ev.others)
		return nil, nil
	}
	return nil, errOrder
}

func (s *streamer) text(text string) *llm.CompletionChunk {
	if text == "" {
		return nil
	}
	s.runes += utf8.RuneCountInString(text)
	c, delta := s.init(new(textChunk))
	delta.Content = text
	return c
}

// thought makes a fragment of the thinking block that is open.
func (s *streamer) thought(b *block) *llm.CompletionChunk {
	t := new(thoughtChunk)
	t.blocks[0] = b.thinkingBlock(s.thoughts - 1)
	c, delta := s.init(&t.textChunk)
	delta.ThinkingBlocks = t.blocks[:1:1]
	if delta.ReasoningContent = b.text; b.text != "" {
		if s.reasoned && !s.spoken {
			delta.ReasoningContent = reasoningGap + b.text
		}
		s.reasoned, s.spoken = true, true
	}
	s.given = true
	return c
}

// close ends the block that is open, if one is.
func (s *streamer) close() *llm.CompletionChunk {
	kind := s.kind
	s.index, s.kind, s.spoken = -1, "", false
	if kind == "" {
		return nil
	}
	s.kept.close()
	switch {
	case len(s.citations) > 0:
		s.order.native = true
		span(s.citations, s.from, s.runes)
		c, delta := s.init(new(textChunk))
		delta.Annotations, s.citations = s.citations, nil
		return c
	case kind == "thinking" && !s.given:
		return s.thought(&block{typ: kind})
	case kind == "tool_use" && !s.given && s.input != "":
		t := new(callChunk)
		t.calls[0] = llm.ToolCall{Index: s.calls - 1, Function: llm.FunctionCall{Arguments: s.input}}
		c, delta := s.init(&t.textChunk)
		delta.ToolCalls = t.calls[:1:1]
		return c
	}
	return nil
}

// finish reads message_delta, of which there may be several: what it says is sent with the last chunk.
func (s *streamer) finish() {
	ev := &s.ev
	if ev.stopReason != "" {
		s.stopReason, s.stopSequence = ev.stopReason, ev.stopSequence
	}
	if ev.stopDetails != nil {
		s.stopDetails = bytes.Clone(ev.stopDetails)
	}
	for _, m := range ev.others {
		if string(m.raw) != "null" {
			s.setExtra(m.key, bytes.Clone(m.raw))
		}
	}
	for k, v := range ev.extra {
		s.setExtra(k, v)
	}
}

func (s *streamer) setExtra(key string, v any) {
	if raw, ok := v.([]byte); ok {
		v = json.RawMessage(raw)
	}
	if s.extra == nil {
		s.extra = make(llm.Extra, 2)
	}
	s.extra[key] = v
}

// stop reads message_stop and makes the last chunk.
func (s *streamer) stop() (*llm.CompletionChunk, error) {
	if !s.started {
		return nil, errors.New("message_stop came without a message")
	}
	s.push(s.close())
	s.done = true
	t := new(textChunk)
	c, delta := s.init(t)
	ch := &t.ch[0]
	ch.FinishReason, ch.NativeFinishReason, ch.StopSequence = finishReason(s.stopReason), s.stopReason, s.stopSequence
	ch.Extra, delta.Refusal = refusal(s.stopReason, s.stopDetails)
	c.Extra = s.extra
	if s.hasUsage {
		c.Usage = s.usage.record(new(usageRecord))
	}
	if s.order.native {
		delta.Native = s.kept.native()
	}
	s.push(c)
	return nil, nil
}

// record keeps what the blocks were, in case the portable form turns out to lose some of it. It lets go of
// everything once that is more than an answer of Anthropic's can be.
type record struct {
	blocks []keptBlock
	text   []byte // of all blocks
	size   int    // of what the blocks began with
	full   bool
}

type keptBlock struct {
	kind      string
	raw       []byte // as content_block_start gave it
	from, to  int    // in text
	signature string
	citations []any
	changes   map[string]any
}

const (
	maxKeptText = 1 << 20  // 128,000 tokens are half of it
	maxKeptRaw  = 32 << 20 // results of searches are long
)

func (r *record) open(b *block) {
	if r.full = r.full || r.size+len(b.raw) > maxKeptRaw; r.full {
		r.blocks, r.text = nil, nil
		return
	}
	r.size += len(b.raw)
	r.blocks = append(r.blocks, keptBlock{kind: b.typ, raw: bytes.Clone(b.raw), from: len(r.text), signature: b.signature})
	r.append(b.text)
}

// last is the block that is open.
func (r *record) last() *keptBlock {
	if len(r.blocks) == 0 {
		return new(keptBlock)
	}
	return &r.blocks[len(r.blocks)-1]
}

func (r *record) append(text string) {
	if r.full = r.full || len(r.text)+len(text) > maxKeptText; r.full {
		r.blocks, r.text = nil, nil
		return
	}
	r.text = append(r.text, text...)
}

func (r *record) close() { r.last().to = len(r.text) }

func (r *record) sign(signature string) { r.last().signature += signature }

func (r *record) cite(citation []byte) {
	b := r.last()
	b.citations = append(b.citations, json.RawMessage(bytes.Clone(citation)))
}

// change keeps a delta of a kind that is not known: texts append, everything else is replaced.
func (r *record) change(ms []member) {
	b := r.last()
	for _, m := range ms {
		if b.changes == nil {
			b.changes = make(map[string]any)
		}
		if have, ok := b.changes[m.key].(string); ok && kindOf(m.raw) == jsonx.String {
			b.changes[m.key] = have + str(m.raw)
		} else {
			b.changes[m.key] = jsonx.NewDecoder(m.raw).Any()
		}
	}
}

// native is the list of blocks as the unary answer would have it, nil if it was not kept.
func (r *record) native() *llm.NativeContent {
	if r.full {
		return nil
	}
	var e jsonx.Encoder
	e.Array()
	for i := range r.blocks {
		b := &r.blocks[i]
		changes := b.changes
		if changes == nil {
			changes = make(map[string]any, 2)
		}
		text := r.text[b.from:b.to]
		switch {
		case b.kind == "text":
			changes["text"] = string(text)
			if len(b.citations) > 0 {
				changes["citations"] = b.citations
			}
		case b.kind == "thinking":
			changes["thinking"], changes["signature"] = string(text), b.signature
		case len(text) > 0 && json.Valid(text):
			changes["input"] = json.RawMessage(text)
		}
		raw, err := jsonx.Overlay(b.raw, changes)
		if err != nil {
			raw = b.raw
		}
		e.Raw(raw)
	}
	e.EndArray()
	return &llm.NativeContent{Origin: dialect, Content: e.B}
}
