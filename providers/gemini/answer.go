package gemini

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// answer reads GenerateContentResponse: one that is the whole answer, or one after the other the pieces of a stream.
// What a piece adds is in its turns until the next one is read.
type answer struct {
	call     *llm.Call
	header   http.Header
	streamed bool
	multi    bool // candidates may come in pieces of their own
	mixed    bool // candidates came in pieces of their own although one was asked for

	id, model string
	created   int64
	extra     llm.Extra
	turns     []turn
	block     *llm.Error // the prompt was refused
	rawUsage  []byte     // the last usageMetadata
	hasUsage  bool       // the last piece had one

	d, inner jsonx.Decoder
}

// readAnswer reads a whole answer.
func readAnswer(call *llm.Call, h http.Header, body []byte) (*answer, error) {
	a := &answer{call: call, header: h}
	if err := a.read(body); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, llm.Truncated("the answer is not complete JSON")
		}
		return nil, err
	}
	switch {
	case len(a.turns) > 0:
		return a, nil
	case a.block != nil:
		return nil, a.block
	}
	return nil, llm.Malformed("the answer has no candidates", nil)
}

// read reads one piece. An error in it is returned as the status it carries would be.
func (a *answer) read(data []byte) error {
	d := &a.d
	if bytes.Count(data, candidatesKey) > 1 || bytes.Count(data, contentKey) > 1 || bytes.Count(data, partsKey) > 1 {
		data = lastOnes(data, "candidates", "content", "parts")
	}
	d.Reset(data)
	for i := range a.turns {
		a.turns[i].reset()
	}
	a.hasUsage = false
	failed := d.Kind() == jsonx.Array // errors of a stream come in a list
	if failed {
		d.Skip()
	} else {
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "candidates":
				n := 0
				for d.Array(); d.More(); n++ {
					a.candidate(data, n)
				}
			case "usageMetadata":
				a.rawUsage = append(a.rawUsage[:0], d.Raw()...)
				a.hasUsage = len(a.rawUsage) > 4 // more than {} or null
			case "modelVersion":
				a.model = d.Intern(a.model)
			case "responseId":
				a.id = d.Intern(a.id)
			case "createTime":
				if a.created != 0 {
					d.Skip()
				} else if t, err := time.Parse(time.RFC3339Nano, d.Str()); err == nil {
					a.created = t.Unix()
				}
			case "promptFeedback":
				a.feedback(d)
			case "error":
				failed = true
				d.Skip()
			default:
				keep(&a.extra, d)
			}
		}
	}
	if err := d.End(); err != nil {
		return malformed(err)
	}
	if a.mixed {
		return llm.Malformed("the answer mixes candidates", nil)
	}
	if failed {
		if e := Error(0, a.header, data); e.Message != "" || e.Code != "" {
			return e
		}
		return llm.Malformed("the answer is a list, or an error that says nothing", nil)
	}
	return nil
}

// In the JSON of an answer these are names of members, or the whole of a string: within one its quotes are escaped.
var candidatesKey, contentKey, partsKey = []byte(`"candidates"`), []byte(`"content"`), []byte(`"parts"`)

// lastOnes leaves out members that come again, in an object and below the member named first in path, so that the last
// one counts: candidates are added up as they are read. What is not JSON is returned as it is, for the reader to tell.
func lastOnes(data []byte, path ...string) []byte {
	d := jsonx.NewDecoder(data)
	if d.Kind() == jsonx.Array {
		var e jsonx.Encoder
		e.Array()
		for d.Array(); d.More(); {
			e.Raw(lastOnes(d.Raw(), path...))
		}
		e.EndArray()
		if d.End() != nil {
			return data
		}
		return e.B
	}
	if d.Kind() != jsonx.Object || len(path) == 0 {
		return data
	}
	var names []string
	last := make(map[string][]byte)
	for d.Object(); d.More(); {
		name := string(d.Key())
		if _, twice := last[name]; !twice {
			names = append(names, name)
		}
		last[name] = d.Raw()
	}
	if d.End() != nil {
		return data
	}
	var e jsonx.Encoder
	e.Object()
	for _, name := range names {
		e.Name(name)
		if name == path[0] {
			e.Raw(lastOnes(last[name], path[1:]...))
		} else {
			e.Raw(last[name])
		}
	}
	e.EndObject()
	return e.B
}

// malformed is the error of an answer that is not JSON, or not of the shape that the API promises.
func malformed(err error) error {
	return llm.Malformed("the answer is not what the API promises", err)
}

// keep stores a member that has no place elsewhere.
func keep(e *llm.Extra, d *jsonx.Decoder) {
	key := string(d.Key())
	raw := d.Raw()
	if d.Err() != nil || string(raw) == "null" {
		return
	}
	if *e == nil {
		*e = make(llm.Extra, 2)
	}
	(*e)[key] = json.RawMessage(slices.Clone(raw))
}

// feedback reads promptFeedback: with a blockReason the prompt was refused, and there are no candidates.
func (a *answer) feedback(d *jsonx.Decoder) {
	var reason, message string
	var rest llm.Extra
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "blockReason":
			reason = d.Str()
		case "blockReasonMessage":
			message = d.Str()
		default:
			keep(&rest, d)
		}
	}
	if reason != "" && reason != "BLOCK_REASON_UNSPECIFIED" {
		a.block = blocked(reason, message)
		return
	}
	if len(rest) > 0 {
		if a.extra == nil {
			a.extra = make(llm.Extra, 1)
		}
		a.extra["promptFeedback"] = rest
	}
}

// turn is one candidate.
type turn struct {
	index    int
	streamed bool
	finish   string
	said     bool // anything was delivered
	extra    llm.Extra
	pieces

	calls  int // function calls so far
	blocks int // thinking blocks so far
	// thinking is set while the last block goes on with the next thought.
	thinking bool
	open     *openCall

	native
	sources []groundingSource
	queries int
}

// pieces is what the last piece added.
type pieces struct {
	text, thought      string
	moreText, moreThou []byte // when there is more than one part of them
	thoughtLen         int
	thoughts           []llm.ThinkingBlock
	spans              []span // where the texts of thoughts are in thought
	toolCalls          []llm.ToolCall
	images             []llm.Part
	audio              *llm.AudioAnswer
	moreAudio          []byte // decoded, when there is more than one part of it
	annotations        []llm.Annotation
	logprobs           *llm.Logprobs
}

type span struct{ from, to int }

func (t *turn) reset() { t.pieces = pieces{} }

// content says whether the last piece added anything.
func (p *pieces) any() bool {
	return p.text != "" || p.thought != "" || len(p.thoughts) > 0 || len(p.toolCalls) > 0 || len(p.images) > 0 || p.audio != nil ||
		len(p.annotations) > 0 || p.logprobs != nil
}

// join makes one text of several parts.
func (p *pieces) join() {
	if p.moreText != nil {
		p.text, p.moreText = string(p.moreText), nil
	}
	if p.moreThou != nil {
		p.thought, p.moreThou = string(p.moreThou), nil
	}
	for i, at := range p.spans {
		p.thoughts[i].Thinking = p.thought[at.from:at.to]
	}
	if p.moreAudio != nil {
		p.audio.Data, p.moreAudio = base64.StdEncoding.EncodeToString(p.moreAudio), nil
	}
}

func appendText(have *string, more *[]byte, text string) {
	switch {
	case text == "":
	case *more != nil:
		*more = append(*more, text...)
	case *have == "":
		*have = text
	default:
		*more = append(append(*more, *have...), text...)
	}
}

// maxCandidates is far beyond the eight that the service makes.
const maxCandidates = 1000

// turn finds or makes the candidate with an index.
func (a *answer) turn(index int) *turn {
	if a.streamed {
		for i := range a.turns {
			if a.turns[i].index == index {
				return &a.turns[i]
			}
		}
	}
	if len(a.turns) >= maxCandidates {
		a.mixed = true
		return &a.turns[0]
	}
	a.turns = append(a.turns, turn{index: index, streamed: a.streamed})
	return &a.turns[len(a.turns)-1]
}

// candidate reads the nth candidate of a piece.
func (a *answer) candidate(data []byte, n int) {
	d := &a.d
	var t *turn
	if !a.multi {
		t = a.turn(n)
	}
	index := n
	if t != nil {
		index = t.index
	}
	var content, grounding, citations []byte
	var finish string
	var logprobs *llm.Logprobs
	var extra llm.Extra
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "content":
			if t == nil {
				content = d.Raw() // whose it is may be told only after it
				continue
			}
			t.content(d, data)
		case "finishReason":
			finish = d.Intern("STOP")
		case "index":
			index = d.Int()
		case "groundingMetadata":
			grounding = d.Raw()
		case "citationMetadata":
			citations = d.Raw()
		case "logprobsResult":
			logprobs = decodeLogprobs(d)
		default:
			keep(&extra, d)
		}
	}
	if d.Err() != nil {
		return
	}
	switch {
	case t == nil:
		t = a.turn(index)
		if content != nil {
			a.inner.Reset(content)
			t.content(&a.inner, content)
		}
	case index != t.index && !a.streamed:
		t.index = index
	case index != t.index:
		a.mixed = true
	}
	t.join()
	if t.finish != "" && t.any() {
		t.finish = "" // it was early
	}
	if finish != "" && finish != "FINISH_REASON_UNSPECIFIED" {
		t.finish = finish
	}
	t.logprobs = logprobs
	for k, v := range extra {
		t.keep(k, v)
	}
	if grounding != nil {
		t.grounding(grounding)
	}
	if citations != nil {
		t.citations(citations)
	}
	t.said = t.said || t.any()
}

// keep holds a member back until the answer's end: pieces of a stream repeat them.
func (t *turn) keep(key string, v any) {
	if t.extra == nil {
		t.extra = make(llm.Extra, 2)
	}
	t.extra[key] = v
}

func (t *turn) content(d *jsonx.Decoder, data []byte) {
	for d.Object(); d.More(); {
		if string(d.Key()) != "parts" {
			d.Skip()
			continue
		}
		d.Kind()
		start := d.Pos()
		for d.Array(); d.More(); {
			t.part(d, data)
		}
		if d.Err() == nil && !t.streamed {
			t.parts = data[start:d.Pos()]
		}
	}
}

// part is one part of a candidate's content.
type part struct {
	text, signature string
	thought         bool
	call            *functionCall
	mime, data, uri string
	foreign         bool // it has members without a place in the flat message
	raw             []byte
}

// functionCall is a call, or a fragment of one. See "Function calling", streaming function call arguments (Vertex AI).
type functionCall struct {
	id, name, args string
	partial        []byte
	willContinue   bool
}

func (t *turn) part(d *jsonx.Decoder, data []byte) {
	d.Kind()
	start := d.Pos()
	var p part
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "text":
			p.text = d.Str()
		case "thought":
			p.thought = d.Bool()
		case "thoughtSignature":
			p.signature = d.Str()
		case "functionCall":
			p.call = readCall(d)
		case "inlineData", "fileData":
			p.medium(d)
		default:
			p.foreign = true
			d.Skip()
		}
	}
	if d.Err() == nil {
		p.raw = data[start:d.Pos()]
		t.add(&p)
	}
}

func readCall(d *jsonx.Decoder) *functionCall {
	c := &functionCall{}
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "id":
			c.id = d.Str()
		case "name":
			c.name = d.Str()
		case "args":
			if raw := d.Raw(); string(raw) != "null" {
				c.args = string(raw)
			}
		case "partialArgs":
			c.partial = d.Raw()
		case "willContinue":
			c.willContinue = d.Bool()
		default:
			d.Skip()
		}
	}
	return c
}

func (p *part) medium(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "mimeType":
			p.mime = d.Str()
		case "data":
			p.data = d.Str()
		case "fileUri":
			p.uri = d.Str()
		default:
			p.foreign = true
			d.Skip()
		}
	}
}

// add puts a part where it belongs in the flat message.
func (t *turn) add(p *part) {
	t.place(p)
	switch {
	case p.call != nil:
		t.thinking = false
		t.addCall(p.call, p.signature)
	case p.data != "" || p.uri != "":
		t.thinking = false
		if !p.thought { // pictures that the model made for itself are in Native
			t.addMedium(p)
		}
	case p.foreign && p.text == "":
		t.thinking = false // it is in Native, with its signature
	case p.thought && (p.text != "" || p.signature != ""):
		appendText(&t.thought, &t.moreThou, p.text)
		t.addThought(p)
	default:
		appendText(&t.text, &t.moreText, p.text)
		if p.text != "" {
			t.thinking = false
		}
		if p.signature != "" {
			// The signature of a text: a block without thoughts.
			t.addBlock(t.blocks, p.signature)
			t.blocks++
			t.thinking = false
		}
	}
}

// addThought begins a block or goes on with the last one: a stream cuts a thought into several parts.
func (t *turn) addThought(p *part) {
	if !t.thinking {
		t.blocks++
		t.thinking = true
	}
	if n := len(t.thoughts); n == 0 || t.thoughts[n-1].Index != t.blocks-1 {
		t.addBlock(t.blocks-1, "")
	}
	n := len(t.thoughts) - 1
	t.thoughtLen += len(p.text)
	t.spans[n].to = t.thoughtLen
	if p.signature != "" {
		t.thoughts[n].Signature = p.signature
		t.thinking = false
	}
}

func (t *turn) addBlock(index int, signature string) {
	t.thoughts = append(t.thoughts, llm.ThinkingBlock{Type: "thinking", Index: index, Signature: signature, Origin: Dialect})
	t.spans = append(t.spans, span{t.thoughtLen, t.thoughtLen})
}

func (t *turn) addMedium(p *part) {
	kind, _, _ := strings.Cut(p.mime, "/")
	switch {
	case kind == "audio" && p.data != "":
		if t.audio == nil {
			t.audio = &llm.AudioAnswer{Data: p.data, Extra: llm.Extra{"mime_type": p.mime}}
			return
		}
		// Base64 cannot be put end to end: there is padding in between.
		if t.moreAudio == nil {
			t.moreAudio, _ = base64.StdEncoding.DecodeString(t.audio.Data)
		}
		if b, err := base64.StdEncoding.DecodeString(p.data); err == nil {
			t.moreAudio = append(t.moreAudio, b...)
		}
	case kind == "image" || kind == "video" || p.uri != "":
		url := p.uri
		if url == "" {
			url = "data:" + p.mime + ";base64," + p.data
		}
		img := llm.Part{Type: "image_url", ImageURL: &llm.ImageURL{URL: url}}
		if kind == "video" {
			img = llm.Part{Type: "video_url", VideoURL: &llm.VideoURL{URL: url}}
		}
		if p.signature != "" {
			img.Extra = llm.Extra{"thoughtSignature": p.signature}
		}
		t.images = append(t.images, img)
	default:
		t.need = true
	}
}

// addCall adds a function call, whole or in fragments.
func (t *turn) addCall(c *functionCall, signature string) {
	if t.open != nil && c.name != "" {
		t.closeCall()
	}
	switch {
	case t.open != nil:
		t.open.apply(c.partial)
	case c.name == "" && c.args == "" && c.partial == nil:
		return // the end of nothing
	case c.willContinue || c.partial != nil:
		t.open = &openCall{id: c.id, name: c.name, signature: signature, index: t.calls}
		t.call(c, signature)
		t.calls++
		t.open.apply(c.partial)
	default:
		t.call(c, signature)
		t.calls++
		return
	}
	if !c.willContinue {
		t.closeCall()
	}
}

func (t *turn) call(c *functionCall, signature string) {
	tc := llm.ToolCall{Index: t.calls, ID: c.id, Type: "function", Function: llm.FunctionCall{Name: c.name, Arguments: c.args}}
	if signature != "" {
		tc.Signature, tc.Origin = signature, Dialect
	}
	t.toolCalls = append(t.toolCalls, tc)
}

// closeCall gives the arguments of a call that came in fragments.
func (t *turn) closeCall() {
	o := t.open
	t.open = nil
	args := o.arguments()
	t.toolCalls = append(t.toolCalls, llm.ToolCall{Index: o.index, Type: "function", Function: llm.FunctionCall{Arguments: args}})
	t.recordCall(o, args)
}

// abandonCall is for a call that is still open when the turn ends: its arguments must not parse.
func (t *turn) abandonCall() {
	if o := t.open; o != nil {
		t.open = nil
		t.toolCalls = append(t.toolCalls, llm.ToolCall{Index: o.index, Type: "function",
			Function: llm.FunctionCall{Arguments: strings.TrimSuffix(o.arguments(), "}")}})
	}
}

// choice is a whole candidate.
func (t *turn) choice(c *llm.Choice) {
	t.abandonCall()
	c.Index = t.index
	m := &c.Message
	m.Role = llm.RoleAssistant
	if t.text != "" {
		m.Content = llm.Content{llm.TextPart(t.text)}
	}
	m.ReasoningContent = t.thought
	m.ThinkingBlocks, m.ToolCalls, m.Images, m.Audio, m.Annotations = t.thoughts, t.toolCalls, t.images, t.audio, t.annotations
	m.Native = t.nativeContent()
	c.FinishReason, c.NativeFinishReason = finishReason(t.finish), t.finish
	c.Logprobs = t.logprobs
	c.Extra = t.extra
}

// finishReason translates why a candidate ended.
func finishReason(native string) llm.FinishReason {
	switch native {
	case "":
		return ""
	case "MAX_TOKENS":
		return llm.FinishLength
	case "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR",
		"IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION":
		return llm.FinishContentFilter
	}
	return llm.FinishStop
}

// failure is the error of a candidate that holds nothing because the model failed: an empty answer would hide it.
func (t *turn) failure() *llm.Error {
	if t.said {
		return nil
	}
	e := &llm.Error{Code: t.finish}
	switch t.finish {
	case "MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL":
		e.SetKind(llm.ErrProtocol)
		e.Message = "the model's answer could not be used; asking again may help"
	case "TOO_MANY_TOOL_CALLS":
		e.SetKind(llm.ErrProtocol)
		e.Temporary = false
		e.Message = "the model called too many tools in a row"
	case "MISSING_THOUGHT_SIGNATURE":
		e.SetKind(llm.ErrInvalidRequest)
		e.Message = "the conversation lacks a thought signature; send assistant messages back as they came"
	default:
		return nil
	}
	return e
}

func decodeLogprobs(d *jsonx.Decoder) *llm.Logprobs {
	var chosen []llm.TokenLogprob
	var top [][]llm.TokenLogprob
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "chosenCandidates":
			chosen = tokens(d)
		case "topCandidates":
			for d.Array(); d.More(); {
				var list []llm.TokenLogprob
				for d.Object(); d.More(); {
					if string(d.Key()) == "candidates" {
						list = tokens(d)
					} else {
						d.Skip()
					}
				}
				top = append(top, list)
			}
		default:
			d.Skip()
		}
	}
	if len(chosen) == 0 {
		return nil
	}
	for i := range chosen {
		if i < len(top) {
			chosen[i].TopLogprobs = top[i]
		}
	}
	return &llm.Logprobs{Content: chosen}
}

func tokens(d *jsonx.Decoder) []llm.TokenLogprob {
	var list []llm.TokenLogprob
	for d.Array(); d.More(); {
		var l llm.TokenLogprob
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "token":
				l.Token = d.Str()
			case "logProbability":
				l.Logprob = d.Float()
			default:
				d.Skip()
			}
		}
		list = append(list, l)
	}
	return list
}
