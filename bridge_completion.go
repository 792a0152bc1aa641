package llm

// Completion over the Responses operation: the request, the answer, and the stream of events as chunks.
//
// A message becomes items: its reasoning, its text, its calls, in this order. A turn of the Responses API can have
// another order (reasoning, call, reasoning, call) and more in it (searches, several messages with a phase each);
// then Message.Native has the items as they came, and they go back instead of the flat fields. Whether that is
// needed is found out by trying: see nativeOutput.
//
// Nothing is sent that the caller has not set, except strict: false for functions whose Strict is nil, since the
// two APIs differ in what its absence means, and include: reasoning.encrypted_content where store is false, without
// which reasoning could not be given back.

import (
	"bytes"
	"encoding/json"
	"maps"
	"mime"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/llm-go/llm/internal/jsonx"
)

// responsesOrigin is the dialect of the blobs of OpenAI's Responses API: encrypted reasoning, and native output.
const responsesOrigin = "openai-responses"

const includeEncrypted, includeLogprobs = "reasoning.encrypted_content", "message.output_text.logprobs"

// toResponsesRequest translates a request. It shares what it does not change.
func toResponsesRequest(call *Call, req *CompletionRequest) (*ResponsesRequest, error) {
	if err := onlyInChat(call, req); err != nil {
		return nil, err
	}
	r := &ResponsesRequest{
		MaxOutputTokens: req.MaxTokens, Temperature: req.Temperature, TopP: req.TopP, TopLogprobs: req.TopLogprobs,
		ParallelToolCalls: req.ParallelToolCalls, ServiceTier: req.ServiceTier, Store: req.Store, Metadata: req.Metadata,
		User: req.User, SafetyIdentifier: req.SafetyIdentifier, PromptCacheKey: req.PromptCacheKey,
		PromptCacheRetention: req.PromptCacheRetention, Extra: req.Extra,
	}
	if req.Logprobs || req.TopLogprobs != nil {
		r.Include = append(r.Include, includeLogprobs)
	}
	if req.Store != nil && !*req.Store {
		r.Include = append(r.Include, includeEncrypted)
	}
	if o := req.StreamOptions; o != nil && o.IncludeObfuscation != nil { // usage always comes
		r.StreamOptions = &StreamOptions{IncludeObfuscation: o.IncludeObfuscation}
	}
	if req.ResponseFormat != nil || req.Verbosity != "" {
		r.Text = &ResponsesText{Format: req.ResponseFormat, Verbosity: req.Verbosity}
	}
	var err error
	if r.Reasoning, err = reasoningOf(call, req); err != nil {
		return nil, err
	}
	w := itemWriter{call: call}
	w.tools(req, r)
	for i := range req.Messages {
		w.at = "messages[" + strconv.Itoa(i) + "]"
		if err := w.message(&req.Messages[i]); err != nil {
			return nil, err
		}
	}
	r.Input = w.items
	return r, nil
}

// onlyInChat refuses the fields that the Responses API does not have.
func onlyInChat(call *Call, req *CompletionRequest) error {
	speech := req.Audio != nil || slices.ContainsFunc(req.Modalities, func(s string) bool { return s != "text" })
	for _, p := range []struct {
		set  bool
		name string
	}{
		{req.TopK != 0, "top_k"}, {req.N > 1, "n"}, {len(req.Stop) > 0, "stop"}, {req.Seed != nil, "seed"},
		{req.FrequencyPenalty != nil, "frequency_penalty"}, {req.PresencePenalty != nil, "presence_penalty"},
		{len(req.LogitBias) > 0, "logit_bias"}, {req.Prediction != nil, "prediction"}, {speech, "modalities"},
		{req.CacheControl != nil, "cache_control"},
	} {
		if p.set {
			if err := call.Unsupported(p.name, "the model is served by the Responses API, which does not have it"); err != nil {
				return err
			}
		}
	}
	return nil
}

func reasoningOf(call *Call, req *CompletionRequest) (*ResponsesReasoning, error) {
	r := ResponsesReasoning{Effort: req.ReasoningEffort}
	if t := req.Thinking; t != nil {
		if t.Type == "disabled" {
			r.Effort = EffortNone
		} else if t.BudgetTokens != nil {
			if err := call.Unsupported("thinking.budget_tokens", "the Responses API takes reasoning_effort"); err != nil {
				return nil, err
			}
		}
		if t.Display != "" && t.Display != "omitted" && t.Type != "disabled" {
			r.Summary = "auto"
		}
	}
	if r.Effort == "" && r.Summary == "" {
		return nil, nil
	}
	return &r, nil
}

// itemWriter makes the items of a conversation.
type itemWriter struct {
	call   *Call
	items  []ResponsesItem
	custom map[string]bool // names of custom tools and, later, ids of their calls
	at     string          // "messages[2]"
	marked bool            // the warning about cache marks was given
}

func (w *itemWriter) warn(code, member, message string) {
	w.call.Warn(Warning{Code: code, Param: w.at + member, Message: message})
}

func (w *itemWriter) noMark(member string) {
	if !w.marked {
		w.marked = true
		w.warn("dropped_param", member, "the Responses API takes no cache marks")
	}
}

func (w *itemWriter) tools(req *CompletionRequest, r *ResponsesRequest) {
	w.custom = make(map[string]bool)
	no := false
	for i := range req.Tools {
		t := &req.Tools[i]
		if t.CacheControl != nil {
			w.at = "tools[" + strconv.Itoa(i) + "]"
			w.noMark(".cache_control")
		}
		switch {
		case t.Function != nil:
			f := t.Function
			tool := ResponsesTool{Type: "function", Name: f.Name, Description: f.Description, Parameters: f.Parameters,
				Strict: f.Strict, Extra: mergeExtra(f.Extra, t.Extra)}
			if tool.Strict == nil {
				tool.Strict = &no
			}
			r.Tools = append(r.Tools, tool)
		case t.Custom != nil:
			c := t.Custom
			w.custom[c.Name] = true
			r.Tools = append(r.Tools, ResponsesTool{Type: "custom", Name: c.Name, Description: c.Description,
				Format: flatFormat(c.Format), Extra: mergeExtra(c.Extra, t.Extra)})
		default:
			r.Tools = append(r.Tools, ResponsesTool{Type: t.Type, Extra: t.Extra})
		}
	}
	if s := req.WebSearchOptions; s != nil {
		e := maps.Clone(s.Extra)
		if e == nil {
			e = make(Extra, 2)
		}
		if s.SearchContextSize != "" {
			e["search_context_size"] = s.SearchContextSize
		}
		if l := s.UserLocation; l != nil {
			e["user_location"] = approximate{l}
		}
		r.Tools = append(r.Tools, ResponsesTool{Type: "web_search", Extra: e})
	}
	r.ToolChoice = req.ToolChoice
	if c := req.ToolChoice; c != nil && slices.ContainsFunc(c.Allowed, func(name string) bool { return w.custom[name] }) {
		// ToolChoice.Allowed has names; here the type stands beside each.
		tools := make([]any, 0, len(c.Allowed))
		for _, name := range c.Allowed {
			typ := "function"
			if w.custom[name] {
				typ = "custom"
			}
			tools = append(tools, map[string]any{"type": typ, "name": name})
		}
		mode := c.Mode
		if mode == "" {
			mode = "auto"
		}
		r.ToolChoice = &ToolChoice{Type: "allowed_tools", Extra: Extra{"mode": mode, "tools": tools}}
	}
}

// approximate is a user's location with the type that the API wants beside it.
type approximate struct{ *UserLocation }

// AppendJSON makes approximate a value that an Extra can hold.
func (a approximate) AppendJSON(b []byte) ([]byte, error) {
	e := jsonx.Encoder{B: b}
	e.Object()
	e.Name("type")
	e.Str("approximate")
	e.OptStr("city", a.City)
	e.OptStr("country", a.Country)
	e.OptStr("region", a.Region)
	e.OptStr("timezone", a.Timezone)
	e.EndObject()
	return e.B, e.Err()
}

// MarshalJSON is for those who look into the Extra.
func (a approximate) MarshalJSON() ([]byte, error) { return a.AppendJSON(nil) }

// mergeExtra is both, a's members first; it shares where it can.
func mergeExtra(a, b Extra) Extra {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 {
		return a
	}
	m := maps.Clone(b)
	maps.Copy(m, a)
	return m
}

// flatFormat takes a custom tool's grammar out of its object: {"type":"grammar","syntax":…,"definition":…}.
func flatFormat(format any) any {
	m := asMap(format)
	inner := asMap(m["grammar"])
	if m == nil || inner == nil {
		return format
	}
	delete(m, "grammar")
	maps.Copy(m, inner)
	return m
}

// asMap is a JSON object as a map of its own; nil for what is no object.
func asMap(v any) map[string]any {
	if v == nil {
		return nil
	}
	var e jsonx.Encoder
	e.Any(v)
	if e.Err() != nil {
		return nil
	}
	d := jsonx.NewDecoder(e.B)
	if d.Kind() != jsonx.Object {
		return nil
	}
	m, _ := d.Any().(map[string]any)
	if d.End() != nil {
		return nil
	}
	return m
}

// message adds the items of one message.
func (w *itemWriter) message(m *Message) error {
	if m.Name != "" {
		w.warn("dropped_param", ".name", "the Responses API takes no names")
	}
	if m.CacheControl != nil {
		w.noMark(".cache_control")
	}
	switch m.Role {
	case RoleAssistant:
		return w.assistant(m)
	case RoleTool:
		return w.result(m)
	}
	parts, err := w.content(m.Content, "input_text")
	if err != nil {
		return err
	}
	if len(parts) == 0 {
		parts = []ResponsesContent{{Type: "input_text"}}
	}
	w.items = append(w.items, ResponsesItem{Type: "message", Role: m.Role, Content: parts})
	return nil
}

func (w *itemWriter) result(m *Message) error {
	parts, err := w.content(m.Content, "input_text")
	if err != nil {
		return err
	}
	typ := "function_call_output"
	if w.custom["id "+m.ToolCallID] {
		typ = "custom_tool_call_output"
	}
	w.items = append(w.items, ResponsesItem{Type: typ, CallID: m.ToolCallID, Output: parts})
	return nil
}

func (w *itemWriter) assistant(m *Message) error {
	for i := range m.ToolCalls {
		if m.ToolCalls[i].Custom != nil {
			w.custom["id "+m.ToolCalls[i].ID] = true
		}
	}
	if n := m.Native; n != nil {
		if n.Origin == responsesOrigin {
			var items []ResponsesItem
			if err := json.Unmarshal(n.Content, &items); err == nil {
				w.items = append(w.items, items...)
				return nil
			}
		}
		w.warn("dropped_blob", ".native", "it belongs to another dialect; the message's other fields are sent")
	}
	if len(m.Images) > 0 {
		w.warn("dropped_param", ".images", "earlier answers cannot hold images here; give them in a user message")
	}
	lost := false
	for i := range m.ThinkingBlocks {
		switch b := &m.ThinkingBlocks[i]; {
		case b.Origin == responsesOrigin:
			w.items = append(w.items, b.item())
		case b.Signature != "" || b.Data != "":
			lost = true
		}
	}
	if lost {
		w.warn("dropped_blob", ".thinking_blocks", "signed or encrypted thinking goes only to the dialect that made it")
	}
	content := m.Content
	if a := m.Audio; a != nil {
		if len(content) == 0 && a.Transcript != "" {
			content = Content{TextPart(a.Transcript)}
			w.warn("changed_param", ".audio", "earlier speech is sent as its transcript")
		} else {
			w.warn("dropped_param", ".audio", "earlier speech cannot be sent here")
		}
	}
	parts, err := w.content(content, "output_text")
	if err != nil {
		return err
	}
	if m.Refusal != "" {
		parts = append(parts, ResponsesContent{Type: "refusal", Refusal: m.Refusal})
	}
	if len(m.Annotations) > 0 {
		if i := slices.IndexFunc(parts, func(p ResponsesContent) bool { return p.Type == "output_text" }); i >= 0 {
			for j := range m.Annotations {
				parts[i].Annotations = append(parts[i].Annotations, m.Annotations[j].flat())
			}
		}
	}
	if len(parts) > 0 {
		w.items = append(w.items, ResponsesItem{Type: "message", Role: RoleAssistant, Content: parts})
	}
	lost = false
	for i := range m.ToolCalls {
		c := &m.ToolCalls[i]
		lost = lost || c.Signature != "" && c.Origin != responsesOrigin
		if c.Custom != nil {
			w.items = append(w.items, ResponsesItem{Type: "custom_tool_call", CallID: c.ID, Name: c.Custom.Name, Input: c.Custom.Input})
		} else {
			w.items = append(w.items, ResponsesItem{Type: "function_call", CallID: c.ID, Name: c.Function.Name, Arguments: c.Function.Arguments})
		}
	}
	if lost {
		w.warn("dropped_blob", ".tool_calls", "the calls' signatures go only to the dialect that made them")
	}
	return nil
}

// content translates parts; texts get the given type.
func (w *itemWriter) content(c Content, text string) ([]ResponsesContent, error) {
	if len(c) == 0 {
		return nil, nil
	}
	parts := make([]ResponsesContent, 0, len(c))
	for i := range c {
		p := &c[i]
		at := ".content[" + strconv.Itoa(i) + "]"
		if p.CacheControl != nil {
			w.noMark(at + ".cache_control")
		}
		out := ResponsesContent{Type: p.Type, Extra: p.Extra}
		switch {
		case p.Type == "text" || p.Type == "":
			out.Type, out.Text = text, p.Text
		case p.ImageURL != nil:
			out.Type, out.ImageURL, out.Detail = "input_image", p.ImageURL.URL, p.ImageURL.Detail
			out.Extra = mergeExtra(p.ImageURL.Extra, p.Extra)
		case p.InputAudio != nil:
			out.Type, out.InputAudio = "input_audio", p.InputAudio
		case p.File != nil:
			out.Type = "input_file"
			if err := w.file(&out, p.File, at); err != nil {
				return nil, err
			}
			out.Extra = mergeExtra(p.File.Extra, p.Extra)
		case p.VideoURL != nil:
			return nil, InvalidRequest(w.at+at, "the Responses API takes no video; leave the part out or ask another provider")
		case p.Type == "refusal":
			out.Refusal = p.Refusal
		default:
			out.Text = p.Text
		}
		parts = append(parts, out)
	}
	return parts, nil
}

// file makes a file part; data goes as a data: URL.
func (w *itemWriter) file(out *ResponsesContent, f *File, at string) error {
	out.FileID, out.FileURL, out.Filename, out.FileData = f.FileID, f.FileURL, f.Filename, f.FileData
	if f.FileData == "" || strings.HasPrefix(f.FileData, "data:") {
		return nil
	}
	mediaType := f.Format
	if mediaType == "" {
		mediaType, _, _ = strings.Cut(mime.TypeByExtension(path.Ext(f.Filename)), ";")
	}
	if mediaType == "" {
		return InvalidRequest(w.at+at, "the file's media type is not known; set Format, or give FileData as a data: URL")
	}
	out.FileData = "data:" + mediaType + ";base64," + f.FileData
	return nil
}

// flat is the annotation as the Responses API has it, with all members on one level.
func (a *Annotation) flat() ResponsesAnnotation {
	f := ResponsesAnnotation{Type: a.Type, Extra: a.Extra}
	switch {
	case a.URLCitation != nil:
		c := a.URLCitation
		f.URL, f.Title, f.StartIndex, f.EndIndex = c.URL, c.Title, c.StartIndex, c.EndIndex
		f.Extra = mergeExtra(c.Extra, f.Extra)
		f.cite(c.CitedText)
	case a.FileCitation != nil:
		c := a.FileCitation
		f.FileID, f.Filename, f.StartIndex, f.EndIndex, f.Index = c.FileID, c.Filename, c.StartIndex, c.EndIndex, c.DocumentIndex
		f.Extra = mergeExtra(c.Extra, f.Extra)
		f.cite(c.CitedText)
	default:
		// Members of other types are in Extra; those that have a field here go there.
		var e jsonx.Encoder
		a.encode(&e)
		if e.Err() == nil {
			var g ResponsesAnnotation
			if g.UnmarshalJSON(e.B) == nil {
				return g
			}
		}
	}
	return f
}

func (a *ResponsesAnnotation) cite(text string) {
	if text == "" {
		return
	}
	if a.Extra = maps.Clone(a.Extra); a.Extra == nil {
		a.Extra = make(Extra, 1)
	}
	a.Extra["cited_text"] = rawText(text)
}

func rawText(s string) json.RawMessage { return jsonx.AppendString(nil, s) }

// nested is the reverse of flat. shift is what the part's text begins at in the message's.
func (a *ResponsesAnnotation) nested(shift int) Annotation {
	n := Annotation{Type: a.Type}
	cited := ""
	extra := a.Extra
	if raw, ok := extra["cited_text"].(json.RawMessage); ok && json.Unmarshal(raw, &cited) == nil {
		extra = maps.Clone(extra)
		if delete(extra, "cited_text"); len(extra) == 0 {
			extra = nil
		}
	}
	start, end := a.StartIndex, a.EndIndex
	if start != 0 || end != 0 {
		start, end = start+shift, end+shift
	}
	switch a.Type {
	case "url_citation":
		n.URLCitation = &URLCitation{StartIndex: start, EndIndex: end, URL: a.URL, Title: a.Title, CitedText: cited, Extra: extra}
	case "file_citation":
		n.FileCitation = &FileCitation{FileID: a.FileID, Filename: a.Filename, DocumentIndex: a.Index, StartIndex: start, EndIndex: end,
			CitedText: cited, Extra: extra}
	default:
		b := *a
		b.StartIndex, b.EndIndex = start, end
		var e jsonx.Encoder
		b.encode(&e)
		if e.Err() == nil {
			_ = n.UnmarshalJSON(e.B) // all members but the type go to Extra
		}
	}
	return n
}

// item is the reasoning item that the block was made of, member for member.
func (t *ThinkingBlock) item() ResponsesItem {
	it := ResponsesItem{Type: "reasoning", ID: t.ID, EncryptedContent: t.Data, Extra: t.Extra, Summary: []ResponsesContent{}}
	if t.Thinking != "" {
		it.Summary = []ResponsesContent{{Type: "summary_text", Text: t.Thinking}}
	}
	if len(t.Extra) == 0 {
		return it
	}
	it.Extra = maps.Clone(t.Extra)
	if parts, ok := takeParts(it.Extra, "content"); ok {
		it.Content, it.Summary = parts, []ResponsesContent{}
	}
	if parts, ok := takeParts(it.Extra, "summary"); ok {
		it.Summary = parts
	}
	var status string
	if raw, ok := it.Extra["status"].(json.RawMessage); ok && json.Unmarshal(raw, &status) == nil {
		it.Status = status
		delete(it.Extra, "status")
	}
	return it
}

func takeParts(e Extra, name string) ([]ResponsesContent, bool) {
	v, ok := e[name]
	if !ok {
		return nil, false
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, false
	}
	var parts []ResponsesContent
	if json.Unmarshal(raw, &parts) != nil {
		return nil, false
	}
	delete(e, name)
	return parts, true
}

// blockExtra is what of a reasoning item the fields of a ThinkingBlock cannot say.
func (it *ResponsesItem) blockExtra() Extra {
	plain := len(it.Content) == 0 && (len(it.Summary) == 0 ||
		len(it.Summary) == 1 && it.Summary[0].Type == "summary_text" && it.Summary[0].Text != "" && len(it.Summary[0].Extra) == 0)
	odd := it.Status != "" && it.Status != "completed"
	if plain && !odd {
		return it.Extra
	}
	e := maps.Clone(it.Extra)
	if e == nil {
		e = make(Extra, 3)
	}
	list := func(name string, parts []ResponsesContent) {
		var enc jsonx.Encoder
		enc.Array()
		for i := range parts {
			parts[i].encode(&enc)
		}
		enc.EndArray()
		e[name] = json.RawMessage(enc.B)
	}
	if !plain {
		if len(it.Content) > 0 {
			list("content", it.Content)
		}
		if len(it.Summary) > 0 {
			list("summary", it.Summary)
		}
	}
	if odd {
		e["status"] = rawText(it.Status)
	}
	return e
}

// thinking is the readable text of a reasoning item.
func (it *ResponsesItem) thinking() string {
	var b strings.Builder
	for _, parts := range [][]ResponsesContent{it.Content, it.Summary} {
		for i := range parts {
			if t := parts[i].Text; t != "" {
				if b.Len() > 0 {
					b.WriteString(paragraph)
				}
				b.WriteString(t)
			}
		}
	}
	return b.String()
}

// paragraph stands between the parts of a summary.
const paragraph = "\n\n"

// fromResponses translates an answer: what the stream of it would fold to.
func fromResponses(r *ResponsesResponse) (*CompletionResponse, error) {
	switch r.Status {
	case "failed":
		return nil, r.failure()
	case "queued", "in_progress":
		return nil, Malformed("the response is not finished, its status is "+r.Status+"; a completion cannot wait for a background response", nil)
	}
	var reader eventReader
	var b chunkBlock
	reader.read(&ResponsesChunk{Type: eventCompleted, Response: r}, &b)
	var acc Accumulator
	acc.Add(&b.CompletionChunk)
	return acc.Response(), nil
}

// fromResponsesStream reads events as chunks.
func fromResponsesStream(next Next[ResponsesChunk]) Next[CompletionChunk] {
	reader := &eventReader{keep: true}
	return func() (*CompletionChunk, error) {
		for {
			ev, err := next()
			if err != nil {
				return nil, err
			}
			b := &chunkBlock{}
			if ev.Type == eventFailed && ev.Response != nil {
				return nil, ev.Response.failure()
			}
			if reader.read(ev, b) {
				return &b.CompletionChunk, nil
			}
		}
	}
}

// chunkBlock is one chunk with room for its one choice: a single allocation.
type chunkBlock struct {
	CompletionChunk
	choice [1]ChunkChoice
}

// eventReader turns the events of a Responses stream into chunks of a completion. It takes what the closing events
// repeat only where the deltas before were missing, so hosts that send no deltas, or nothing but the end, are read
// as well.
type eventReader struct {
	keep bool // collect the items, in case the last event has none

	id, model, tier string
	created         int64

	byIndex map[int]*itemReader
	last    *itemReader
	output  []*itemReader // in order of appearance, with keep
	calls   int
	blocks  int
	runes   int  // characters of text so far: annotations count them
	thought bool // thinking text has been given
}

// itemReader is what is known of one item.
type itemReader struct {
	index   int
	typ     string
	started bool
	done    bool
	number  int // the call's, or the block's
	seen    int // bytes of arguments, input or thinking that were given
	part    int // the part of the thinking that was last added to
	// identified and named: the call's id and name were given.
	identified, named bool
	parts             []partReader
	item              *ResponsesItem
}

const maxParts = 1000

// partReader is what is known of one part of a message.
type partReader struct {
	index, seen, base, annotations, tokens int
}

func (r *eventReader) item(index int) *itemReader {
	if r.last != nil && r.last.index == index {
		return r.last
	}
	it, ok := r.byIndex[index]
	if !ok {
		it = &itemReader{index: index}
		if r.byIndex == nil {
			r.byIndex = make(map[int]*itemReader)
		}
		r.byIndex[index] = it
		if r.keep {
			r.output = append(r.output, it)
		}
	}
	r.last = it
	return it
}

func (r *eventReader) partOf(it *itemReader, index int) *partReader {
	for i := range it.parts {
		if it.parts[i].index == index {
			return &it.parts[i]
		}
	}
	if len(it.parts) == maxParts { // no answer has so many; a hostile host must not make this slow
		return &it.parts[maxParts-1]
	}
	it.parts = append(it.parts, partReader{index: index, base: r.runes})
	return &it.parts[len(it.parts)-1]
}

// read fills b from an event, and says whether it is worth sending on.
func (r *eventReader) read(ev *ResponsesChunk, b *chunkBlock) bool {
	if ev.Response != nil {
		r.head(ev.Response)
	}
	b.ID, b.Model, b.Created, b.ServiceTier = r.id, r.model, r.created, r.tier
	b.Object = "chat.completion.chunk"
	b.choice[0] = ChunkChoice{}
	b.Choices = b.choice[:]
	c := &b.choice[0]
	d := &c.Delta
	switch ev.Type {
	case eventTextDelta:
		r.text(r.start(ev, "message", d), ev.ContentIndex, ev.Delta, d)
		if len(ev.Logprobs) > 0 {
			c.Logprobs = &Logprobs{Content: ev.Logprobs}
			r.partOf(r.last, ev.ContentIndex).tokens += len(ev.Logprobs)
		}
		return ev.Delta != "" || c.Logprobs != nil
	case eventTextDone:
		it := r.start(ev, "message", d)
		if p := r.partOf(it, ev.ContentIndex); p.seen < len(ev.Text) {
			r.text(it, ev.ContentIndex, ev.Text[p.seen:], d)
			return true
		}
	case eventRefusalDelta:
		it := r.start(ev, "message", d)
		r.partOf(it, ev.ContentIndex).seen += len(ev.Delta)
		d.Refusal = ev.Delta
		return ev.Delta != ""
	case eventRefusalDone:
		it := r.start(ev, "message", d)
		if p := r.partOf(it, ev.ContentIndex); p.seen < len(ev.Refusal) {
			d.Refusal = ev.Refusal[p.seen:]
			p.seen = len(ev.Refusal)
			return true
		}
	case eventAnnotation:
		if ev.Annotation == nil {
			return false
		}
		p := r.partOf(r.start(ev, "message", d), ev.ContentIndex)
		p.annotations++
		d.Annotations = []Annotation{ev.Annotation.nested(p.base)}
		return true
	case eventArgumentsDelta, eventInputDelta:
		it := r.start(ev, callType(ev.Type == eventInputDelta), d)
		r.arguments(it, ev.Delta, d)
		return len(d.ToolCalls) > 0
	case eventArgumentsDone, eventInputDone:
		it := r.start(ev, callType(ev.Type == eventInputDone), d)
		if whole := ev.Arguments + ev.Input; it.seen < len(whole) {
			r.arguments(it, whole[it.seen:], d)
		}
		return len(d.ToolCalls) > 0
	case eventSummaryDelta:
		r.thinking(r.start(ev, "reasoning", d), -1-ev.SummaryIndex, ev.Delta, d)
		return len(d.ThinkingBlocks) > 0
	case eventReasoningDelta:
		r.thinking(r.start(ev, "reasoning", d), 1+ev.ContentIndex, ev.Delta, d)
		return len(d.ThinkingBlocks) > 0
	case eventItemAdded:
		if ev.Item == nil {
			return false
		}
		r.begin(r.item(ev.OutputIndex), ev.Item, d)
		return len(d.ToolCalls) > 0 || len(d.ThinkingBlocks) > 0
	case eventItemDone:
		if ev.Item == nil {
			return false
		}
		return r.finish(r.item(ev.OutputIndex), ev.Item, c)
	case eventCompleted, eventIncomplete:
		r.end(ev.Response, b)
		return true
	case eventCreated:
		d.Role = RoleAssistant
		return true
	}
	return false
}

func (r *eventReader) head(resp *ResponsesResponse) {
	setString(&r.id, resp.ID)
	setString(&r.model, resp.Model)
	setString(&r.tier, resp.ServiceTier)
	if resp.CreatedAt != 0 {
		r.created = resp.CreatedAt
	}
}

func callType(custom bool) string {
	if custom {
		return "custom_tool_call"
	}
	return "function_call"
}

// start is the item of an event, begun as the given type if no event did that before.
func (r *eventReader) start(ev *ResponsesChunk, typ string, d *Delta) *itemReader {
	it := r.item(ev.OutputIndex)
	if !it.started {
		r.begin(it, &ResponsesItem{Type: typ, ID: ev.ItemID, Name: ev.Name}, d)
	}
	return it
}

// begin numbers an item and gives what is known at its start.
func (r *eventReader) begin(it *itemReader, item *ResponsesItem, d *Delta) {
	if it.started {
		return
	}
	it.started, it.typ = true, item.Type
	switch item.Type {
	case "function_call", "custom_tool_call":
		it.number = r.calls
		r.calls++
		call := ToolCall{Index: it.number, ID: item.CallID, Type: "function"}
		it.identified, it.named = item.CallID != "", item.Name != ""
		if item.Type == "function_call" {
			call.Function = FunctionCall{Name: item.Name, Arguments: item.Arguments}
			it.seen = len(item.Arguments)
		} else {
			call.Type, call.Custom = "custom", &CustomCall{Name: item.Name, Input: item.Input}
			it.seen = len(item.Input)
		}
		d.ToolCalls = append(d.ToolCalls, call)
	case "reasoning":
		it.number = r.blocks
		r.blocks++
		d.ThinkingBlocks = append(d.ThinkingBlocks, ThinkingBlock{Index: it.number, Type: "reasoning", ID: item.ID, Origin: responsesOrigin})
	}
}

// identify gives the call's id and name, where they come only with the complete item.
func (r *eventReader) identify(it *itemReader, item *ResponsesItem, d *Delta) {
	c := ToolCall{Index: it.number}
	if !it.identified {
		if c.ID = item.CallID; c.ID == "" { // a made-up id must be the same each time
			if c.ID = item.ID; c.ID == "" {
				c.ID = "call_" + strconv.Itoa(it.number)
			}
		}
	}
	name := item.Name
	if it.named {
		name = ""
	}
	if it.typ == "custom_tool_call" {
		c.Custom = &CustomCall{Name: name}
	} else {
		c.Function.Name = name
	}
	d.ToolCalls = append(d.ToolCalls, c)
}

func (r *eventReader) text(it *itemReader, part int, s string, d *Delta) {
	p := r.partOf(it, part)
	p.seen += len(s)
	r.runes += utf8.RuneCountInString(s)
	if d.Content == "" {
		d.Content = s
	} else {
		d.Content += s
	}
}

func (r *eventReader) arguments(it *itemReader, s string, d *Delta) {
	if s == "" {
		return
	}
	it.seen += len(s)
	if len(d.ToolCalls) > 0 && d.ToolCalls[len(d.ToolCalls)-1].Index == it.number {
		c := &d.ToolCalls[len(d.ToolCalls)-1]
		if c.Custom != nil {
			c.Custom.Input += s
		} else {
			c.Function.Arguments += s
		}
		return
	}
	c := ToolCall{Index: it.number}
	if it.typ == "custom_tool_call" {
		c.Custom = &CustomCall{Input: s}
	} else {
		c.Function.Arguments = s
	}
	d.ToolCalls = append(d.ToolCalls, c)
}

// thinking adds to a block. part is any number that differs from part to part and is not 0.
func (r *eventReader) thinking(it *itemReader, part int, s string, d *Delta) {
	if s == "" {
		return
	}
	text := s
	if it.seen > 0 && it.part != part {
		text = paragraph + s
	}
	it.part = part
	it.seen += len(text)
	shown := text
	if r.thought && it.seen == len(text) {
		shown = paragraph + text // between two blocks
	}
	r.thought = true
	d.ReasoningContent += shown
	r.block(it, d).Thinking += text
}

// block is the delta's fragment of the item's block.
func (r *eventReader) block(it *itemReader, d *Delta) *ThinkingBlock {
	if n := len(d.ThinkingBlocks); n == 0 || d.ThinkingBlocks[n-1].Index != it.number {
		d.ThinkingBlocks = append(d.ThinkingBlocks, ThinkingBlock{Index: it.number})
	}
	return &d.ThinkingBlocks[len(d.ThinkingBlocks)-1]
}

// finish gives what the complete item has beyond the deltas.
func (r *eventReader) finish(it *itemReader, item *ResponsesItem, c *ChunkChoice) bool {
	if it.done {
		return false
	}
	d := &c.Delta
	r.begin(it, item, d)
	it.done = true
	if r.keep {
		it.item = item
	}
	switch item.Type {
	case "message":
		r.finishMessage(it, item, c)
	case "function_call", "custom_tool_call":
		if !it.identified || !it.named {
			r.identify(it, item, d)
		}
		if whole := item.Arguments + item.Input; it.seen < len(whole) {
			r.arguments(it, whole[it.seen:], d)
		}
	case "reasoning":
		if whole := item.thinking(); it.seen < len(whole) {
			if it.seen > 0 {
				r.thinking(it, it.part, whole[it.seen:], d)
			} else {
				r.thinking(it, 1, whole, d)
			}
		}
		if extra := item.blockExtra(); item.EncryptedContent != "" || len(extra) > 0 || item.ID != "" {
			b := r.block(it, d)
			b.ID, b.Data, b.Extra = item.ID, item.EncryptedContent, extra
		}
	case "image_generation_call":
		if p, ok := item.picture(); ok {
			d.Images = append(d.Images, p)
		}
	}
	return d.Content != "" || d.Refusal != "" || len(d.ToolCalls) > 0 || len(d.ThinkingBlocks) > 0 || len(d.Annotations) > 0 ||
		len(d.Images) > 0 || c.Logprobs != nil
}

func (r *eventReader) finishMessage(it *itemReader, item *ResponsesItem, c *ChunkChoice) {
	d := &c.Delta
	for i := range item.Content {
		part := &item.Content[i]
		p := r.partOf(it, i)
		switch part.Type {
		case "output_text":
			if p.tokens < len(part.Logprobs) {
				if c.Logprobs == nil {
					c.Logprobs = &Logprobs{}
				}
				c.Logprobs.Content = append(c.Logprobs.Content, part.Logprobs[p.tokens:]...)
				p.tokens = len(part.Logprobs)
			}
			if p.seen < len(part.Text) {
				r.text(it, i, part.Text[p.seen:], d)
			}
		case "refusal":
			if p.seen < len(part.Refusal) {
				d.Refusal += part.Refusal[p.seen:]
				p.seen = len(part.Refusal)
			}
		}
		for p.annotations < len(part.Annotations) {
			d.Annotations = append(d.Annotations, part.Annotations[p.annotations].nested(p.base))
			p.annotations++
		}
	}
}

// picture is the image that an image_generation_call made.
func (it *ResponsesItem) picture() (Part, bool) {
	var result, format string
	if raw, ok := it.Extra["result"].(json.RawMessage); !ok || json.Unmarshal(raw, &result) != nil || result == "" {
		return Part{}, false
	}
	if raw, ok := it.Extra["output_format"].(json.RawMessage); !ok || json.Unmarshal(raw, &format) != nil || format == "" {
		format = "png"
	}
	return ImagePart("data:image/" + format + ";base64," + result), true
}

// end gives what the last event has: items that were not streamed, why the answer ended, and the usage.
func (r *eventReader) end(resp *ResponsesResponse, b *chunkBlock) {
	if resp == nil {
		resp = &ResponsesResponse{}
	}
	c := &b.choice[0]
	for i := range resp.Output {
		r.finish(r.item(i), &resp.Output[i], c)
	}
	output := resp.Output
	if len(output) == 0 {
		output = r.collected()
	}
	c.Delta.Role = RoleAssistant
	c.Delta.Native = nativeOutput(output)
	c.FinishReason, c.NativeFinishReason = FinishStop, resp.Status
	switch {
	case resp.IncompleteReason != "":
		c.NativeFinishReason = resp.IncompleteReason
		c.FinishReason = CanonicalFinishReason(resp.IncompleteReason)
	case resp.Status == "incomplete":
		c.FinishReason = FinishLength
	}
	b.Usage = resp.Usage
	b.Extra = resp.Extra
	if resp.PreviousResponseID != "" {
		b.Extra = mergeExtra(Extra{"previous_response_id": rawText(resp.PreviousResponseID)}, resp.Extra)
	}
}

// collected are the items as they were closed, for hosts whose last event has no output.
func (r *eventReader) collected() []ResponsesItem {
	slices.SortStableFunc(r.output, func(a, b *itemReader) int { return a.index - b.index })
	var items []ResponsesItem
	for _, it := range r.output {
		if it.item != nil {
			items = append(items, *it.item)
		}
	}
	return items
}

// nativeOutput is the output for Message.Native, if the message's flat fields would not give the same items back:
// nil if they do. Calls that were cut are left out, they must not go back.
func nativeOutput(output []ResponsesItem) *NativeContent {
	whole := make([]ResponsesItem, 0, len(output))
	for i := range output {
		if !output[i].cut() {
			whole = append(whole, output[i])
		}
	}
	if len(whole) == 0 {
		return nil
	}
	if rebuilt := rebuild(whole); rebuilt != nil && bytes.Equal(encodeItems(rebuilt), encodeItems(anonymous(whole))) {
		return nil
	}
	return &NativeContent{Origin: responsesOrigin, Content: encodeItems(whole)}
}

// cut says whether the item is a call whose arguments did not come to their end.
func (it *ResponsesItem) cut() bool {
	switch it.Type {
	case "function_call":
		return it.Status == "incomplete" || strings.TrimSpace(it.Arguments) != "" && !isObject(it.Arguments)
	case "custom_tool_call":
		return it.Status == "incomplete"
	}
	return false
}

// rebuild makes items of the message that the items make; nil if they have what no message can hold.
func rebuild(items []ResponsesItem) []ResponsesItem {
	var reader eventReader
	var c ChunkChoice
	for i := range items {
		if !namedItem(items[i].Type) {
			return nil
		}
		reader.finish(reader.item(i), &items[i], &c)
	}
	var acc Accumulator
	acc.addChoice(&c)
	r := acc.build()
	if r == nil {
		return nil
	}
	w := itemWriter{call: &Call{account: &account{ledger: &ledger{}}}, custom: make(map[string]bool)}
	if w.assistant(&r.Choices[0].Message) != nil {
		return nil
	}
	return w.items
}

// anonymous are the items without what does not matter to a later request: the ids of messages and calls, states,
// log probabilities.
func anonymous(items []ResponsesItem) []ResponsesItem {
	out := slices.Clone(items)
	for i := range out {
		it := &out[i]
		switch it.Type {
		case "message", "function_call", "custom_tool_call":
			it.ID, it.Status = "", ""
		case "reasoning":
			if it.Status == "completed" {
				it.Status = ""
			}
		}
		if it.Type == "message" && slices.ContainsFunc(it.Content, func(c ResponsesContent) bool { return c.Logprobs != nil }) {
			it.Content = slices.Clone(it.Content)
			for j := range it.Content {
				it.Content[j].Logprobs = nil
			}
		}
	}
	return out
}

func encodeItems(items []ResponsesItem) []byte {
	var e jsonx.Encoder
	e.Array()
	for i := range items {
		items[i].encode(&e)
	}
	e.EndArray()
	return e.B
}
