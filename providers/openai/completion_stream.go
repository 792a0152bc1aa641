package openai

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/stream"
)

// chatStream reads one streamed chat completion.
type chatStream struct {
	*chat
	call *llm.Call
	body io.Reader
	sse  *stream.SSE
	err  error // what next returns from now on

	last    llm.CompletionChunk // the head members of the chunk before
	head    []byte              // their JSON, up to and with the comma before "choices"; empty if not known
	choices []choiceStream
	late    bool // the warning about content after the end was given
}

// choiceStream is what must be known of a choice's past to read its next delta.
type choiceStream struct {
	index    int
	finished bool
	calls    callIndexer
	details  detailState
}

// block is one chunk with room for its one choice: a single allocation.
type block struct {
	llm.CompletionChunk
	choice [1]llm.ChunkChoice
}

func (c *chat) stream(call *llm.Call, body io.Reader) llm.Next[llm.CompletionChunk] {
	s := &chatStream{chat: c, call: call, body: body}
	return s.next
}

var done = []byte("[DONE]")

func (s *chatStream) next() (*llm.CompletionChunk, error) {
	if s.err != nil {
		return nil, s.err
	}
	chunk, err := s.read()
	if err != nil {
		s.err = err
		if chunk != nil {
			return chunk, nil
		}
	}
	return chunk, err
}

// read returns the next chunk; a chunk together with io.EOF is the last.
func (s *chatStream) read() (*llm.CompletionChunk, error) {
	if s.sse == nil {
		chunk, err := s.open()
		if chunk != nil || err != nil {
			return chunk, err
		}
	}
	for {
		ev, err := s.sse.Next()
		if err != nil {
			if err == io.EOF {
				err = s.atEnd()
			}
			return nil, err
		}
		if len(ev.Data) == 0 {
			continue
		}
		if ev.Data[0] == '[' && bytes.Equal(bytes.TrimSpace(ev.Data), done) {
			if len(s.choices) == 0 {
				return nil, llm.Malformed("the answer has no choices", nil)
			}
			s.call.WarnTrailing(s.sse.Buffered())
			return nil, io.EOF
		}
		if len(ev.Name) > 0 && string(ev.Name) == "error" {
			if e := bodyError(nil, ev.Data); e != nil {
				return nil, e
			}
		}
		b := &block{}
		c := &b.CompletionChunk
		c.ID, c.Model, c.Created = s.last.ID, s.last.Model, s.last.Created
		c.SystemFingerprint, c.ServiceTier = s.last.SystemFingerprint, s.last.ServiceTier
		c.Choices = b.choice[:0:1]
		data := ev.Data
		sameHead := len(s.head) > 0 && bytes.HasPrefix(data, s.head)
		if sameHead {
			// The members before the choices are those of the chunk before: read only what follows them. The
			// comma is overwritten, which the framing reader is done with.
			c.Object = s.last.Object
			data = data[len(s.head)-1:]
			data[0] = '{'
			ev.Data = data
		}
		if err := c.UnmarshalJSON(data); err != nil {
			return nil, s.undecodable(ev, err)
		}
		if !sameHead {
			s.learnHead(c, data)
		}
		if err := s.chunk(c, data); err != nil {
			return nil, err
		}
		return c, nil
	}
}

// learnHead remembers the JSON of c's members before its choices, which most hosts repeat with each chunk. It is
// not known if it is not plain: nothing nested, nothing that goes to Extra.
func (s *chatStream) learnHead(c *llm.CompletionChunk, data []byte) {
	s.head = s.head[:0]
	i := bytes.Index(data, []byte(`,"choices":`))
	if i < 0 || c.Extra != nil || c.Usage != nil {
		return
	}
	// In a string the quotes would be escaped, so this is a member's name; without a second bracket before it, of
	// the outermost object.
	if head := data[:i+1]; bytes.LastIndexByte(head, '{') == 0 && bytes.IndexByte(head, '[') < 0 {
		s.head = append(s.head, head...)
	}
}

// chunk repairs what the host left wrong in c.
func (s *chatStream) chunk(c *llm.CompletionChunk, data []byte) error {
	s.last.ID, s.last.Object, s.last.Model, s.last.Created = c.ID, c.Object, c.Model, c.Created
	s.last.SystemFingerprint, s.last.ServiceTier = c.SystemFingerprint, c.ServiceTier
	if c.Extra != nil {
		if raw, ok := c.Extra["error"].(json.RawMessage); ok && carriesError(raw) {
			return bodyErrorOr(nil, data)
		}
		if len(c.Choices) == 0 {
			if e := bodyError(nil, data); e != nil {
				return e
			}
		}
		if u := groqUsage(&c.Extra); u != nil && c.Usage == nil {
			c.Usage = u
		}
	}
	for i := range c.Choices {
		ch := &c.Choices[i]
		if ch.Index < 0 {
			return llm.Malformed("a choice has a negative index", nil)
		}
		if err := s.choice(ch); err != nil {
			return err
		}
		if ch.Extra != nil {
			take(&ch.Extra, "message") // the whole answer so far, again with each chunk (Perplexity)
			if c.Usage == nil {
				c.Usage = usageMember(&ch.Extra, "usage")
			}
		}
	}
	if c.Usage != nil {
		s.chat.usage(c.Usage)
	}
	return nil
}

func (s *chatStream) choice(ch *llm.ChunkChoice) error {
	st := s.state(ch.Index)
	d := &ch.Delta
	if d.Extra != nil {
		s.deltaExtra(st, d)
	}
	if len(d.ToolCalls) > 0 {
		d.ToolCalls = st.calls.repair(d.ToolCalls)
	}
	if st.finished {
		if (d.Content != "" || len(d.ToolCalls) > 0) && !s.late {
			s.late = true
			s.call.Warn(llm.Warning{Code: "stream", Message: "the host sent content after the choice's finish_reason"})
		}
		ch.FinishReason, ch.NativeFinishReason = "", "" // the first one stands
		return nil
	}
	if ch.FinishReason != "" {
		if e := choiceError(nil, ch.NativeFinishReason, ch.Extra); e != nil {
			return e
		}
		st.finished = true
	}
	return nil
}

// state finds the choice's state. Most streams have one choice.
func (s *chatStream) state(index int) *choiceStream {
	for i := range s.choices {
		if s.choices[i].index == index {
			return &s.choices[i]
		}
	}
	s.choices = append(s.choices, choiceStream{index: index, details: detailState{cumulative: s.CumulativeReasoning}})
	return &s.choices[len(s.choices)-1]
}

func (s *chatStream) deltaExtra(st *choiceStream, d *llm.Delta) {
	if raw, ok := take(&d.Extra, "function_call"); ok && len(d.ToolCalls) == 0 {
		t := llm.ToolCall{}
		if t.UnmarshalJSON(legacyCall(raw)) == nil {
			t.Index, t.Type = 0, "function"
			d.ToolCalls = []llm.ToolCall{t}
		}
	}
	if raw, ok := take(&d.Extra, "reasoning_details"); ok {
		blocks, err := st.details.read(raw, s.call.Provider.DialectName())
		if err != nil {
			put(&d.Extra, "reasoning_details", raw)
			return
		}
		d.ThinkingBlocks = append(d.ThinkingBlocks, blocks...)
		if d.ReasoningContent == "" {
			d.ReasoningContent = blocksText(blocks)
		}
	}
}

// atEnd judges a body that ended without [DONE].
func (s *chatStream) atEnd() error {
	if !s.cutOff {
		return llm.Truncated("the stream ended without [DONE]")
	}
	want := 1
	if r, ok := s.call.Request.(*llm.CompletionRequest); ok && r.N > 1 {
		want = r.N
	}
	if len(s.choices) < want || slices.ContainsFunc(s.choices, func(c choiceStream) bool { return !c.finished }) {
		return llm.Truncated("the stream ended before each choice had a finish_reason")
	}
	return io.EOF
}

func (s *chatStream) undecodable(ev stream.Event, err error) error {
	if ev.Unterminated {
		e := llm.Truncated("the stream ended within an event")
		e.Err = err
		return e
	}
	// An error may come in a shape that is no chunk: a string, a list.
	if e := bodyError(nil, ev.Data); e != nil {
		return e
	}
	return llm.Malformed("an event of the stream is not the JSON of a chunk", err)
}

// open looks at the first byte of the body. Some hosts answer a request for a stream with plain JSON: with an
// error, or with the complete answer.
func (s *chatStream) open() (*llm.CompletionChunk, error) {
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
	return asChunk(resp), io.EOF
}

// plainJSON reads the start of a body, up to its first byte that is not white space, and says whether that opens
// a JSON value.
func plainJSON(r io.Reader) (head []byte, plain bool, err error) {
	head = make([]byte, 0, 512)
	for empty := 0; len(head) < cap(head); {
		n, err := r.Read(head[len(head):cap(head)])
		head = head[:len(head)+n]
		if t := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n"); len(t) > 0 {
			return head, t[0] == '{', nil // an error is found again by the next read
		}
		if err == io.EOF {
			return head, false, nil
		}
		if err != nil {
			return head, false, err
		}
		if n == 0 {
			if empty++; empty == 100 {
				return head, false, io.ErrNoProgress
			}
		}
	}
	return head, false, nil
}

// readJSON reads one JSON object and no byte that comes later: the connection may stay open. A body that ends
// within it is returned as it is; its decoder will tell.
func readJSON(r io.Reader, limit int) ([]byte, error) {
	var (
		body []byte
		p    jsonProgress
		buf  [4096]byte
	)
	for {
		n, err := r.Read(buf[:])
		if len(body)+n > limit {
			return nil, stream.ErrEventTooLarge
		}
		body = append(body, buf[:n]...)
		p.add(string(buf[:n]))
		switch {
		case p.complete(), err == io.EOF:
			return body, nil
		case err != nil:
			return nil, err
		}
	}
}

// asChunk is a complete answer as the only chunk of a stream.
func asChunk(r *llm.CompletionResponse) *llm.CompletionChunk {
	c := &llm.CompletionChunk{ID: r.ID, Object: "chat.completion.chunk", Created: r.Created, Model: r.Model,
		SystemFingerprint: r.SystemFingerprint, ServiceTier: r.ServiceTier, Usage: r.Usage, Extra: r.Extra,
		Choices: make([]llm.ChunkChoice, 0, len(r.Choices))}
	for i := range r.Choices {
		ch := &r.Choices[i]
		m := &ch.Message
		c.Choices = append(c.Choices, llm.ChunkChoice{
			Index: ch.Index, FinishReason: ch.FinishReason, NativeFinishReason: ch.NativeFinishReason,
			StopSequence: ch.StopSequence, Logprobs: ch.Logprobs, Extra: ch.Extra,
			Delta: llm.Delta{Role: m.Role, Content: m.Content.Text(), ReasoningContent: m.ReasoningContent,
				Refusal: m.Refusal, ToolCalls: m.ToolCalls, ThinkingBlocks: m.ThinkingBlocks,
				Annotations: m.Annotations, Images: m.Images, Audio: m.Audio, Native: m.Native, Extra: m.Extra},
		})
	}
	return c
}

// callIndexer gives each tool call of a streamed choice the index 0, 1, 2 … in the order of appearance, whatever
// the host does: no index, 0 for all, one used again for another call, fragments interleaved, an id that comes
// late or again with each fragment.
type callIndexer struct {
	calls []callPast
	last  int // the call that the fragment before belonged to
}

type callPast struct {
	wire    int // the host's index, -1 for none
	id      string
	name    string
	started bool // arguments have come
	args    jsonProgress
}

func (x *callIndexer) repair(calls []llm.ToolCall) []llm.ToolCall {
	first := len(x.calls) // calls from here on began in this chunk
	for i := range calls {
		t := &calls[i]
		name, args := t.Function.Name, t.Function.Arguments
		if t.Custom != nil {
			name, args = t.Custom.Name, t.Custom.Input
		}
		k := x.find(t, name, args, first)
		if k < 0 {
			k = len(x.calls)
			x.calls = append(x.calls, callPast{wire: t.Index})
		}
		p := &x.calls[k]
		x.last = k
		t.Index = k
		// Members that are repeated are left out, so that a reader may append.
		if p.id != "" {
			t.ID = ""
		} else {
			p.id = t.ID
		}
		if name != "" {
			if p.started && name == p.name {
				t.Function.Name = ""
				if t.Custom != nil {
					t.Custom.Name = ""
				}
			} else {
				p.name += name
			}
		}
		if args != "" {
			p.started = true
			p.args.add(args)
		}
	}
	return calls
}

// find says which of the known calls a fragment belongs to, -1 for a new one. first is the number of calls that
// were known before the fragment's chunk.
func (x *callIndexer) find(t *llm.ToolCall, name, args string, first int) int {
	if len(x.calls) == 0 {
		return -1
	}
	// The latest call with this index of the host's; without an index, the latest call.
	k := x.last
	if t.Index >= 0 {
		k = -1
		for i := len(x.calls) - 1; i >= 0; i-- {
			if x.calls[i].wire == t.Index {
				k = i
				break
			}
		}
	}
	if t.ID != "" {
		for i := range x.calls {
			p := &x.calls[i]
			// The same id under another index with a name of its own is another call.
			if p.id == t.ID && (p.wire == t.Index || name == "" || !p.started) {
				return i
			}
		}
		if k >= 0 && x.calls[k].id == "" && (name == "" || x.calls[k].name == "") {
			return k // the id comes late
		}
		return -1
	}
	if k < 0 {
		return -1
	}
	p := &x.calls[k]
	switch {
	case name == "":
		return k
	case p.name == "":
		return k // the name comes late
	case k >= first && t.Index < 0:
		return -1 // several whole calls in one chunk, without index
	case !p.started && (args == "" || t.Index >= 0):
		return k // the name comes in parts
	case p.started && name == p.name && !p.args.complete():
		return k // the name comes with each fragment
	}
	return -1
}

// jsonProgress follows a JSON text far enough to know whether its value is closed.
type jsonProgress struct {
	depth          int
	open           bool // a bracket has been seen
	quoted, escape bool
}

func (p *jsonProgress) add(s string) {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if p.quoted {
			switch {
			case p.escape:
				p.escape = false
			case c == '\\':
				p.escape = true
			case c == '"':
				p.quoted = false
			}
			continue
		}
		switch c {
		case '"':
			p.quoted = true
		case '{', '[':
			p.depth++
			p.open = true
		case '}', ']':
			p.depth--
		}
	}
}

func (p *jsonProgress) complete() bool { return p.open && p.depth <= 0 }
