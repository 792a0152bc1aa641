package anthropic

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// answer is a response with everything that an answer of one text needs, in one allocation.
type answer struct {
	r     llm.CompletionResponse
	ch    [1]llm.Choice
	parts [1]llm.Part
	u     usageRecord
}

// Decode reads a complete answer of POST /v1/messages.
func Decode(body []byte) (*llm.CompletionResponse, error) {
	var d jsonx.Decoder
	d.Reset(body)
	a := new(answer)
	f := folder{m: &a.ch[0].Message}
	var m message
	m.decode(&d, body, f.add)
	if err := d.End(); err != nil {
		return nil, llm.Malformed("the answer is not a message", err)
	}
	if m.failure != nil {
		return nil, m.failure.error(http.StatusOK)
	}
	if m.content == nil {
		return nil, llm.Malformed("the answer has no content", nil)
	}
	if f.err != nil {
		return nil, llm.Malformed("the answer has content of a wrong shape", f.err)
	}
	a.r = llm.CompletionResponse{ID: m.id, Model: m.model, ServiceTier: m.usage.tier, Choices: a.ch[:1:1], Extra: m.extra}
	if m.hasUsage {
		a.r.Usage = m.usage.record(&a.u)
	}
	c := &a.ch[0]
	c.Message.Role = llm.RoleAssistant
	c.Message.ReasoningContent = f.reasoning.String()
	if f.texts > 0 {
		a.parts[0] = llm.TextPart(f.text())
		c.Message.Content = a.parts[:1:1]
	}
	if f.order.native {
		c.Message.Native = &llm.NativeContent{Origin: dialect, Content: bytes.Clone(m.content)}
	}
	c.FinishReason, c.NativeFinishReason, c.StopSequence = finishReason(m.stopReason), m.stopReason, m.stopSequence
	c.Extra, c.Message.Refusal = refusal(m.stopReason, m.stopDetails)
	return &a.r, nil
}

// message is the object of an answer, and of the event message_start.
type message struct {
	id, model                string
	stopReason, stopSequence string
	stopDetails              []byte
	content                  []byte // the list of blocks; nil if there was none
	usage                    usage
	hasUsage                 bool
	extra                    llm.Extra
	failure                  *apiError
}

// decode reads the message from d, which reads data, and gives each block to add. nil goes before the first:
// if the content comes twice, the last one counts.
func (m *message) decode(d *jsonx.Decoder, data []byte, add func(*block)) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "id":
			m.id = d.Str()
		case "type", "role":
			d.Skip()
		case "model":
			m.model = d.Str()
		case "content":
			if d.Kind() != jsonx.Array {
				d.Skip()
				continue
			}
			start := d.Pos()
			add(nil)
			for d.Array(); d.More(); {
				var b block
				d.Kind()
				from := d.Pos()
				b.decode(d)
				if d.Err() == nil {
					b.raw = data[from:d.Pos()]
					add(&b)
				}
			}
			if d.Err() == nil {
				m.content = data[start:d.Pos()]
			}
		case "stop_reason":
			m.stopReason = internStopReason(d.StrBytes())
		case "stop_sequence":
			m.stopSequence = d.Str()
		case "stop_details":
			m.stopDetails = rawUnlessNull(d)
		case "usage":
			m.hasUsage = d.Kind() == jsonx.Object
			m.usage.decode(d)
		case "error":
			m.failure = new(apiError)
			m.failure.decode(d)
		default:
			keep(&m.extra, d)
		}
	}
}

// rawUnlessNull is a value's JSON, aliasing the text, or nil for null.
func rawUnlessNull(d *jsonx.Decoder) []byte {
	if d.Kind() == jsonx.Null {
		d.Skip()
		return nil
	}
	return d.Raw()
}

// keep stores a member that is not named here, unless it is null.
func keep(e *llm.Extra, d *jsonx.Decoder) {
	key := string(d.Key())
	raw := rawUnlessNull(d)
	if raw == nil || d.Err() != nil {
		return
	}
	if *e == nil {
		*e = make(llm.Extra, 2)
	}
	(*e)[key] = json.RawMessage(bytes.Clone(raw))
}

// The stop reasons. Others pass as they are and finish as "stop": the turn did end.
func internStopReason(b []byte) string {
	switch string(b) {
	case "end_turn":
		return "end_turn"
	case "tool_use":
		return "tool_use"
	case "max_tokens":
		return "max_tokens"
	case "stop_sequence":
		return "stop_sequence"
	}
	return string(b)
}

func finishReason(native string) llm.FinishReason {
	switch native {
	case "":
		return ""
	case "max_tokens", "model_context_window_exceeded":
		return llm.FinishLength
	case "tool_use":
		return llm.FinishToolCalls
	case "refusal":
		return llm.FinishContentFilter
	}
	return llm.FinishStop
}

// refusal reads stop_details: the explanation is the refusal's text, and all of it is kept.
func refusal(stopReason string, details []byte) (extra llm.Extra, text string) {
	if details == nil {
		return nil, ""
	}
	extra = llm.Extra{"stop_details": json.RawMessage(bytes.Clone(details))}
	if stopReason != "refusal" || kindOf(details) != jsonx.Object {
		return extra, ""
	}
	d := jsonx.NewDecoder(details)
	for d.Object(); d.More(); {
		if string(d.Key()) == "explanation" && d.Kind() == jsonx.String {
			text = d.Str()
		} else {
			d.Skip()
		}
	}
	return extra, text
}

// block is a content block. What aliases the text is valid until the text is reused.
type block struct {
	typ                   string
	text                  string // of text and thinking
	signature, data       string
	id, name              string
	input, citations, raw []byte
	others                []member
}

func (b *block) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		key := d.Key()
		if d.Kind() != jsonx.String {
			switch string(key) {
			case "input":
				b.input = d.Raw()
			case "citations":
				b.citations = rawUnlessNull(d)
			default:
				b.others = append(b.others, member{string(key), d.Raw()})
			}
			continue
		}
		switch string(key) {
		case "type":
			b.typ = internBlockType(d.StrBytes())
		case "text", "thinking":
			b.text = d.Str()
		case "signature":
			b.signature = d.Str()
		case "data":
			b.data = d.Str()
		case "id":
			b.id = d.Str()
		case "name":
			b.name = d.Str()
		default:
			k := string(key)
			b.others = append(b.others, member{k, d.Raw()})
		}
	}
}

func internBlockType(b []byte) string {
	switch string(b) {
	case "text":
		return "text"
	case "thinking":
		return "thinking"
	case "tool_use":
		return "tool_use"
	}
	return string(b)
}

// hasMore says whether there are members that are not named.
func (b *block) hasMore() bool {
	return slices.ContainsFunc(b.others, func(m member) bool { return string(m.raw) != "null" })
}

// extra are the members that are not named, copied.
func (b *block) extra() llm.Extra {
	var e llm.Extra
	for _, m := range b.others {
		if string(m.raw) == "null" {
			continue
		}
		if e == nil {
			e = make(llm.Extra, len(b.others))
		}
		e[m.key] = json.RawMessage(bytes.Clone(m.raw))
	}
	return e
}

func (b *block) toolCall(index int) llm.ToolCall {
	c := llm.ToolCall{Index: index, ID: b.id, Type: "function", Function: llm.FunctionCall{Name: b.name}, Extra: b.extra()}
	if c.Extra != nil {
		c.Origin = dialect // they go back, and only to where they came from
	}
	return c
}

func (b *block) thinkingBlock(index int) llm.ThinkingBlock {
	return llm.ThinkingBlock{Type: b.typ, Index: index, Thinking: b.text, Signature: b.signature, Data: b.data, Origin: dialect, Extra: b.extra()}
}

// order watches whether the portable fields of a message, written in their order (thinking, text, calls), would be
// what was received.
type order struct {
	native bool
	stage  uint8
}

const (
	stageThinking uint8 = iota
	stageText
	stageCalls
)

func (o *order) see(stage uint8) {
	o.native = o.native || stage < o.stage
	o.stage = max(o.stage, stage)
}

// folder makes a message of blocks.
type folder struct {
	m         *llm.Message
	texts     int
	first     string
	more      strings.Builder
	runes     int // in the text, up to counted
	counted   int
	reasoning strings.Builder
	order     order
	err       error
}

func (f *folder) text() string {
	if f.texts == 1 {
		return f.first
	}
	return f.more.String()
}

func (f *folder) add(b *block) {
	if b == nil {
		*f.m = llm.Message{}
		*f = folder{m: f.m}
		return
	}
	switch b.typ {
	case "text":
		f.order.see(stageText)
		f.order.native = f.order.native || b.hasMore()
		f.addText(b)
	case "thinking", "redacted_thinking":
		f.order.see(stageThinking)
		if b.typ == "thinking" && b.text != "" {
			if f.reasoning.Len() > 0 {
				f.reasoning.WriteString(reasoningGap)
			}
			f.reasoning.WriteString(b.text)
		}
		f.m.ThinkingBlocks = append(f.m.ThinkingBlocks, b.thinkingBlock(len(f.m.ThinkingBlocks)))
	case "tool_use":
		f.order.see(stageCalls)
		c := b.toolCall(len(f.m.ToolCalls))
		c.Function.Arguments = string(b.input)
		f.m.ToolCalls = append(f.m.ToolCalls, c)
	default:
		f.order.native = true
	}
}

// reasoningGap keeps the texts of thinking blocks apart in Message.ReasoningContent.
const reasoningGap = "\n\n"

func (f *folder) addText(b *block) {
	if b.text != "" {
		switch f.texts++; f.texts {
		case 1:
			f.first = b.text
		case 2:
			f.more.WriteString(f.first)
			fallthrough
		default:
			f.more.WriteString(b.text)
		}
	}
	if b.citations == nil {
		return
	}
	d := jsonx.NewDecoder(b.citations)
	n := len(f.m.Annotations)
	for d.Array(); d.More(); {
		f.m.Annotations = append(f.m.Annotations, decodeCitation(d))
	}
	if f.err == nil {
		f.err = d.End()
	}
	if len(f.m.Annotations) == n {
		return
	}
	f.order.native = true
	all := f.text()
	start := f.runes + utf8.RuneCountInString(all[f.counted:len(all)-len(b.text)])
	f.runes, f.counted = start+utf8.RuneCountInString(b.text), len(all)
	span(f.m.Annotations[n:], start, f.runes)
}

// span says which characters of the answer the citations belong to: those of their block.
func span(list []llm.Annotation, start, end int) {
	for i := range list {
		if u := list[i].URLCitation; u != nil {
			u.StartIndex, u.EndIndex = start, end
		}
	}
}

// decodeCitation reads a citation. The native type and places are kept beside what is common to all providers.
func decodeCitation(d *jsonx.Decoder) llm.Annotation {
	var c struct {
		typ, text, title, url, file string
		document, start, end        int
		extra                       llm.Extra
	}
	if d.Kind() != jsonx.Object {
		d.Object() // fails
		return llm.Annotation{}
	}
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "type":
			c.typ = d.Str()
		case "cited_text":
			c.text = d.Str()
		case "title", "document_title":
			c.title = d.Str()
		case "url", "source":
			c.url = d.Str()
		case "file_id":
			c.file = d.Str()
		case "document_index":
			c.document = d.Int()
		case "start_char_index", "start_page_number", "start_block_index":
			c.start = keepInt(&c.extra, d)
		case "end_char_index", "end_page_number", "end_block_index":
			c.end = keepInt(&c.extra, d)
		default:
			keep(&c.extra, d)
		}
	}
	if c.extra == nil {
		c.extra = make(llm.Extra, 1)
	}
	c.extra["type"] = c.typ
	switch c.typ {
	case "web_search_result_location", "search_result_location":
		return llm.Annotation{Type: "url_citation", URLCitation: &llm.URLCitation{URL: c.url, Title: c.title, CitedText: c.text, Extra: c.extra}}
	case "char_location", "page_location", "content_block_location":
		return llm.Annotation{Type: "file_citation", FileCitation: &llm.FileCitation{FileID: c.file, Filename: c.title,
			DocumentIndex: c.document, StartIndex: c.start, EndIndex: c.end, CitedText: c.text, Extra: c.extra}}
	}
	for name, v := range map[string]string{"cited_text": c.text, "title": c.title, "url": c.url, "file_id": c.file} {
		if v != "" {
			c.extra[name] = v
		}
	}
	delete(c.extra, "type")
	return llm.Annotation{Type: c.typ, Extra: c.extra}
}

// keepInt reads a number and keeps its member too.
func keepInt(e *llm.Extra, d *jsonx.Decoder) int {
	key := string(d.Key())
	n := d.Int()
	if *e == nil {
		*e = make(llm.Extra, 4)
	}
	(*e)[key] = n
	return n
}

// usage is Anthropic's record. In a stream the first event begins it and later ones replace members.
type usage struct {
	input, output         int
	read, written         int
	written5m, written1h  int
	thinking              int
	cache, details, tools bool // these members were there
	searches, fetches     int
	tier                  string
	extra, detailsExtra   llm.Extra
	toolsExtra            llm.Extra
}

func (u *usage) decode(d *jsonx.Decoder) {
	if d.Kind() != jsonx.Object {
		d.Skip()
		return
	}
	for d.Object(); d.More(); {
		if d.Kind() == jsonx.Null {
			d.Skip()
			continue
		}
		switch string(d.Key()) {
		case "input_tokens":
			u.input = d.Int()
		case "output_tokens":
			u.output = d.Int()
		case "cache_read_input_tokens":
			u.read, u.cache = d.Int(), true
		case "cache_creation_input_tokens":
			u.written, u.cache = d.Int(), true
		case "cache_creation":
			for d.Object(); d.More(); {
				switch string(d.Key()) {
				case "ephemeral_5m_input_tokens":
					u.written5m = d.Int()
				case "ephemeral_1h_input_tokens":
					u.written1h = d.Int()
				default:
					d.Skip()
				}
			}
		case "output_tokens_details":
			u.details = true
			for d.Object(); d.More(); {
				if string(d.Key()) == "thinking_tokens" {
					u.thinking = d.Int()
				} else {
					keep(&u.detailsExtra, d)
				}
			}
		case "server_tool_use":
			u.tools = true
			for d.Object(); d.More(); {
				switch string(d.Key()) {
				case "web_search_requests":
					u.searches = d.Int()
				case "web_fetch_requests":
					u.fetches = d.Int()
				default:
					keep(&u.toolsExtra, d)
				}
			}
		case "service_tier":
			u.tier = d.Intern("standard")
		default:
			keep(&u.extra, d)
		}
	}
}

// usageRecord is a usage with its parts, in one allocation.
type usageRecord struct {
	u llm.Usage
	p llm.PromptTokensDetails
	c llm.CompletionTokensDetails
	s llm.ServerToolUse
}

// record follows OpenAI's sums: input_tokens leaves out what the cache gave and took, PromptTokens does not.
func (u *usage) record(r *usageRecord) *llm.Usage {
	r.u = llm.Usage{PromptTokens: u.input + u.read + u.written, CompletionTokens: u.output, Extra: u.extra}
	r.u.TotalTokens = r.u.PromptTokens + r.u.CompletionTokens
	if u.cache {
		r.p = llm.PromptTokensDetails{CachedTokens: u.read, CacheCreationTokens: u.written,
			CacheCreation5mTokens: u.written5m, CacheCreation1hTokens: u.written1h}
		r.u.PromptTokensDetails = &r.p
	}
	if u.details {
		r.c = llm.CompletionTokensDetails{ReasoningTokens: u.thinking, Extra: u.detailsExtra}
		r.u.CompletionTokensDetails = &r.c
	}
	if u.tools {
		r.s = llm.ServerToolUse{WebSearchRequests: u.searches, WebFetchRequests: u.fetches, Extra: u.toolsExtra}
		r.u.ServerToolUse = &r.s
	}
	return &r.u
}
