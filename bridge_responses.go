package llm

// Responses over completions: the request, the answer, and the stream of chunks as events.
//
// Items become messages: the reasoning, texts and calls between two inputs are one assistant message. What the
// API keeps on its servers (previous_response_id, conversation, background, built-in tools) a chat provider does not
// have, and the request is refused.
//
// The answer's ids are made of the completion's id, so that they are the same each time: resp_, msg_, rs_ and fc_
// before it. Thinking that its provider signed or encrypted must come back unchanged with the next request, and the
// one place that clients of this API are told to keep is a reasoning item's encrypted_content. So it holds a
// carrier: a tag, and the JSON of what must come back. An item carries one thinking block; a last item without
// a summary carries what belongs to the message as a whole, signatures of calls and native content. Carriers are
// opened when the items come back, and are not sent to a provider that has the Responses operation itself.

import (
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/llm-go/llm/internal/jsonx"
)

// carrierTag begins an encrypted_content that this package made.
const carrierTag = "llm-go/v1:"

// carrier is what a reasoning item holds for a provider that is not OpenAI.
type carrier struct {
	Block *ThinkingBlock
	// Continues: the block is the rest of the one before with the same Index.
	Continues bool
	// Signatures of calls, by the call's id.
	Calls  []carriedCall
	Native *NativeContent
	// Images are what else the parts of the message's pictures hold, one for each, without the pictures.
	Images []Part
}

type carriedCall struct{ id, signature, origin string }

func (c *carrier) String() string {
	e := jsonx.Encoder{B: []byte(carrierTag)} // no comma is due after its colon
	e.Object()
	if c.Block != nil {
		e.Name("thinking_block")
		c.Block.encode(&e)
	}
	e.OptBool("continues", c.Continues)
	if len(c.Calls) > 0 {
		e.Name("calls")
		e.Array()
		for _, s := range c.Calls {
			e.Object()
			e.Name("id")
			e.Str(s.id)
			e.Name("signature")
			e.Str(s.signature)
			e.OptStr("origin", s.origin)
			e.EndObject()
		}
		e.EndArray()
	}
	c.Native.encode(&e)
	encodeList(&e, "images", c.Images, (*Part).encode)
	e.EndObject()
	return string(e.B)
}

// openCarrier reads an encrypted_content; nil if it is a provider's own.
func openCarrier(s string) *carrier {
	rest, ok := strings.CutPrefix(s, carrierTag)
	if !ok {
		return nil
	}
	c := &carrier{}
	d := jsonx.NewDecoder([]byte(rest))
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "thinking_block":
			c.Block = decodeNew[ThinkingBlock](d, (*ThinkingBlock).decode)
		case "continues":
			c.Continues = d.Bool()
		case "calls":
			for d.Array(); d.More(); {
				var s carriedCall
				for d.Object(); d.More(); {
					switch string(d.Key()) {
					case "id":
						s.id = d.Str()
					case "signature":
						s.signature = d.Str()
					case "origin":
						s.origin = d.Str()
					default:
						d.Skip()
					}
				}
				c.Calls = append(c.Calls, s)
			}
		case "native":
			c.Native = decodeNative(d)
		case "images":
			c.Images = decodeList(d, nil, (*Part).decode)
		default:
			d.Skip()
		}
	}
	if d.End() != nil {
		return &carrier{} // damaged: nothing of it can be given back
	}
	return c
}

func (it *ResponsesItem) isCarrier() bool {
	return it.Type == "reasoning" && strings.HasPrefix(it.EncryptedContent, carrierTag)
}

func hasCarrier(items []ResponsesItem) bool {
	return slices.ContainsFunc(items, func(it ResponsesItem) bool { return it.isCarrier() })
}

// withoutCarriers leaves out what belongs to other dialects, for a provider that has the operation.
func withoutCarriers(in *Op[ResponsesRequest, ResponsesResponse, ResponsesChunk]) *Op[ResponsesRequest, ResponsesResponse, ResponsesChunk] {
	return bridged(in, bridge[ResponsesRequest, ResponsesResponse, ResponsesChunk, ResponsesRequest, ResponsesResponse, ResponsesChunk]{
		request: func(call *Call, req *ResponsesRequest) (*ResponsesRequest, error) {
			r := *req
			r.Input = make([]ResponsesItem, 0, len(req.Input))
			for i := range req.Input {
				if req.Input[i].isCarrier() {
					call.Warn(Warning{Code: "dropped_blob", Param: "input[" + strconv.Itoa(i) + "]",
						Message: "signed or encrypted thinking goes only to the dialect that made it"})
					continue
				}
				r.Input = append(r.Input, req.Input[i])
			}
			return &r, nil
		},
		answer: func(r *ResponsesResponse) (*ResponsesResponse, error) { return r, nil },
		stream: func(next Next[ResponsesChunk]) Next[ResponsesChunk] { return next },
	})
}

const notStored = "the provider serves chat completions, which keep nothing between calls; send the items themselves"

// toCompletionRequest translates a request. It shares what it does not change.
func toCompletionRequest(call *Call, req *ResponsesRequest) (*CompletionRequest, error) {
	r := &CompletionRequest{
		MaxTokens: req.MaxOutputTokens, Temperature: req.Temperature, TopP: req.TopP, TopLogprobs: req.TopLogprobs,
		Logprobs: req.TopLogprobs != nil || slices.Contains(req.Include, includeLogprobs), ParallelToolCalls: req.ParallelToolCalls,
		ServiceTier: req.ServiceTier, Store: req.Store, Metadata: req.Metadata, User: req.User, SafetyIdentifier: req.SafetyIdentifier,
		PromptCacheKey: req.PromptCacheKey, PromptCacheRetention: req.PromptCacheRetention, StreamOptions: req.StreamOptions,
	}
	w := messageWriter{call: call}
	w.refuse(req.PreviousResponseID != "", "previous_response_id", notStored)
	w.refuse(req.Background != nil && *req.Background, "background", notStored)
	w.refuse(req.Truncation == "auto", "truncation", "chat completions are not truncated; drop old items yourself")
	w.refuse(req.MaxToolCalls != 0, "max_tool_calls", "chat completions have no such limit")
	for _, s := range req.Include {
		w.refuse(s != includeEncrypted && s != includeLogprobs, "include", "chat completions have nothing of "+s)
	}
	r.Extra = w.without(req.Extra, "", "conversation", "prompt", "context_management")
	if g := req.Reasoning; g != nil {
		r.ReasoningEffort = g.Effort
		if g.Summary != "" {
			call.Warn(Warning{Code: "dropped_param", Param: "reasoning.summary", Message: "the provider shows of its thinking what it shows"})
		}
		for _, name := range slices.Sorted(maps.Keys(g.Extra)) {
			w.refuse(true, "reasoning."+name, "chat completions do not have it")
		}
	}
	if t := req.Text; t != nil {
		r.Verbosity = t.Verbosity
		if f := t.Format; f != nil && (f.Type != "text" || len(f.Extra) > 0) {
			r.ResponseFormat = f
		}
		for _, name := range slices.Sorted(maps.Keys(t.Extra)) {
			w.refuse(true, "text."+name, "chat completions do not have it")
		}
	}
	w.tools(req, r)
	if req.Instructions != "" {
		w.out = append(w.out, System(req.Instructions))
	}
	for i := range req.Input {
		w.at = "input[" + strconv.Itoa(i) + "]"
		w.item(&req.Input[i])
	}
	w.flush()
	r.Messages = w.out
	if w.err != nil {
		return nil, w.err
	}
	return r, nil
}

// messageWriter makes the messages of a conversation.
type messageWriter struct {
	call *Call
	out  []Message
	at   string // "input[2]"
	err  error  // the first

	turn    *Message // the assistant message in the making
	thought []thought
	blobs   []carriedCall
}

// thought is a block of the turn, with the index that it had.
type thought struct {
	ThinkingBlock
	carried bool
}

// refuse refuses a field that is set, unless it may be dropped.
func (w *messageWriter) refuse(set bool, param, why string) {
	if set && w.err == nil {
		w.err = w.call.Unsupported(param, why)
	}
}

func (w *messageWriter) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *messageWriter) warn(code, member, message string) {
	w.call.Warn(Warning{Code: code, Param: w.at + member, Message: message})
}

// without is e less the named members, which are refused.
func (w *messageWriter) without(e Extra, at string, names ...string) Extra {
	copied := false
	for _, name := range names {
		if _, ok := e[name]; ok {
			w.refuse(true, at+name, notStored)
			if !copied {
				e, copied = maps.Clone(e), true
			}
			delete(e, name)
		}
	}
	return e
}

// builtin are the tools that OpenAI's servers run or define.
var builtin = []string{"file_search", "code_interpreter", "mcp", "image_generation", "computer", "computer_use_preview", "local_shell",
	"shell", "apply_patch", "tool_search", "namespace", "programmatic_tool_calling"}

func (w *messageWriter) tools(req *ResponsesRequest, r *CompletionRequest) {
	for i := range req.Tools {
		t := &req.Tools[i]
		at := "tools[" + strconv.Itoa(i) + "]"
		switch typ := t.Type; {
		case typ == "function" || typ == "":
			r.Tools = append(r.Tools, Tool{Type: "function", Function: &FunctionTool{Name: t.Name, Description: t.Description,
				Parameters: t.Parameters, Strict: t.Strict, Extra: w.without(t.Extra, at+".", "defer_loading", "allowed_callers", "output_schema")}})
		case typ == "custom":
			r.Tools = append(r.Tools, Tool{Type: "custom", Custom: &CustomTool{Name: t.Name, Description: t.Description,
				Format: nestedFormat(t.Format), Extra: w.without(t.Extra, at+".", "defer_loading", "allowed_callers")}})
		case strings.HasPrefix(typ, "web_search") && !foreignDate(typ):
			r.WebSearchOptions = webSearch(t)
		case slices.Contains(builtin, typ):
			w.refuse(true, at, "the tool "+typ+" runs at OpenAI")
		default: // the provider's own
			e := maps.Clone(t.Extra)
			add := func(name string, v any, set bool) {
				if set {
					if e == nil {
						e = make(Extra)
					}
					e[name] = v
				}
			}
			add("name", t.Name, t.Name != "")
			add("description", t.Description, t.Description != "")
			add("parameters", t.Parameters, t.Parameters != nil)
			add("format", t.Format, t.Format != nil)
			r.Tools = append(r.Tools, Tool{Type: typ, Extra: e})
		}
	}
	c := req.ToolChoice
	if c == nil {
		return
	}
	if c.Type == "allowed_tools" {
		r.ToolChoice = allowedNames(c)
		if r.ToolChoice == nil {
			w.refuse(true, "tool_choice", "chat completions choose among functions and custom tools")
		}
		return
	}
	if c.Type != "" && c.Type != "function" && c.Type != "custom" {
		w.refuse(true, "tool_choice", "chat completions choose among functions and custom tools")
		return
	}
	r.ToolChoice = c
}

// foreignDate says whether a tool's type is of another vendor: web_search_20250305 is Anthropic's, while OpenAI
// writes web_search_2025_08_26.
func foreignDate(typ string) bool {
	n, err := strconv.Atoi(strings.TrimPrefix(typ, "web_search_"))
	return err == nil && n > 20_000_000
}

// webSearch is the search as chat completions have it.
func webSearch(t *ResponsesTool) *WebSearchOptions {
	var e jsonx.Encoder
	e.Object()
	e.Members(t.Extra)
	e.EndObject()
	o := &WebSearchOptions{}
	if e.Err() != nil {
		return o
	}
	d := jsonx.NewDecoder(e.B)
	o.decode(d)
	return o
}

// allowedNames are the names of an allowed_tools list that could not be read as one of functions; nil if some of
// its tools have none.
func allowedNames(c *ToolChoice) *ToolChoice {
	var e jsonx.Encoder
	e.Any(c.Extra["tools"])
	var tools []struct{ Type, Name string }
	if e.Err() != nil || json.Unmarshal(e.B, &tools) != nil {
		return nil
	}
	out := &ToolChoice{Mode: "auto"}
	for _, t := range tools {
		if t.Name == "" || t.Type != "function" && t.Type != "custom" {
			return nil
		}
		out.Allowed = append(out.Allowed, t.Name)
	}
	switch mode := c.Extra["mode"].(type) {
	case string:
		out.Mode = mode
	case json.RawMessage:
		_ = json.Unmarshal(mode, &out.Mode)
	}
	return out
}

// nestedFormat is the reverse of flatFormat.
func nestedFormat(format any) any {
	m := asMap(format)
	if m == nil || m["type"] != "grammar" || m["grammar"] != nil {
		return format
	}
	inner := make(map[string]any)
	for k, v := range m {
		if k != "type" {
			inner[k] = v
		}
	}
	return map[string]any{"type": "grammar", "grammar": inner}
}

// assistant is the assistant message in the making.
func (w *messageWriter) assistant() *Message {
	if w.turn == nil {
		w.turn = &Message{Role: RoleAssistant}
	}
	return w.turn
}

// flush ends the assistant's turn.
func (w *messageWriter) flush() {
	m := w.turn
	if m == nil {
		return
	}
	for i := range w.thought {
		b := w.thought[i].ThinkingBlock
		b.Index = i
		m.ThinkingBlocks = append(m.ThinkingBlocks, b)
	}
	for _, s := range w.blobs {
		for i := range m.ToolCalls {
			if c := &m.ToolCalls[i]; c.ID == s.id {
				c.Signature, c.Origin = s.signature, s.origin
			}
		}
	}
	if len(m.Content) > 0 || len(m.ToolCalls) > 0 || m.Refusal != "" || len(m.ThinkingBlocks) > 0 || m.Native != nil || len(m.Images) > 0 {
		w.out = append(w.out, *m)
	}
	w.turn, w.thought, w.blobs = nil, nil, nil
}

func (w *messageWriter) item(it *ResponsesItem) {
	switch it.Type {
	case "message", "":
		w.message(it)
	case "reasoning":
		w.reasoning(it)
	case "function_call", "custom_tool_call":
		w.toolCall(it)
	case "function_call_output", "custom_tool_call_output":
		w.flush()
		m := Message{Role: RoleTool, ToolCallID: it.CallID, Content: w.content(it.Output, "output")}
		if len(m.Content) == 0 {
			m.Content = Content{TextPart("")}
		}
		w.dropExtra(it)
		w.out = append(w.out, m)
	case "image_generation_call":
		if p, ok := it.picture(); ok {
			m := w.assistant()
			m.Images = append(m.Images, p)
		}
	case "web_search_call", "file_search_call", "code_interpreter_call", "mcp_call", "mcp_list_tools", "tool_search_call",
		"tool_search_output", "additional_tools", "program", "program_output":
		// What OpenAI's own tools did in earlier turns; the texts after them tell what came of it.
		w.warn("dropped_param", "", "a chat completion cannot hold an item of type "+it.Type)
	default:
		w.refuse(true, w.at, "a chat completion cannot hold an item of type "+it.Type)
	}
}

// dropExtra tells of members that only the Responses API has.
func (w *messageWriter) dropExtra(it *ResponsesItem) {
	for _, name := range slices.Sorted(maps.Keys(it.Extra)) {
		w.warn("dropped_param", "."+name, "chat completions do not have it")
	}
}

// ours takes from an item's Extra what this API alone has, and returns the rest.
func (w *messageWriter) ours(e Extra, names ...string) Extra {
	copied := false
	for _, name := range names {
		if _, ok := e[name]; ok {
			w.warn("dropped_param", "."+name, "chat completions do not have it")
			if !copied {
				e, copied = maps.Clone(e), true
			}
			delete(e, name)
		}
	}
	if len(e) == 0 {
		return nil
	}
	return e
}

func (w *messageWriter) message(it *ResponsesItem) {
	if it.Role != RoleAssistant {
		w.flush()
		c := w.content(it.Content, "content")
		if len(c) == 0 {
			c = Content{TextPart("")}
		}
		w.out = append(w.out, Message{Role: it.Role, Content: c, Extra: w.ours(it.Extra, "phase")})
		return
	}
	m := w.assistant()
	for i := range it.Content {
		p := &it.Content[i]
		switch p.Type {
		case "refusal":
			m.Refusal += p.Refusal
			continue
		case "output_audio":
			m.Audio = audioOf(p)
			continue
		}
		shift := utf8.RuneCountInString(m.Content.Text())
		for j := range p.Annotations {
			m.Annotations = append(m.Annotations, p.Annotations[j].nested(shift))
		}
		m.Content = append(m.Content, w.content(it.Content[i:i+1], "content")...)
	}
	m.Extra = mergeExtra(m.Extra, w.ours(it.Extra, "phase"))
}

func (w *messageWriter) toolCall(it *ResponsesItem) {
	m := w.assistant()
	c := ToolCall{ID: it.CallID, Type: "function", Extra: it.Extra}
	if it.ID != callID(it) { // not of this bridge's making
		c.Extra = w.ours(it.Extra, "namespace", "caller")
	}
	if it.Type == "custom_tool_call" {
		c.Type, c.Custom = "custom", &CustomCall{Name: it.Name, Input: it.Input}
	} else {
		c.Function = FunctionCall{Name: it.Name, Arguments: it.Arguments}
	}
	if it.cut() {
		m.IncompleteToolCalls = append(m.IncompleteToolCalls, c)
		return
	}
	c.Index = len(m.ToolCalls)
	m.ToolCalls = append(m.ToolCalls, c)
}

// reasoning opens a carrier, or takes a reasoning item of OpenAI's.
func (w *messageWriter) reasoning(it *ResponsesItem) {
	m := w.assistant()
	text := it.thinking()
	m.ReasoningContent += text
	c := openCarrier(it.EncryptedContent)
	if c == nil {
		if it.EncryptedContent != "" {
			w.thought = append(w.thought, thought{ThinkingBlock: ThinkingBlock{Type: "reasoning", ID: it.ID, Thinking: text,
				Data: it.EncryptedContent, Origin: responsesOrigin, Extra: it.blockExtra()}})
		}
		return
	}
	if b := c.Block; b != nil {
		var have *thought
		if c.Continues {
			for i := range slices.Backward(w.thought) {
				if w.thought[i].carried && w.thought[i].Index == b.Index {
					have = &w.thought[i]
					break
				}
			}
		}
		if have != nil {
			have.Thinking += b.Thinking
			have.Signature += b.Signature
			have.Data += b.Data
			have.Extra = mergeExtra(b.Extra, have.Extra)
		} else {
			w.thought = append(w.thought, thought{ThinkingBlock: *b, carried: true})
		}
	}
	w.blobs = append(w.blobs, c.Calls...)
	if c.Native != nil {
		m.Native = c.Native
	}
	if len(c.Images) == len(m.Images) {
		for i, p := range c.Images {
			if p.ImageURL != nil && m.Images[i].ImageURL != nil {
				p.ImageURL.URL = m.Images[i].ImageURL.URL
			}
			m.Images[i] = p
		}
	}
}

// content translates parts of an input.
func (w *messageWriter) content(parts []ResponsesContent, member string) Content {
	if len(parts) == 0 {
		return nil
	}
	c := make(Content, 0, len(parts))
	for i := range parts {
		p := &parts[i]
		at := w.at + "." + member + "[" + strconv.Itoa(i) + "]"
		out := Part{Type: "text", Extra: p.Extra}
		if raw, ok := out.Extra["cache_control"]; ok {
			var e jsonx.Encoder
			e.Any(raw)
			if e.Err() == nil && json.Unmarshal(e.B, &out.CacheControl) == nil {
				if out.Extra = maps.Clone(out.Extra); len(out.Extra) == 1 {
					out.Extra = nil
				}
				delete(out.Extra, "cache_control")
			}
		}
		switch p.Type {
		case "input_text", "output_text", "text", "summary_text", "reasoning_text":
			out.Text = p.Text
		case "input_image":
			if p.ImageURL == "" {
				w.refuse(true, at, "chat completions take images by URL, not by the id of a file")
				continue
			}
			out.Type, out.ImageURL = "image_url", &ImageURL{URL: p.ImageURL, Detail: p.Detail}
		case "input_file":
			out.Type, out.File = "file", &File{FileID: p.FileID, FileData: p.FileData, FileURL: p.FileURL, Filename: p.Filename}
			if p.Detail != "" {
				w.call.Warn(Warning{Code: "dropped_param", Param: at + ".detail", Message: "chat completions do not have it for files"})
			}
		case "input_audio":
			out.Type, out.InputAudio = "input_audio", p.InputAudio
			if p.InputAudio == nil {
				w.fail(InvalidRequest(at, "the part of type input_audio has no input_audio"))
				continue
			}
		case "refusal":
			out.Type, out.Refusal = "refusal", p.Refusal
		default:
			w.refuse(true, at, "a chat completion cannot hold a part of type "+p.Type)
			continue
		}
		c = append(c, out)
	}
	return c
}

func audioOf(p *ResponsesContent) *AudioAnswer {
	var e jsonx.Encoder
	e.Object()
	e.Members(p.Extra)
	e.EndObject()
	a := &AudioAnswer{}
	if e.Err() != nil || a.UnmarshalJSON(e.B) != nil {
		return nil
	}
	return a
}

// fromCompletion translates an answer: what the stream of it would fold to.
func fromCompletion(r *CompletionResponse) (*ResponsesResponse, error) {
	next := fromCompletionStream(replayCompletion(r))
	for {
		ev, err := next()
		if err != nil {
			return nil, err
		}
		if ev.Type == eventCompleted || ev.Type == eventIncomplete {
			return ev.Response, nil
		}
	}
}

// fromCompletionStream gives chunks as events.
func fromCompletionStream(next Next[CompletionChunk]) Next[ResponsesChunk] {
	return (&eventWriter{}).stream(next)
}

func (w *eventWriter) stream(next Next[CompletionChunk]) Next[ResponsesChunk] {
	return func() (*ResponsesChunk, error) {
		for {
			if c := w.pop(); c != nil {
				return c, nil
			}
			if w.ended {
				return nil, io.EOF
			}
			c, err := next()
			switch {
			case err == io.EOF:
				w.finish()
			case err != nil:
				return nil, err
			default:
				w.add(c)
			}
		}
	}
}

// eventWriter turns the chunks of a completion into the events of a Responses stream. Items are numbered as they
// begin. Thinking and text are closed when something else begins, a call when its arguments are whole and another
// begins, or at the end.
type eventWriter struct {
	events
	acc   Accumulator
	id    string
	begun bool
	ended bool
	// cut: calls from the index cutFrom on are incomplete, whatever they look like.
	cut     bool
	cutFrom int

	items   []*openItem
	think   *openItem // open
	text    *openItem // the last message, open or closed
	calls   map[int]*openItem
	blocks  map[int]bool // indexes of blocks that have an item
	runes   int
	counted struct{ think, text, image int }
	waiting []Annotation // they came before any text
}

// openItem is one item in the making.
type openItem struct {
	item      ResponsesItem
	index     int
	open      bool
	announced bool
	buf       []byte // text of the part, arguments or input
	refusal   []byte
	base      int // characters of the answer's text before this item
	partOpen  bool
	block     *thinkingAccumulator
	continues bool
	call      int    // a call's index
	signature string // a call's
	origin    string
}

func (w *eventWriter) at(typ string, s *openItem) *ResponsesChunk {
	return w.push(&ResponsesChunk{Type: typ, OutputIndex: s.index, ItemID: s.item.ID})
}

// announce begins an item.
func (w *eventWriter) announce(s *openItem) *openItem {
	s.index, s.open, s.announced = len(w.items), true, true
	w.items = append(w.items, s)
	shell := s.item
	w.push(&ResponsesChunk{Type: eventItemAdded, OutputIndex: s.index, Item: &shell})
	return s
}

// done ends an item; its final form is s.item.
func (w *eventWriter) done(s *openItem) {
	s.open = false
	final := s.item
	w.push(&ResponsesChunk{Type: eventItemDone, OutputIndex: s.index, Item: &final})
}

func (w *eventWriter) name(kind string, n *int) string {
	id := kind + "_" + w.id
	if *n > 0 {
		id += "_" + strconv.Itoa(*n)
	}
	*n++
	return id
}

func (w *eventWriter) begin(c *CompletionChunk) {
	if w.begun {
		return
	}
	w.begun = true
	if w.id = c.ID; w.id == "" {
		w.id = "0"
	}
	w.events.begin(ResponsesResponse{ID: "resp_" + w.id, Object: "response", CreatedAt: c.Created, Model: c.Model})
}

func (w *eventWriter) add(c *CompletionChunk) {
	w.begin(c)
	w.acc.Add(c)
	for i := range c.Choices {
		if ch := &c.Choices[i]; ch.Index == 0 {
			w.delta(ch)
		}
	}
}

func (w *eventWriter) delta(ch *ChunkChoice) {
	d := &ch.Delta
	if d.ReasoningContent != "" || len(d.ThinkingBlocks) > 0 {
		w.thinking(d)
	}
	if d.Content != "" || ch.Logprobs != nil && len(ch.Logprobs.Content) > 0 {
		w.addText(d.Content, ch.Logprobs)
	}
	if d.Refusal != "" {
		w.addRefusal(d.Refusal)
	}
	for i := range d.Annotations {
		w.annotate(&d.Annotations[i])
	}
	for i := range d.Images {
		w.closeThinking()
		w.closeText("completed")
		w.image(&d.Images[i])
	}
	for i := range d.ToolCalls {
		w.call(&d.ToolCalls[i])
	}
	for _, call := range d.IncompleteToolCalls {
		if !w.cut {
			w.cutFrom, w.cut = len(w.calls), true // they may parse, and are cut all the same
		}
		call.Index = len(w.calls)
		w.call(&call)
	}
}

func (w *eventWriter) thinking(d *Delta) {
	inBlocks := slices.ContainsFunc(d.ThinkingBlocks, func(b ThinkingBlock) bool { return b.Thinking != "" })
	if !inBlocks && d.ReasoningContent != "" {
		if w.think == nil {
			w.openThinking()
		}
		w.addThinking(d.ReasoningContent)
	}
	for i := range d.ThinkingBlocks {
		b := &d.ThinkingBlocks[i]
		if w.think == nil || w.think.block != nil && w.think.block.Index != b.Index {
			w.openThinking()
		}
		if w.think.block == nil {
			w.think.block = &thinkingAccumulator{ThinkingBlock: ThinkingBlock{Index: b.Index}}
			w.think.continues = w.blocks[b.Index]
			if w.blocks == nil {
				w.blocks = make(map[int]bool)
			}
			w.blocks[b.Index] = true
		}
		have := w.think.block
		setString(&have.Type, b.Type)
		setString(&have.ID, b.ID)
		setString(&have.Origin, b.Origin)
		have.signature = append(have.signature, b.Signature...)
		have.data = append(have.data, b.Data...)
		have.Extra = mergeExtra(b.Extra, have.Extra)
		if b.Thinking != "" {
			have.text = append(have.text, b.Thinking...)
			w.addThinking(b.Thinking)
		}
	}
}

func (w *eventWriter) openThinking() {
	w.closeThinking()
	w.closeText("completed")
	w.think = w.announce(&openItem{item: ResponsesItem{Type: "reasoning", ID: w.name("rs", &w.counted.think), Status: "in_progress"}})
}

func (w *eventWriter) addThinking(text string) {
	s := w.think
	if !s.partOpen {
		s.partOpen = true
		w.at(eventSummaryPartAdded, s).Part = &ResponsesContent{Type: "summary_text"}
	}
	s.buf = append(s.buf, text...)
	w.at(eventSummaryDelta, s).Delta = text
}

func (w *eventWriter) closeThinking() {
	s := w.think
	if s == nil {
		return
	}
	w.think = nil
	s.item.Status = "completed"
	if s.partOpen {
		part := ResponsesContent{Type: "summary_text", Text: string(s.buf)}
		w.at(eventSummaryDone, s).Text = part.Text
		w.at(eventSummaryPartDone, s).Part = &part
		s.item.Summary = []ResponsesContent{part}
	}
	if s.block != nil {
		b := s.block.ThinkingBlock
		b.Thinking, b.Signature, b.Data = string(s.block.text), string(s.block.signature), string(s.block.data)
		if b.Origin == responsesOrigin { // as it was
			own := b.item()
			s.item.EncryptedContent, s.item.Extra = own.EncryptedContent, own.Extra
			s.item.Content, s.item.Summary = own.Content, own.Summary
		} else {
			c := carrier{Block: &b, Continues: s.continues}
			s.item.EncryptedContent = c.String()
		}
	}
	w.done(s)
}

// message is the open message; one is opened if need be.
func (w *eventWriter) message() *openItem {
	w.closeThinking()
	if w.text == nil || !w.text.open {
		w.text = w.announce(&openItem{base: w.runes,
			item: ResponsesItem{Type: "message", ID: w.name("msg", &w.counted.text), Status: "in_progress", Role: RoleAssistant}})
	}
	return w.text
}

// textPart is the message's open part of type output_text.
func (w *eventWriter) textPart() (*openItem, *ResponsesContent) {
	s := w.message()
	if n := len(s.item.Content); !s.partOpen || s.item.Content[n-1].Type != "output_text" {
		w.closePart(s)
		s.partOpen = true
		s.item.Content = append(slices.Clip(s.item.Content), ResponsesContent{Type: "output_text"})
		c := w.at(eventPartAdded, s)
		c.ContentIndex, c.Part = len(s.item.Content)-1, &ResponsesContent{Type: "output_text"}
		s.buf = s.buf[:0]
		s.base = w.runes
		waiting := w.waiting
		w.waiting = nil
		for i := range waiting {
			w.annotate(&waiting[i])
		}
	}
	return s, &s.item.Content[len(s.item.Content)-1]
}

func (w *eventWriter) addText(text string, l *Logprobs) {
	s, part := w.textPart()
	s.buf = append(s.buf, text...)
	w.runes += utf8.RuneCountInString(text)
	c := w.at(eventTextDelta, s)
	c.ContentIndex, c.Delta = len(s.item.Content)-1, text
	if l != nil && len(l.Content) > 0 {
		c.Logprobs = l.Content
		part.Logprobs = append(part.Logprobs, l.Content...)
	}
}

func (w *eventWriter) addRefusal(text string) {
	s := w.message()
	if n := len(s.item.Content); !s.partOpen || s.item.Content[n-1].Type != "refusal" {
		w.closePart(s)
		s.partOpen = true
		s.item.Content = append(slices.Clip(s.item.Content), ResponsesContent{Type: "refusal"})
		c := w.at(eventPartAdded, s)
		c.ContentIndex, c.Part = len(s.item.Content)-1, &ResponsesContent{Type: "refusal"}
		s.refusal = s.refusal[:0]
	}
	s.refusal = append(s.refusal, text...)
	c := w.at(eventRefusalDelta, s)
	c.ContentIndex, c.Delta = len(s.item.Content)-1, text
}

// annotate adds a citation to the last text, also if that is closed: some hosts send them at the very end.
func (w *eventWriter) annotate(a *Annotation) {
	s := w.text
	n := -1
	if s != nil {
		for i := range s.item.Content {
			if s.item.Content[i].Type == "output_text" {
				n = i
			}
		}
	}
	if n < 0 {
		w.waiting = append(w.waiting, *a)
		return
	}
	flat := a.flat()
	if flat.StartIndex != 0 || flat.EndIndex != 0 {
		flat.StartIndex, flat.EndIndex = max(flat.StartIndex-s.base, 0), max(flat.EndIndex-s.base, 0)
	}
	part := &s.item.Content[n]
	c := w.at(eventAnnotation, s)
	c.ContentIndex, c.Annotation, c.AnnotationIndex = n, &flat, len(part.Annotations)
	part.Annotations = append(slices.Clip(part.Annotations), flat)
}

func (w *eventWriter) closePart(s *openItem) {
	if !s.partOpen {
		return
	}
	s.partOpen = false
	n := len(s.item.Content) - 1
	part := &s.item.Content[n]
	if part.Type == "refusal" {
		part.Refusal = string(s.refusal)
		c := w.at(eventRefusalDone, s)
		c.ContentIndex, c.Refusal = n, part.Refusal
	} else {
		part.Text = string(s.buf)
		c := w.at(eventTextDone, s)
		c.ContentIndex, c.Text, c.Logprobs = n, part.Text, part.Logprobs
	}
	final := *part
	c := w.at(eventPartDone, s)
	c.ContentIndex, c.Part = n, &final
}

func (w *eventWriter) closeText(status string) {
	s := w.text
	if s == nil || !s.open {
		return
	}
	w.closePart(s)
	s.item.Status = status
	w.done(s)
}

func (w *eventWriter) image(p *Part) {
	e := Extra{}
	if p.ImageURL != nil {
		if mediaType, data, ok := ParseDataURL(p.ImageURL.URL); ok {
			e["result"] = rawText(data)
			e["output_format"] = rawText(strings.TrimPrefix(mediaType, "image/"))
		} else {
			e["result"], e["url"] = json.RawMessage("null"), rawText(p.ImageURL.URL)
		}
	}
	s := w.announce(&openItem{item: ResponsesItem{Type: "image_generation_call", ID: w.name("ig", &w.counted.image), Status: "in_progress"}})
	s.item.Status, s.item.Extra = "completed", e
	w.done(s)
}

func (w *eventWriter) call(t *ToolCall) {
	w.closeThinking()
	w.closeText("completed")
	s, ok := w.calls[t.Index]
	if !ok {
		w.closeWhole()
		if w.calls == nil {
			w.calls = make(map[int]*openItem)
		}
		s = &openItem{call: t.Index, item: ResponsesItem{Type: "function_call", Status: "in_progress", CallID: t.ID}}
		w.calls[t.Index] = s
	}
	setString(&s.item.CallID, t.ID)
	s.signature += t.Signature
	setString(&s.origin, t.Origin)
	name, input := t.Function.Name, t.Function.Arguments
	if t.Custom != nil {
		name, input = t.Custom.Name, t.Custom.Input
	}
	if t.Custom != nil || t.Type == "custom" {
		s.item.Type = "custom_tool_call"
	}
	if !s.announced || !repeats([]byte(s.item.Name), name, len(s.buf) > 0) {
		s.item.Name += name
	}
	s.item.Extra = mergeExtra(t.Extra, s.item.Extra)
	if !s.announced && (s.item.Name != "" || input != "") {
		w.announceCall(s, t.Index)
	}
	if input == "" || !s.open {
		return
	}
	s.buf = append(s.buf, input...)
	w.at(deltaOf(s), s).Delta = input
}

func deltaOf(s *openItem) string {
	if s.item.Type == "custom_tool_call" {
		return eventInputDelta
	}
	return eventArgumentsDelta
}

func (w *eventWriter) announceCall(s *openItem, index int) {
	if s.item.CallID == "" {
		s.item.CallID = "call_" + w.id + "_" + strconv.Itoa(index)
	}
	s.item.ID = callID(&s.item)
	w.announce(s)
}

// callID is the id that an item of a call is given here.
func callID(it *ResponsesItem) string {
	if it.Type == "custom_tool_call" {
		return "ctc_" + it.CallID
	}
	return "fc_" + it.CallID
}

// closeWhole closes the calls whose arguments are a whole object: nothing can follow in them.
func (w *eventWriter) closeWhole() {
	for _, s := range w.items {
		if s.open && s.item.Type == "function_call" && isObject(string(s.buf)) {
			w.closeCall(s, false)
		}
	}
}

func (w *eventWriter) closeCall(s *openItem, cut bool) {
	t := ToolCall{ID: s.item.CallID}
	if s.item.Type == "custom_tool_call" {
		t.Custom = &CustomCall{Name: s.item.Name, Input: string(s.buf)}
	} else {
		t.Function = FunctionCall{Name: s.item.Name, Arguments: string(s.buf)}
	}
	s.item.Status = "incomplete"
	if t.complete(cut) && !(w.cut && s.call >= w.cutFrom) {
		s.item.Status = "completed"
	}
	if t.Custom != nil {
		s.item.Input = t.Custom.Input
		w.at(eventInputDone, s).Input = s.item.Input
	} else {
		s.item.Arguments = t.Function.Arguments
		if len(s.buf) == 0 && s.item.Arguments != "" {
			w.at(eventArgumentsDelta, s).Delta = s.item.Arguments
		}
		c := w.at(eventArgumentsDone, s)
		c.Arguments, c.Name = s.item.Arguments, s.item.Name
	}
	w.done(s)
}

// finish gives the end of everything that is open, and the last event.
func (w *eventWriter) finish() {
	w.ended = true
	w.begin(&CompletionChunk{})
	whole := w.acc.Response()
	if whole == nil {
		whole = &CompletionResponse{}
	}
	r := &ResponsesResponse{ID: "resp_" + w.id, Object: "response", CreatedAt: whole.Created, Model: whole.Model, Status: "completed",
		ServiceTier: whole.ServiceTier, Usage: whole.Usage, Extra: maps.Clone(whole.Extra)}
	var choice Choice
	if len(whole.Choices) > 0 && whole.Choices[0].Index == 0 {
		choice = whole.Choices[0]
	}
	reason := choice.FinishReason
	for _, c := range w.acc.choices { // calls make it tool_calls; here what cut them counts
		if c.index == 0 {
			reason = c.finish
		}
	}
	last := "completed"
	switch reason {
	case FinishLength:
		r.Status, r.IncompleteReason, last = "incomplete", "max_output_tokens", "incomplete"
	case FinishContentFilter:
		r.Status, r.IncompleteReason, last = "incomplete", "content_filter", "incomplete"
	}
	w.closeThinking()
	if m := &choice.Message; m.Audio != nil {
		w.audio(m.Audio)
	}
	if len(w.waiting) > 0 {
		w.textPart()
	}
	if w.text != nil {
		// The message's own unknown members; and its end is the answer's if nothing came after it.
		w.text.item.Extra = choice.Message.Extra
		w.closeText(last)
	}
	for _, i := range slices.Sorted(maps.Keys(w.calls)) {
		s := w.calls[i]
		if !s.announced {
			w.announceCall(s, i)
		}
		if s.open {
			w.closeCall(s, reason == FinishLength)
		}
	}
	w.carry(&choice.Message)
	extra := func(name, value string) {
		if value == "" {
			return
		}
		if r.Extra == nil {
			r.Extra = make(Extra)
		}
		r.Extra[name] = rawText(value)
	}
	r.Extra = mergeExtra(r.Extra, choice.Extra)
	if r.Extra != nil {
		r.Extra = maps.Clone(r.Extra)
	}
	extra("system_fingerprint", whole.SystemFingerprint)
	extra("stop_sequence", choice.StopSequence)
	if n := choice.NativeFinishReason; n != string(choice.FinishReason) && n != string(reason) {
		extra("native_finish_reason", n)
	}
	for _, s := range w.items {
		r.Output = append(r.Output, s.item)
	}
	w.events.end(r)
}

func (w *eventWriter) audio(a *AudioAnswer) {
	var e jsonx.Encoder
	a.encode(&e)
	part := ResponsesContent{Type: "output_audio"}
	d := jsonx.NewDecoder(e.B)
	for d.Object(); d.More(); {
		keep(&part.Extra, d)
	}
	s := w.message()
	w.closePart(s)
	s.item.Content = append(slices.Clip(s.item.Content), part)
	for _, typ := range []string{eventPartAdded, eventPartDone} {
		p := part
		c := w.at(typ, s)
		c.ContentIndex, c.Part = len(s.item.Content)-1, &p
	}
}

// carry adds an item for what belongs to the message as a whole.
func (w *eventWriter) carry(m *Message) {
	c := carrier{Native: m.Native}
	if slices.ContainsFunc(m.Images, func(p Part) bool {
		u := p.ImageURL
		return len(p.Extra) > 0 || p.CacheControl != nil || u == nil || u.Detail != "" || u.Format != "" || len(u.Extra) > 0
	}) {
		for _, p := range m.Images {
			if p.ImageURL != nil {
				u := *p.ImageURL
				u.URL = ""
				p.ImageURL = &u
			}
			c.Images = append(c.Images, p)
		}
	}
	for _, s := range w.items {
		if s.signature != "" {
			c.Calls = append(c.Calls, carriedCall{s.item.CallID, s.signature, s.origin})
		}
	}
	if c.Native == nil && len(c.Calls) == 0 && len(c.Images) == 0 {
		return
	}
	s := w.announce(&openItem{item: ResponsesItem{Type: "reasoning", ID: w.name("rs", &w.counted.think), Status: "in_progress"}})
	s.item.Status, s.item.EncryptedContent = "completed", c.String()
	w.done(s)
}
