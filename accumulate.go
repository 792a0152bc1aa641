package llm

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/llm-go/llm/internal/jsonx"
)

// Accumulator folds the chunks of a stream into the answer that the provider would have given at once. The
// zero value is ready. [Collect] uses it; use it directly to show chunks and keep the answer:
//
//	var acc llm.Accumulator
//	for chunk, err := range s.All() { …; acc.Add(chunk) }
//	messages = append(messages, *acc.Response().Message())
type Accumulator struct {
	head    chunkHead
	choices []*choiceAccumulator // sorted by index
	usage   *Usage
	// limit bounds what is kept, in bytes of text; 0: no bound. full is set when something was left out.
	limit, size int
	full        bool
}

// chunkHead is what the chunks of an answer repeat.
type chunkHead struct {
	id, model, fingerprint, tier string
	created                      int64
	extra                        Extra
}

// choiceAccumulator keeps apart what most streams have, text, and the rest: many streams may be open.
type choiceAccumulator struct {
	index              int
	finish             FinishReason
	native             string
	content, reasoning []byte
	*choiceRest
}

type choiceRest struct {
	Choice
	refusal           []byte
	calls             []*callAccumulator // sorted by index
	thinking          []*thinkingAccumulator
	audio, transcript []byte
}

type callAccumulator struct {
	ToolCall
	name, input []byte
}

type thinkingAccumulator struct {
	ThinkingBlock
	text, signature, data []byte
}

// Add folds one chunk in.
func (a *Accumulator) Add(c *CompletionChunk) {
	if c == nil {
		return
	}
	if c.Marker == MarkerRestart {
		*a = Accumulator{limit: a.limit}
	}
	h := &a.head
	setString(&h.id, c.ID)
	setString(&h.model, c.Model)
	setString(&h.fingerprint, c.SystemFingerprint)
	setString(&h.tier, c.ServiceTier)
	if c.Created != 0 {
		h.created = c.Created
	}
	if c.Usage != nil {
		a.usage = c.Usage
	}
	if len(c.Extra) > 0 {
		if h.extra == nil {
			h.extra = make(Extra, len(c.Extra))
		}
		maps.Copy(h.extra, c.Extra)
	}
	for i := range c.Choices {
		a.addChoice(&c.Choices[i])
	}
}

func setString(dst *string, s string) {
	if s != "" {
		*dst = s
	}
}

// room says whether n more bytes may be kept.
func (a *Accumulator) room(n int) bool {
	if a.limit > 0 && a.size+n > a.limit {
		a.full = true
		return false
	}
	a.size += n
	return true
}

func (a *Accumulator) choice(index int) *choiceAccumulator {
	i := 0
	for ; i < len(a.choices) && a.choices[i].index <= index; i++ {
		if a.choices[i].index == index {
			return a.choices[i]
		}
	}
	c := &choiceAccumulator{index: index}
	a.choices = slices.Insert(a.choices, i, c)
	return c
}

func (a *Accumulator) addChoice(cc *ChunkChoice) {
	c, d := a.choice(cc.Index), &cc.Delta
	if d.Content != "" && a.room(len(d.Content)) {
		c.content = append(c.content, d.Content...)
	}
	if d.ReasoningContent != "" && a.room(len(d.ReasoningContent)) {
		c.reasoning = append(c.reasoning, d.ReasoningContent...)
	}
	if cc.FinishReason != "" {
		c.finish = cc.FinishReason
	}
	setString(&c.native, cc.NativeFinishReason)
	if c.choiceRest == nil {
		if textOnly(cc) {
			return
		}
		c.choiceRest = &choiceRest{Choice: Choice{Message: Message{Role: RoleAssistant}}}
	}
	setString(&c.StopSequence, cc.StopSequence)
	for i := range d.ToolCalls {
		a.addCall(c, &d.ToolCalls[i])
	}
	for i := range d.ThinkingBlocks {
		a.addThinking(c, &d.ThinkingBlocks[i])
	}
	if d.Role != "" {
		c.Message.Role = d.Role
	}
	if d.Refusal != "" && a.room(len(d.Refusal)) {
		c.refusal = append(c.refusal, d.Refusal...)
	}
	if len(d.Annotations) > 0 && a.room(len(d.Annotations)*64) {
		c.Message.Annotations = append(c.Message.Annotations, d.Annotations...)
	}
	for _, img := range d.Images {
		if img.ImageURL == nil || a.room(len(img.ImageURL.URL)) {
			c.Message.Images = append(c.Message.Images, img)
		}
	}
	if d.Audio != nil {
		a.addAudio(c, d.Audio)
	}
	for _, call := range d.IncompleteToolCalls {
		if a.room(len(call.Function.Arguments)) {
			c.Message.IncompleteToolCalls = append(c.Message.IncompleteToolCalls, call)
		}
	}
	if d.Native != nil && a.room(len(d.Native.Content)) {
		c.Message.Native = d.Native
	}
	if l := cc.Logprobs; l != nil && a.room(64*(len(l.Content)+len(l.Refusal))) {
		if c.Logprobs == nil {
			c.Logprobs = &Logprobs{}
		}
		c.Logprobs.Content = append(c.Logprobs.Content, l.Content...)
		c.Logprobs.Refusal = append(c.Logprobs.Refusal, l.Refusal...)
	}
	a.addExtra(&c.Message.Extra, d.Extra)
	a.addExtra(&c.Extra, cc.Extra)
}

func (a *Accumulator) addCall(c *choiceAccumulator, tc *ToolCall) {
	call := c.callAt(tc.Index)
	setString(&call.ID, tc.ID)
	setString(&call.Type, tc.Type)
	setString(&call.Origin, tc.Origin)
	if tc.Signature != "" {
		call.Signature += tc.Signature
	}
	name, input := tc.Function.Name, tc.Function.Arguments
	if tc.Custom != nil {
		name, input = tc.Custom.Name, tc.Custom.Input
		call.Type = "custom"
	}
	if a.room(len(name) + len(input)) {
		if !repeats(call.name, name, len(call.input) > 0) {
			call.name = append(call.name, name...)
		}
		call.input = append(call.input, input...)
	}
	a.addExtra(&call.Extra, tc.Extra)
}

// textOnly says that a chunk adds nothing but text, and the role that every answer has.
func textOnly(cc *ChunkChoice) bool {
	d := &cc.Delta
	return (d.Role == "" || d.Role == RoleAssistant) && len(d.ToolCalls) == 0 && len(d.IncompleteToolCalls) == 0 && len(d.ThinkingBlocks) == 0 && d.Refusal == "" &&
		len(d.Annotations) == 0 && len(d.Images) == 0 && d.Audio == nil && d.Native == nil && len(d.Extra) == 0 &&
		cc.StopSequence == "" && cc.Logprobs == nil && len(cc.Extra) == 0
}

func (c *choiceAccumulator) callAt(index int) *callAccumulator {
	i := 0
	for ; i < len(c.calls) && c.calls[i].Index <= index; i++ {
		if c.calls[i].Index == index {
			return c.calls[i]
		}
	}
	call := &callAccumulator{ToolCall: ToolCall{Index: index}}
	c.calls = slices.Insert(c.calls, i, call)
	return call
}

// repeats says whether name is the whole name again, as hosts that repeat it on each fragment send it, and not
// its next part.
func repeats(have []byte, name string, started bool) bool {
	return started && string(have) == name
}

func (a *Accumulator) addThinking(c *choiceAccumulator, b *ThinkingBlock) {
	i := slices.IndexFunc(c.thinking, func(have *thinkingAccumulator) bool { return have.Index == b.Index })
	if i < 0 {
		i = len(c.thinking)
		c.thinking = append(c.thinking, &thinkingAccumulator{ThinkingBlock: ThinkingBlock{Index: b.Index}})
	}
	t := c.thinking[i]
	setString(&t.Type, b.Type)
	setString(&t.ID, b.ID)
	setString(&t.Origin, b.Origin)
	if a.room(len(b.Thinking) + len(b.Signature) + len(b.Data)) {
		t.text = append(t.text, b.Thinking...)
		t.signature = append(t.signature, b.Signature...)
		t.data = append(t.data, b.Data...)
	}
	a.addExtra(&t.Extra, b.Extra)
}

func (a *Accumulator) addAudio(c *choiceAccumulator, d *AudioAnswer) {
	if c.Message.Audio == nil {
		c.Message.Audio = &AudioAnswer{}
	}
	m := c.Message.Audio
	setString(&m.ID, d.ID)
	if d.ExpiresAt != 0 {
		m.ExpiresAt = d.ExpiresAt
	}
	if a.room(len(d.Data) + len(d.Transcript)) {
		c.audio = append(c.audio, d.Data...)
		c.transcript = append(c.transcript, d.Transcript...)
	}
	a.addExtra(&m.Extra, d.Extra)
}

// addExtra folds members that have no field: lists append, everything else is replaced.
func (a *Accumulator) addExtra(dst *Extra, src Extra) {
	if len(src) == 0 {
		return
	}
	if *dst == nil {
		*dst = make(Extra, len(src))
	}
	for k, v := range src {
		raw, ok := v.(json.RawMessage)
		if ok && !a.room(len(raw)) {
			continue
		}
		have, both := (*dst)[k].(json.RawMessage)
		if ok && both && isList(have) && isList(raw) {
			v = joinLists(have, raw)
		}
		(*dst)[k] = v
	}
}

func isList(raw []byte) bool { return len(raw) > 1 && raw[0] == '[' }

func joinLists(a, b json.RawMessage) json.RawMessage {
	if len(bytes.TrimSpace(a[1:len(a)-1])) == 0 {
		return b
	}
	if len(bytes.TrimSpace(b[1:len(b)-1])) == 0 {
		return a
	}
	joined := append(slices.Clip(a[:len(a)-1]), ',')
	return append(joined, b[1:]...)
}

// Response is the answer so far, taken as complete: tool calls whose arguments parse are in ToolCalls. It may
// be called more than once. It is nil before the first chunk.
func (a *Accumulator) Response() *CompletionResponse {
	r := a.build()
	if r != nil {
		r.finish()
	}
	return r
}

// partial is the answer so far, taken as cut: every tool call is incomplete.
func (a *Accumulator) partial() *CompletionResponse {
	r := a.build()
	if r == nil {
		return nil
	}
	for i := range r.Choices {
		m := &r.Choices[i].Message
		m.IncompleteToolCalls = append(m.IncompleteToolCalls, m.ToolCalls...)
		m.ToolCalls = nil
	}
	return r
}

func (a *Accumulator) build() *CompletionResponse {
	h := &a.head
	if len(a.choices) == 0 && h.id == "" && h.model == "" && a.usage == nil {
		return nil
	}
	r := CompletionResponse{ID: h.id, Object: "chat.completion", Created: h.created, Model: h.model, SystemFingerprint: h.fingerprint,
		ServiceTier: h.tier, Usage: a.usage, Extra: maps.Clone(h.extra), Choices: make([]Choice, 0, len(a.choices))}
	for _, c := range a.choices {
		r.Choices = append(r.Choices, c.build())
	}
	return &r
}

func (c *choiceAccumulator) build() Choice {
	rest := c.choiceRest
	if rest == nil {
		rest = &choiceRest{Choice: Choice{Message: Message{Role: RoleAssistant}}}
	}
	ch := rest.Choice
	ch.Index, ch.FinishReason, ch.NativeFinishReason = c.index, c.finish, c.native
	m := &ch.Message
	if len(c.content) > 0 {
		m.Content = Content{TextPart(string(c.content))}
	}
	m.ReasoningContent = string(c.reasoning)
	m.IncompleteToolCalls = slices.Clone(m.IncompleteToolCalls) // finish may add to it
	m.Refusal = string(rest.refusal)
	for i, tc := range rest.calls {
		call := tc.ToolCall
		call.Index = i
		if call.Type == "custom" {
			call.Custom = &CustomCall{Name: string(tc.name), Input: string(tc.input)}
		} else {
			call.Function = FunctionCall{Name: string(tc.name), Arguments: string(tc.input)}
		}
		m.ToolCalls = append(m.ToolCalls, call)
	}
	for i, t := range rest.thinking {
		b := t.ThinkingBlock
		b.Index = i
		b.Thinking, b.Signature, b.Data = string(t.text), string(t.signature), string(t.data)
		m.ThinkingBlocks = append(m.ThinkingBlocks, b)
	}
	if m.Audio != nil {
		audio := *m.Audio
		audio.Data, audio.Transcript = string(rest.audio), string(rest.transcript)
		m.Audio = &audio
	}
	return ch
}

// finish gives an answer the forms that this package promises, whatever its provider's habits: complete tool
// calls only, with ids and object arguments; one of the four finish reasons; plain text as one part.
func (r *CompletionResponse) finish() {
	for i := range r.Choices {
		r.Choices[i].finish()
	}
}

// finishCompletion is finish for an answer that came whole.
func finishCompletion(call *Call, r *CompletionResponse) {
	r.finish()
	for i := range r.Choices {
		if r.Choices[i].Message.replaced() {
			call.warnOnce(replacedText)
		}
	}
}

func (c *Choice) finish() {
	m := &c.Message
	if m.Role == "" {
		m.Role = RoleAssistant
	}
	m.Content = m.Content.tidy()
	if len(m.ToolCalls) > 0 {
		complete := m.ToolCalls[:0:0]
		for _, call := range m.ToolCalls {
			if call.complete(c.FinishReason == FinishLength) {
				call.Index = len(complete)
				complete = append(complete, call)
			} else {
				m.IncompleteToolCalls = append(m.IncompleteToolCalls, call)
			}
		}
		m.ToolCalls = complete
		if len(complete) == 0 {
			m.ToolCalls = nil
		}
	}
	c.FinishReason = turnEnd(c.FinishReason, len(m.ToolCalls) > 0)
}

// turnEnd: a turn with a complete call finishes with tool_calls, but a filter's verdict stands.
func turnEnd(reason FinishReason, called bool) FinishReason {
	switch {
	case called && reason != FinishContentFilter:
		return FinishToolCalls
	case reason == "" || reason == FinishToolCalls && !called:
		return FinishStop
	}
	return reason
}

// complete checks a call, and fills in what hosts leave out: an id, and {} for no arguments.
func (c *ToolCall) complete(cut bool) bool {
	if c.ID == "" {
		c.ID = "call_" + rand.Text()[:24]
	}
	if c.Custom != nil {
		c.Type = "custom"
		return c.Custom.Name != "" && !cut
	}
	if c.Type == "" {
		c.Type = "function"
	}
	switch strings.TrimSpace(c.Function.Arguments) {
	case "", "null":
		c.Function.Arguments = "{}"
		return c.Function.Name != "" && !cut
	}
	return c.Function.Name != "" && isObject(c.Function.Arguments)
}

func isObject(s string) bool {
	var d jsonx.Decoder
	d.Reset([]byte(s))
	if d.Kind() != jsonx.Object {
		return false
	}
	d.Skip()
	return d.End() == nil
}

// tidy joins neighbouring plain texts, and drops empty ones: the same answer looks the same however it came.
func (c Content) tidy() Content {
	if len(c) == 1 && (!c[0].plainText() || c[0].Text != "") {
		return c
	}
	var out Content
	for _, p := range c {
		switch {
		case !p.plainText():
			out = append(out, p)
		case p.Text == "":
		case len(out) > 0 && out[len(out)-1].plainText():
			out[len(out)-1].Text += p.Text
		default:
			out = append(out, p)
		}
	}
	return out
}
