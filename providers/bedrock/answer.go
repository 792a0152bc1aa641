package bedrock

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

func decodeCompletion(call *llm.Call, h http.Header, body []byte) (*llm.CompletionResponse, error) {
	r := &struct {
		llm.CompletionResponse
		choices [1]llm.Choice
	}{}
	resp := &r.CompletionResponse
	resp.Object, resp.Model, resp.Choices = "chat.completion", call.Model, r.choices[:1:1]
	c := &r.choices[0]
	a := answer{message: &c.Message, origin: familyOf(call.Model).origin}
	stop, output := "", false
	var d jsonx.Decoder
	d.Reset(body)
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "output":
			for d.Object(); d.More(); {
				if string(d.Key()) == "message" {
					output = true
					c.Message = llm.Message{} // the last one counts if there are two
					a = answer{message: &c.Message, origin: a.origin}
					a.decode(&d, body)
				} else {
					d.Skip()
				}
			}
		case "stopReason":
			stop = d.Str()
		case "usage":
			resp.Usage = decodeUsage(&d)
		case "serviceTier":
			resp.ServiceTier = decodeTier(&d)
		case "additionalModelResponseFields":
			c.StopSequence = keepAdditional(&resp.Extra, &d)
		default:
			keep(&resp.Extra, &d)
		}
	}
	if err := d.End(); err != nil {
		return nil, llm.Malformed("the answer is not the JSON that Converse promises", err)
	}
	if !output {
		return nil, llm.Malformed("the answer has no output message", nil)
	}
	c.NativeFinishReason = stop
	c.FinishReason = finishReason(stop)
	if m := &c.Message; c.FinishReason == llm.FinishLength && a.last == "toolUse" && len(m.ToolCalls) > 0 {
		// The limit was met inside this call. Its input was made an object all the same, so that only its
		// place tells.
		n := len(m.ToolCalls) - 1
		m.IncompleteToolCalls = append(m.IncompleteToolCalls, m.ToolCalls[n])
		m.ToolCalls = m.ToolCalls[:n]
	}
	return resp, nil
}

// finishReason translates StopReason; NativeFinishReason keeps the word. What says nothing of a limit or a
// filter is a stop: malformed_tool_use and malformed_model_output too, whose broken calls do not count as calls.
func finishReason(stop string) llm.FinishReason {
	switch stop {
	case "max_tokens", "model_context_window_exceeded":
		return llm.FinishLength
	case "tool_use":
		return llm.FinishToolCalls
	case "guardrail_intervened", "content_filtered":
		return llm.FinishContentFilter
	}
	return llm.FinishStop
}

// decodeUsage reads TokenUsage. Its inputTokens leaves out what was read from and written to the cache, its
// totalTokens has everything; ours counts all input as prompt.
func decodeUsage(d *jsonx.Decoder) *llm.Usage {
	if d.Kind() == jsonx.Null {
		d.Skip()
		return nil
	}
	u := &llm.Usage{}
	var p llm.PromptTokensDetails
	cached, input := false, 0
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "inputTokens":
			input = d.Int()
		case "outputTokens":
			u.CompletionTokens = d.Int()
		case "totalTokens":
			u.TotalTokens = d.Int()
		case "cacheReadInputTokens":
			p.CachedTokens, cached = d.Int(), true
		case "cacheWriteInputTokens":
			p.CacheCreationTokens, cached = d.Int(), true
		case "cacheDetails":
			p.CacheCreation5mTokens, p.CacheCreation1hTokens = 0, 0
			for d.Array(); d.More(); {
				ttl, n := "", 0
				for d.Object(); d.More(); {
					switch string(d.Key()) {
					case "ttl":
						ttl = d.Str()
					case "inputTokens":
						n = d.Int()
					default:
						d.Skip()
					}
				}
				switch ttl {
				case "5m":
					p.CacheCreation5mTokens += n
				case "1h":
					p.CacheCreation1hTokens += n
				}
			}
		case "cacheReadInputTokenCount", "cacheWriteInputTokenCount":
			d.Skip() // older names of the two, sent beside them
		default:
			keep(&u.Extra, d)
		}
	}
	u.PromptTokens = input + p.CachedTokens + p.CacheCreationTokens
	u.TotalTokens = u.PromptTokens + u.CompletionTokens
	if cached {
		u.PromptTokensDetails = &p
	}
	return u
}

func decodeTier(d *jsonx.Decoder) (tier string) {
	for d.Object(); d.More(); {
		if string(d.Key()) == "type" {
			tier = d.Str()
		} else {
			d.Skip()
		}
	}
	return tier
}

// keep stores a member that has no field.
func keep(e *llm.Extra, d *jsonx.Decoder) {
	key := string(d.Key())
	if raw := d.Raw(); d.Err() == nil {
		store(e, key, append(json.RawMessage(nil), raw...))
	}
}

func store(e *llm.Extra, key string, raw json.RawMessage) {
	if *e == nil {
		*e = make(llm.Extra, 4)
	}
	(*e)[key] = raw
}

// keepAdditional stores additionalModelResponseFields, and returns the stop sequence if it was asked for.
func keepAdditional(e *llm.Extra, d *jsonx.Decoder) (stop string) {
	raw := append(json.RawMessage(nil), d.Raw()...)
	if d.Err() != nil || string(raw) == "null" {
		return ""
	}
	store(e, "additionalModelResponseFields", raw)
	in := jsonx.NewDecoder(raw)
	if in.Kind() != jsonx.Object {
		return ""
	}
	for in.Object(); in.More(); {
		if string(in.Key()) == "stop_sequence" && in.Kind() == jsonx.String {
			stop = in.Str()
		} else {
			in.Skip()
		}
	}
	return stop
}

// answer gathers the blocks of an answer into a flat message, and notices where that loses their order.
type answer struct {
	message *llm.Message
	origin  string
	text    []string
	last    string // the kind of the last block
	seen    progress
}

// progress is how far an answer's blocks have come. The flat form has reasoning first, then text, then tool
// calls; what comes otherwise needs the native form as well.
type progress struct {
	stage uint8
	lossy bool // the flat form does not say it all
}

const (
	stageReasoning uint8 = iota
	stageText
	stageTools
)

func (p *progress) at(stage uint8) {
	if stage < p.stage {
		p.lossy = true
	}
	p.stage = max(p.stage, stage)
}

var errTwice = errors.New("a block has a member twice")

func (a *answer) decode(d *jsonx.Decoder, body []byte) {
	m := a.message
	var native []byte
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "role":
			m.Role = llm.Role(d.Str())
		case "content":
			*m, *a = llm.Message{Role: m.Role, Extra: m.Extra}, answer{message: m, origin: a.origin}
			d.Kind()
			start := d.Pos()
			for d.Array(); d.More(); {
				before := ""
				for d.Object(); d.More(); {
					key := string(d.Key())
					if key == before {
						d.Fail(errTwice) // of a union, one member is set
					}
					before = key
					a.block(d)
				}
			}
			if end := d.Pos(); d.Err() == nil {
				native = body[start:end]
			}
		default:
			keep(&m.Extra, d)
		}
	}
	switch len(a.text) {
	case 0:
	case 1:
		m.Content = llm.Content{{Type: "text", Text: a.text[0]}}
	default:
		m.Content = llm.Content{{Type: "text", Text: strings.Join(a.text, "")}}
	}
	if a.seen.lossy && d.Err() == nil {
		m.Native = &llm.NativeContent{Origin: dialect, Content: append([]byte(nil), native...)}
	}
}

// block reads one member of the ContentBlock union.
func (a *answer) block(d *jsonx.Decoder) {
	m := a.message
	a.last = ""
	switch string(d.Key()) {
	case "text":
		a.seen.at(stageText)
		a.text = append(a.text, d.Str())
	case "reasoningContent":
		a.seen.at(stageReasoning)
		b := llm.ThinkingBlock{Type: "thinking", Index: len(m.ThinkingBlocks), Origin: a.origin}
		decodeReasoning(d, &b)
		m.ReasoningContent += b.Thinking
		m.ThinkingBlocks = append(m.ThinkingBlocks, b)
	case "toolUse":
		c, server := decodeToolUse(d)
		if server {
			a.seen.lossy = true // the provider's own call: nobody else may execute it
			return
		}
		a.seen.at(stageTools)
		a.last = "toolUse"
		c.Index = len(m.ToolCalls)
		m.ToolCalls = append(m.ToolCalls, c)
	case "citationsContent":
		a.seen.at(stageText)
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "content":
				for d.Array(); d.More(); {
					a.text = append(a.text, decodeText(d))
				}
			case "citations":
				for d.Array(); d.More(); {
					m.Annotations = append(m.Annotations, decodeCitation(d))
				}
			default:
				d.Skip()
			}
		}
	case "image":
		var f blob
		f.decode(d)
		m.Images = append(m.Images, f.image())
	case "audio":
		var f blob
		f.decode(d)
		m.Audio = &llm.AudioAnswer{Data: string(f.base64)}
		if f.format != "" {
			m.Audio.Extra = llm.Extra{"format": json.RawMessage(jsonx.AppendString(nil, f.format))}
		}
	default:
		a.seen.lossy = true
		d.Skip()
	}
}

// decodeText reads the text of {"text": …}.
func decodeText(d *jsonx.Decoder) (s string) {
	for d.Object(); d.More(); {
		if string(d.Key()) == "text" {
			s = d.Str()
		} else {
			d.Skip()
		}
	}
	return s
}

func decodeReasoning(d *jsonx.Decoder, b *llm.ThinkingBlock) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "reasoningText":
			for d.Object(); d.More(); {
				switch string(d.Key()) {
				case "text":
					b.Thinking = d.Str()
				case "signature":
					b.Signature = d.Str()
				default:
					keep(&b.Extra, d)
				}
			}
		case "redactedContent":
			b.Type, b.Origin = "redacted_thinking", dialect
			b.Data = d.Str()
		default:
			keep(&b.Extra, d)
		}
	}
}

func decodeToolUse(d *jsonx.Decoder) (c llm.ToolCall, server bool) {
	c.Type = "function"
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "toolUseId":
			c.ID = d.Str()
		case "name":
			c.Function.Name = d.Str()
		case "input":
			c.Function.Arguments = string(d.Raw())
		case "type":
			server = d.Str() != ""
		default:
			keep(&c.Extra, d)
		}
	}
	return c, server
}

// blob is a picture or a sound: a format and bytes, or a place in S3.
type blob struct {
	format string
	base64 []byte
	uri    string
}

func (f *blob) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "format":
			f.format = d.Str()
		case "source":
			f.source(d)
		default:
			d.Skip()
		}
	}
}

// source adds the bytes of a source. In a stream they come in fragments, each of which is base64 by itself.
func (f *blob) source(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "bytes":
			f.base64 = joinBase64(f.base64, d.StrBytes())
		case "s3Location":
			for d.Object(); d.More(); {
				if string(d.Key()) == "uri" {
					f.uri = d.Str()
				} else {
					d.Skip()
				}
			}
		default:
			d.Skip()
		}
	}
}

// joinBase64 appends the base64 text of more bytes to a base64 text.
func joinBase64(have, more []byte) []byte {
	if len(have)%4 == 0 && (len(have) == 0 || have[len(have)-1] != '=') {
		return append(have, more...)
	}
	// The text so far ends with padding: its last bytes have to be written anew with those that follow.
	whole := len(have) - 4
	if whole < 0 {
		return append(have, more...)
	}
	tail, err1 := base64.StdEncoding.AppendDecode(nil, have[whole:])
	tail, err2 := base64.StdEncoding.AppendDecode(tail, more)
	if err1 != nil || err2 != nil {
		return append(have, more...)
	}
	return base64.StdEncoding.AppendEncode(have[:whole], tail)
}

func (f *blob) image() llm.Part {
	url := f.uri
	if url == "" {
		url = "data:image/" + f.format + ";base64," + string(f.base64)
	}
	return llm.Part{Type: "image_url", ImageURL: &llm.ImageURL{URL: url}}
}

// decodeCitation reads Citation and CitationsDelta, which have the same members.
func decodeCitation(d *jsonx.Decoder) llm.Annotation {
	var (
		title, source, cited string
		loc                  location
	)
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "title":
			title = d.Str()
		case "source":
			source = d.Str()
		case "sourceContent":
			for d.Array(); d.More(); {
				cited += decodeText(d)
			}
		case "location":
			loc.decode(d)
		default:
			d.Skip()
		}
	}
	var extra llm.Extra
	if loc.raw != nil {
		extra = llm.Extra{"location": loc.raw}
	}
	if loc.document {
		if source != "" {
			store(&extra, "source", jsonx.AppendString(nil, source))
		}
		return llm.Annotation{Type: "file_citation", FileCitation: &llm.FileCitation{Filename: title,
			DocumentIndex: loc.index, StartIndex: loc.start, EndIndex: loc.end, CitedText: cited, Extra: extra}}
	}
	if loc.url == "" {
		loc.url = source
	}
	return llm.Annotation{Type: "url_citation", URLCitation: &llm.URLCitation{URL: loc.url, Title: title, CitedText: cited, Extra: extra}}
}

// location is CitationLocation: a web page, a search result, or a place in a document (characters, pages or
// chunks).
type location struct {
	raw               json.RawMessage
	document          bool
	index, start, end int
	url               string
}

func (l *location) decode(d *jsonx.Decoder) {
	l.raw = append(json.RawMessage(nil), d.Raw()...)
	in := jsonx.NewDecoder(l.raw)
	if in.Kind() != jsonx.Object {
		return
	}
	for in.Object(); in.More(); {
		switch string(in.Key()) {
		case "documentChar", "documentPage", "documentChunk":
			l.document = true
		case "web":
		default:
			in.Skip()
			continue
		}
		for in.Object(); in.More(); {
			switch string(in.Key()) {
			case "documentIndex":
				l.index = in.Int()
			case "start":
				l.start = in.Int()
			case "end":
				l.end = in.Int()
			case "url":
				l.url = in.Str()
			default:
				in.Skip()
			}
		}
	}
	d.Fail(in.Err())
}
