package llm

// The JSON form of the chat vocabulary: OpenAI's, read leniently and written strictly. Unknown members go to
// Extra and come back. Where hosts disagree in spelling ("reasoning" for "reasoning_content", content as a
// list or an object where a text is promised), reading accepts all and writing uses one.

import (
	"cmp"
	"encoding/json"
	"slices"
	"sync"

	"github.com/llm-go/llm/internal/jsonx"
)

// marshal and unmarshal connect a type's one-pass encode and decode to encoding/json.
func marshal(encode func(*jsonx.Encoder)) ([]byte, error) {
	var e jsonx.Encoder
	encode(&e)
	return e.B, e.Err()
}

func unmarshal(data []byte, decode func(*jsonx.Decoder)) error {
	d := decoders.Get().(*jsonx.Decoder)
	d.Reset(data)
	decode(d)
	err := d.End()
	d.Reset(nil)
	decoders.Put(d)
	return err
}

// decoders saves one allocation for each chunk of a stream.
var decoders = sync.Pool{New: func() any { return new(jsonx.Decoder) }}

// AppendJSON appends the request's JSON object to b, without Extra: that is laid over the whole body by
// [Call.NewJSONRequest].
func (r *CompletionRequest) AppendJSON(b []byte) ([]byte, error) {
	e := jsonx.Encoder{B: b}
	r.encode(&e)
	return e.B, e.Err()
}

// MarshalJSON includes Extra.
func (r CompletionRequest) MarshalJSON() ([]byte, error) {
	b, err := r.AppendJSON(make([]byte, 0, 512))
	if err != nil || len(r.Extra) == 0 {
		return b, err
	}
	return jsonx.Overlay(b, r.Extra)
}

func (r *CompletionRequest) UnmarshalJSON(b []byte) error { return unmarshal(b, r.decode) }

func (r *CompletionRequest) encode(e *jsonx.Encoder) {
	e.Object()
	e.Name("model")
	e.Str(r.Model)
	e.Name("messages")
	e.Array()
	for i := range r.Messages {
		r.Messages[i].encode(e)
	}
	e.EndArray()
	e.OptInt("max_completion_tokens", r.MaxTokens)
	e.PtrFloat("temperature", r.Temperature)
	e.PtrFloat("top_p", r.TopP)
	e.OptInt("top_k", r.TopK)
	e.OptInt("n", r.N)
	e.Strs("stop", r.Stop)
	e.PtrInt64("seed", r.Seed)
	e.PtrFloat("frequency_penalty", r.FrequencyPenalty)
	e.PtrFloat("presence_penalty", r.PresencePenalty)
	optAny(e, "logit_bias", r.LogitBias, len(r.LogitBias) > 0)
	e.OptBool("logprobs", r.Logprobs)
	e.PtrInt("top_logprobs", r.TopLogprobs)
	if len(r.Tools) > 0 {
		e.Name("tools")
		e.Array()
		for i := range r.Tools {
			r.Tools[i].encode(e)
		}
		e.EndArray()
	}
	if r.ToolChoice != nil {
		e.Name("tool_choice")
		r.ToolChoice.encode(e)
	}
	e.PtrBool("parallel_tool_calls", r.ParallelToolCalls)
	if r.ResponseFormat != nil {
		e.Name("response_format")
		r.ResponseFormat.encode(e)
	}
	e.OptStr("reasoning_effort", string(r.ReasoningEffort))
	optAny(e, "thinking", r.Thinking, r.Thinking != nil)
	e.OptStr("verbosity", r.Verbosity)
	if r.Prediction != nil {
		e.Name("prediction")
		e.Object()
		e.Name("type")
		e.Str("content")
		e.Name("content")
		r.Prediction.Content.encode(e)
		e.EndObject()
	}
	e.Strs("modalities", r.Modalities)
	optAny(e, "audio", r.Audio, r.Audio != nil)
	e.OptStr("service_tier", r.ServiceTier)
	e.PtrBool("store", r.Store)
	optAny(e, "metadata", r.Metadata, len(r.Metadata) > 0)
	e.OptStr("user", r.User)
	e.OptStr("safety_identifier", r.SafetyIdentifier)
	e.OptStr("prompt_cache_key", r.PromptCacheKey)
	e.OptStr("prompt_cache_retention", r.PromptCacheRetention)
	encodeCache(e, r.CacheControl)
	if w := r.WebSearchOptions; w != nil {
		e.Name("web_search_options")
		e.Object()
		e.OptStr("search_context_size", w.SearchContextSize)
		if w.UserLocation != nil {
			e.Name("user_location")
			e.Object()
			e.Name("type")
			e.Str("approximate")
			e.Name("approximate")
			e.Any(w.UserLocation)
			e.EndObject()
		}
		e.Members(w.Extra)
		e.EndObject()
	}
	optAny(e, "stream_options", r.StreamOptions, r.StreamOptions != nil)
	e.EndObject()
}

func optAny(e *jsonx.Encoder, name string, v any, present bool) {
	if present {
		e.Name(name)
		e.Any(v)
	}
}

func (r *CompletionRequest) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "model":
			r.Model = d.Str()
		case "messages":
			r.Messages = nil
			for d.Array(); d.More(); {
				var m Message
				m.decode(d)
				r.Messages = append(r.Messages, m)
			}
		case "max_completion_tokens":
			r.MaxTokens = d.Int()
		case "max_tokens":
			if n := d.Int(); r.MaxTokens == 0 {
				r.MaxTokens = n
			}
		case "temperature":
			r.Temperature = decodePtr(d, d.Float)
		case "top_p":
			r.TopP = decodePtr(d, d.Float)
		case "top_k":
			r.TopK = d.Int()
		case "n":
			r.N = d.Int()
		case "stop":
			r.Stop = decodeStrings(d)
		case "seed":
			r.Seed = decodePtr(d, d.Int64)
		case "frequency_penalty":
			r.FrequencyPenalty = decodePtr(d, d.Float)
		case "presence_penalty":
			r.PresencePenalty = decodePtr(d, d.Float)
		case "logit_bias":
			decodeInto(d, &r.LogitBias)
		case "logprobs":
			r.Logprobs = d.Bool()
		case "top_logprobs":
			r.TopLogprobs = decodePtr(d, d.Int)
		case "tools":
			r.Tools = nil
			for d.Array(); d.More(); {
				var t Tool
				t.decode(d)
				r.Tools = append(r.Tools, t)
			}
		case "tool_choice":
			r.ToolChoice = decodeNew[ToolChoice](d, (*ToolChoice).decode)
		case "parallel_tool_calls":
			r.ParallelToolCalls = decodePtr(d, d.Bool)
		case "response_format":
			r.ResponseFormat = decodeNew[ResponseFormat](d, (*ResponseFormat).decode)
		case "reasoning_effort":
			r.ReasoningEffort = ReasoningEffort(d.Str())
		case "thinking":
			decodeInto(d, &r.Thinking)
		case "verbosity":
			r.Verbosity = d.Str()
		case "prediction":
			if d.Kind() == jsonx.Null {
				d.Skip()
				continue
			}
			r.Prediction = &Prediction{}
			for d.Object(); d.More(); {
				if string(d.Key()) == "content" {
					r.Prediction.Content, _ = decodeContent(d)
				} else {
					d.Skip()
				}
			}
		case "modalities":
			r.Modalities = decodeStrings(d)
		case "audio":
			decodeInto(d, &r.Audio)
		case "service_tier":
			r.ServiceTier = d.Str()
		case "store":
			r.Store = decodePtr(d, d.Bool)
		case "metadata":
			decodeInto(d, &r.Metadata)
		case "user":
			r.User = d.Str()
		case "safety_identifier":
			r.SafetyIdentifier = d.Str()
		case "prompt_cache_key":
			r.PromptCacheKey = d.Str()
		case "prompt_cache_retention":
			r.PromptCacheRetention = d.Str()
		case "cache_control":
			decodeInto(d, &r.CacheControl)
		case "web_search_options":
			r.WebSearchOptions = decodeNew[WebSearchOptions](d, (*WebSearchOptions).decode)
		case "stream_options":
			decodeInto(d, &r.StreamOptions)
		default:
			keep(&r.Extra, d)
		}
	}
}

func (w *WebSearchOptions) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "search_context_size":
			w.SearchContextSize = d.Str()
		case "user_location":
			var loc struct {
				UserLocation
				Approximate *UserLocation `json:"approximate"`
			}
			decodeInto(d, &loc)
			if w.UserLocation = loc.Approximate; w.UserLocation == nil {
				w.UserLocation = &loc.UserLocation
			}
		default:
			keep(&w.Extra, d)
		}
	}
}

// decodePtr is nil for null.
func decodePtr[T any](d *jsonx.Decoder, read func() T) *T {
	if d.Kind() == jsonx.Null {
		d.Skip()
		return nil
	}
	v := read()
	return &v
}

func decodeNew[T any](d *jsonx.Decoder, decode func(*T, *jsonx.Decoder)) *T {
	if d.Kind() == jsonx.Null {
		d.Skip()
		return nil
	}
	v := new(T)
	decode(v, d)
	return v
}

// decodeInto reads rarely seen, closed structures by their struct tags.
func decodeInto(d *jsonx.Decoder, v any) {
	raw := d.Raw()
	if d.Err() == nil {
		if err := json.Unmarshal(raw, v); err != nil {
			d.Fail(err)
		}
	}
}

// decodeStrings reads a list of strings, or one string as a list of one.
func decodeStrings(d *jsonx.Decoder) []string {
	switch d.Kind() {
	case jsonx.String:
		return []string{d.Str()}
	case jsonx.Null:
		d.Skip()
		return nil
	}
	ss := []string{}
	for d.Array(); d.More(); {
		ss = append(ss, d.Str())
	}
	return ss
}

func encodeCache(e *jsonx.Encoder, c *CacheControl) {
	if c == nil {
		return
	}
	e.Name("cache_control")
	e.Object()
	e.Name("type")
	if c.Type == "" {
		e.Str("ephemeral")
	} else {
		e.Str(c.Type)
	}
	e.OptStr("ttl", c.TTL)
	e.EndObject()
}

func (f ResponseFormat) MarshalJSON() ([]byte, error)     { return marshal(f.encode) }
func (f *ResponseFormat) UnmarshalJSON(b []byte) error    { return unmarshal(b, f.decode) }
func (t Tool) MarshalJSON() ([]byte, error)               { return marshal(t.encode) }
func (t *Tool) UnmarshalJSON(b []byte) error              { return unmarshal(b, t.decode) }
func (c ToolChoice) MarshalJSON() ([]byte, error)         { return marshal(c.encode) }
func (c *ToolChoice) UnmarshalJSON(b []byte) error        { return unmarshal(b, c.decode) }
func (m Message) MarshalJSON() ([]byte, error)            { return marshal(m.encode) }
func (m *Message) UnmarshalJSON(b []byte) error           { return unmarshal(b, m.decode) }
func (c Content) MarshalJSON() ([]byte, error)            { return marshal(c.encode) }
func (p Part) MarshalJSON() ([]byte, error)               { return marshal(p.encode) }
func (p *Part) UnmarshalJSON(b []byte) error              { return unmarshal(b, p.decode) }
func (c ToolCall) MarshalJSON() ([]byte, error)           { return marshal(c.encode) }
func (c *ToolCall) UnmarshalJSON(b []byte) error          { return unmarshal(b, c.decode) }
func (t ThinkingBlock) MarshalJSON() ([]byte, error)      { return marshal(t.encode) }
func (t *ThinkingBlock) UnmarshalJSON(b []byte) error     { return unmarshal(b, t.decode) }
func (a Annotation) MarshalJSON() ([]byte, error)         { return marshal(a.encode) }
func (a *Annotation) UnmarshalJSON(b []byte) error        { return unmarshal(b, a.decode) }
func (a AudioAnswer) MarshalJSON() ([]byte, error)        { return marshal(a.encode) }
func (a *AudioAnswer) UnmarshalJSON(b []byte) error       { return unmarshal(b, a.decode) }
func (u Usage) MarshalJSON() ([]byte, error)              { return marshal(u.encode) }
func (u *Usage) UnmarshalJSON(b []byte) error             { return unmarshal(b, u.decode) }
func (r CompletionResponse) MarshalJSON() ([]byte, error) { return marshal(r.encode) }

// UnmarshalJSON reads OpenAI's form, leniently.
func (r *CompletionResponse) UnmarshalJSON(b []byte) error { return unmarshal(b, r.decode) }

func (c CompletionChunk) MarshalJSON() ([]byte, error) { return marshal(c.encode) }

// UnmarshalJSON reads OpenAI's form, leniently. As with encoding/json, members that are absent leave their
// fields as they were, and Choices reuses its backing array: a reader of a stream saves allocations by
// presetting ID, Model and the like from the chunk before, and Choices to an empty slice with capacity.
// A tool call without an index gets the index -1.
func (c *CompletionChunk) UnmarshalJSON(b []byte) error { return unmarshal(b, c.decode) }

func (c *Content) UnmarshalJSON(b []byte) error {
	return unmarshal(b, func(d *jsonx.Decoder) { *c, _ = decodeContent(d) })
}

func (f *ResponseFormat) encode(e *jsonx.Encoder) {
	e.Object()
	e.Name("type")
	e.Str(f.Type)
	if s := f.JSONSchema; s != nil {
		e.Name("json_schema")
		e.Object()
		e.Name("name")
		if s.Name == "" {
			e.Str("answer")
		} else {
			e.Str(s.Name)
		}
		e.OptStr("description", s.Description)
		optAny(e, "schema", s.Schema, s.Schema != nil)
		e.PtrBool("strict", s.Strict)
		e.Members(s.Extra)
		e.EndObject()
	}
	e.Members(f.Extra)
	e.EndObject()
}

func (f *ResponseFormat) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "type":
			f.Type = d.Str()
		case "json_schema":
			if d.Kind() == jsonx.Null {
				d.Skip()
				continue
			}
			s := &JSONSchema{}
			f.JSONSchema = s
			for d.Object(); d.More(); {
				switch string(d.Key()) {
				case "name":
					s.Name = d.Str()
				case "description":
					s.Description = d.Str()
				case "schema":
					s.Schema = decodeRaw(d)
				case "strict":
					s.Strict = decodePtr(d, d.Bool)
				default:
					keep(&s.Extra, d)
				}
			}
		default:
			keep(&f.Extra, d)
		}
	}
}

// decodeRaw keeps a value's JSON; nil for null.
func decodeRaw(d *jsonx.Decoder) any {
	if d.Kind() == jsonx.Null {
		d.Skip()
		return nil
	}
	return json.RawMessage(slices.Clone(d.Raw()))
}

func (t *Tool) encode(e *jsonx.Encoder) {
	e.Object()
	e.Name("type")
	switch {
	case t.Type != "":
		e.Str(t.Type)
	case t.Custom != nil:
		e.Str("custom")
	default:
		e.Str("function")
	}
	if f := t.Function; f != nil {
		e.Name("function")
		e.Object()
		e.Name("name")
		e.Str(f.Name)
		e.OptStr("description", f.Description)
		optAny(e, "parameters", f.Parameters, f.Parameters != nil)
		e.PtrBool("strict", f.Strict)
		e.Members(f.Extra)
		e.EndObject()
	}
	if c := t.Custom; c != nil {
		e.Name("custom")
		e.Object()
		e.Name("name")
		e.Str(c.Name)
		e.OptStr("description", c.Description)
		optAny(e, "format", c.Format, c.Format != nil)
		e.Members(c.Extra)
		e.EndObject()
	}
	encodeCache(e, t.CacheControl)
	e.Members(t.Extra)
	e.EndObject()
}

func (t *Tool) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "type":
			t.Type = d.Str()
		case "function":
			t.Function = decodeNew[FunctionTool](d, func(f *FunctionTool, d *jsonx.Decoder) {
				for d.Object(); d.More(); {
					switch string(d.Key()) {
					case "name":
						f.Name = d.Str()
					case "description":
						f.Description = d.Str()
					case "parameters":
						f.Parameters = decodeRaw(d)
					case "strict":
						f.Strict = decodePtr(d, d.Bool)
					default:
						keep(&f.Extra, d)
					}
				}
			})
		case "custom":
			t.Custom = decodeNew[CustomTool](d, func(c *CustomTool, d *jsonx.Decoder) {
				for d.Object(); d.More(); {
					switch string(d.Key()) {
					case "name":
						c.Name = d.Str()
					case "description":
						c.Description = d.Str()
					case "format":
						c.Format = decodeRaw(d)
					default:
						keep(&c.Extra, d)
					}
				}
			})
		case "cache_control":
			decodeInto(d, &t.CacheControl)
		default:
			keep(&t.Extra, d)
		}
	}
}

func (c *ToolChoice) encode(e *jsonx.Encoder) {
	typ := c.Type
	if typ == "" {
		typ = "function"
	}
	switch {
	case len(c.Allowed) > 0:
		e.Object()
		e.Name("type")
		e.Str("allowed_tools")
		e.Name("allowed_tools")
		e.Object()
		e.Name("mode")
		if c.Mode == "" {
			e.Str("auto")
		} else {
			e.Str(c.Mode)
		}
		e.Name("tools")
		e.Array()
		for _, name := range c.Allowed {
			e.Object()
			e.Name("type")
			e.Str("function")
			e.Name("function")
			e.Object()
			e.Name("name")
			e.Str(name)
			e.EndObject()
			e.EndObject()
		}
		e.EndArray()
		e.EndObject()
		e.EndObject()
	case c.Name != "":
		e.Object()
		e.Name("type")
		e.Str(typ)
		e.Name(typ)
		e.Object()
		e.Name("name")
		e.Str(c.Name)
		e.EndObject()
		e.Members(c.Extra)
		e.EndObject()
	case c.Mode != "":
		e.Str(c.Mode)
	default: // a form this package does not name
		e.Object()
		e.OptStr("type", c.Type)
		e.Members(c.Extra)
		e.EndObject()
	}
}

func (c *ToolChoice) decode(d *jsonx.Decoder) {
	if d.Kind() == jsonx.String {
		c.Mode = d.Str()
		return
	}
	name := func(d *jsonx.Decoder) (s string) {
		for d.Object(); d.More(); {
			if string(d.Key()) == "name" {
				s = d.Str()
			} else {
				d.Skip()
			}
		}
		return s
	}
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "type":
			if c.Type = d.Str(); c.Type == "function" || c.Type == "allowed_tools" {
				c.Type = ""
			}
		case "function", "custom":
			c.Name = name(d)
		case "name": // the Responses form
			c.Name = d.Str()
		case "mode": // the Responses form of allowed_tools
			c.Mode = d.Str()
		case "tools":
			c.decodeAllowed(d, name)
		case "allowed_tools":
			for d.Object(); d.More(); {
				switch string(d.Key()) {
				case "mode":
					c.Mode = d.Str()
				case "tools":
					c.decodeAllowed(d, name)
				default:
					d.Skip()
				}
			}
		default:
			keep(&c.Extra, d)
		}
	}
}

func (c *ToolChoice) decodeAllowed(d *jsonx.Decoder, name func(*jsonx.Decoder) string) {
	for d.Array(); d.More(); {
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "function", "custom":
				c.Allowed = append(c.Allowed, name(d))
			case "name":
				c.Allowed = append(c.Allowed, d.Str())
			default:
				d.Skip()
			}
		}
	}
}

func (m *Message) encode(e *jsonx.Encoder) {
	e.Object()
	e.Name("role")
	e.Str(string(m.Role))
	e.Name("content")
	m.Content.encode(e)
	e.OptStr("name", m.Name)
	encodeCalls(e, "tool_calls", m.ToolCalls)
	encodeCalls(e, "incomplete_tool_calls", m.IncompleteToolCalls)
	e.OptStr("tool_call_id", m.ToolCallID)
	e.OptBool("is_error", m.IsError)
	e.OptStr("refusal", m.Refusal)
	e.OptStr("reasoning_content", m.ReasoningContent)
	encodeThinking(e, m.ThinkingBlocks)
	encodeList(e, "annotations", m.Annotations, (*Annotation).encode)
	encodeList(e, "images", m.Images, (*Part).encode)
	if m.Audio != nil {
		e.Name("audio")
		m.Audio.encode(e)
	}
	m.Native.encode(e)
	encodeCache(e, m.CacheControl)
	e.Members(m.Extra)
	e.EndObject()
}

func encodeList[T any](e *jsonx.Encoder, name string, list []T, encode func(*T, *jsonx.Encoder)) {
	if len(list) == 0 {
		return
	}
	e.Name(name)
	e.Array()
	for i := range list {
		encode(&list[i], e)
	}
	e.EndArray()
}

func encodeCalls(e *jsonx.Encoder, name string, calls []ToolCall) {
	encodeList(e, name, calls, (*ToolCall).encode)
}

func encodeThinking(e *jsonx.Encoder, blocks []ThinkingBlock) {
	encodeList(e, "thinking_blocks", blocks, (*ThinkingBlock).encode)
}

func (n *NativeContent) encode(e *jsonx.Encoder) {
	if n == nil {
		return
	}
	e.Name("native")
	e.Object()
	e.Name("origin")
	e.Str(n.Origin)
	e.Name("content")
	e.Raw(n.Content)
	e.EndObject()
}

func decodeNative(d *jsonx.Decoder) *NativeContent {
	return decodeNew[NativeContent](d, func(n *NativeContent, d *jsonx.Decoder) {
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "origin":
				n.Origin = d.Str()
			case "content":
				n.Content = slices.Clone(d.Raw())
			default:
				d.Skip()
			}
		}
	})
}

func (m *Message) decode(d *jsonx.Decoder) {
	var thinking, reasoning string
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "role":
			m.Role = Role(d.Intern(string(RoleAssistant)))
		case "content":
			m.Content, thinking = decodeContent(d)
		case "name":
			m.Name = d.Str()
		case "tool_calls":
			m.ToolCalls = decodeCalls(d, nil)
			for i := range m.ToolCalls {
				m.ToolCalls[i].Index = i
			}
		case "incomplete_tool_calls":
			m.IncompleteToolCalls = decodeCalls(d, nil)
		case "tool_call_id":
			m.ToolCallID = d.Str()
		case "is_error":
			m.IsError = d.Bool()
		case "refusal":
			m.Refusal = d.Str()
		case "reasoning_content":
			m.ReasoningContent = d.Str()
		case "reasoning":
			if d.Kind() == jsonx.String || d.Kind() == jsonx.Null {
				reasoning = d.Str()
			} else {
				keep(&m.Extra, d)
			}
		case "thinking_blocks":
			m.ThinkingBlocks = nil
			for d.Array(); d.More(); {
				b := ThinkingBlock{Index: len(m.ThinkingBlocks)}
				b.decode(d)
				m.ThinkingBlocks = append(m.ThinkingBlocks, b)
			}
		case "annotations":
			m.Annotations = decodeList(d, m.Annotations[:0], (*Annotation).decode)
		case "images":
			m.Images = decodeList(d, m.Images[:0], (*Part).decode)
		case "audio":
			m.Audio = decodeNew[AudioAnswer](d, (*AudioAnswer).decode)
		case "native":
			m.Native = decodeNative(d)
		case "cache_control":
			decodeInto(d, &m.CacheControl)
		default:
			keepUnlessNull(&m.Extra, d)
		}
	}
	if thinking != "" {
		m.ReasoningContent = thinking + m.ReasoningContent
	}
	if m.ReasoningContent == "" {
		m.ReasoningContent = reasoning
	}
}

// keepUnlessNull is keep for answers, where many hosts spell out absent members as null.
func keepUnlessNull(e *Extra, d *jsonx.Decoder) {
	if d.Kind() == jsonx.Null {
		d.Skip()
		return
	}
	keep(e, d)
}

func decodeList[T any](d *jsonx.Decoder, list []T, decode func(*T, *jsonx.Decoder)) []T {
	for d.Array(); d.More(); {
		var v T
		decode(&v, d)
		list = append(list, v)
	}
	if len(list) == 0 {
		return nil
	}
	return list
}

func (c Content) encode(e *jsonx.Encoder) {
	switch {
	case c == nil:
		e.Null()
	case len(c) == 1 && c[0].plainText():
		e.Str(c[0].Text)
	default:
		e.Array()
		for i := range c {
			c[i].encode(e)
		}
		e.EndArray()
	}
}

func (p *Part) plainText() bool {
	return p.Type == "text" && p.CacheControl == nil && len(p.Extra) == 0
}

// decodeContent reads content as hosts send it: a text, a list of parts, or (structured output at some hosts)
// the object itself. Parts of type "thinking" are returned apart, as text.
func decodeContent(d *jsonx.Decoder) (c Content, thinking string) {
	switch d.Kind() {
	case jsonx.Null:
		d.Skip()
		return nil, ""
	case jsonx.Object:
		return Content{TextPart(string(d.Raw()))}, ""
	case jsonx.Array:
		c = Content{}
		for d.Array(); d.More(); {
			var p Part
			p.decode(d)
			if p.Type == "thinking" {
				thinking += thinkingText(p)
				continue
			}
			c = append(c, p)
		}
		return c, thinking
	}
	return Content{TextPart(d.Str())}, ""
}

// thinkingText is the text of a thinking part: {"type":"thinking","thinking":[{"type":"text","text":"…"}]},
// or the same with a plain string.
func thinkingText(p Part) string {
	raw, ok := p.Extra["thinking"].(json.RawMessage)
	if !ok {
		return p.Text
	}
	d := jsonx.NewDecoder(raw)
	c, _ := decodeContent(d)
	return c.Text()
}

func (p *Part) encode(e *jsonx.Encoder) {
	e.Object()
	e.Name("type")
	e.Str(p.Type)
	if p.Type == "text" || p.Text != "" {
		e.Name("text")
		e.Str(p.Text)
	}
	if u := p.ImageURL; u != nil {
		e.Name("image_url")
		e.Object()
		e.Name("url")
		e.Str(u.URL)
		e.OptStr("detail", u.Detail)
		e.OptStr("format", u.Format)
		e.Members(u.Extra)
		e.EndObject()
	}
	if a := p.InputAudio; a != nil {
		e.Name("input_audio")
		e.Object()
		e.Name("data")
		e.Str(a.Data)
		e.OptStr("format", a.Format)
		e.Members(a.Extra)
		e.EndObject()
	}
	if f := p.File; f != nil {
		e.Name("file")
		e.Object()
		e.OptStr("file_id", f.FileID)
		e.OptStr("file_data", f.FileData)
		e.OptStr("file_url", f.FileURL)
		e.OptStr("filename", f.Filename)
		e.OptStr("format", f.Format)
		e.Members(f.Extra)
		e.EndObject()
	}
	if v := p.VideoURL; v != nil {
		e.Name("video_url")
		e.Object()
		e.Name("url")
		e.Str(v.URL)
		e.OptStr("format", v.Format)
		e.Members(v.Extra)
		e.EndObject()
	}
	e.OptStr("refusal", p.Refusal)
	encodeCache(e, p.CacheControl)
	e.Members(p.Extra)
	e.EndObject()
}

func (p *Part) decode(d *jsonx.Decoder) {
	if d.Kind() == jsonx.String { // some hosts mix plain strings into lists
		p.Type, p.Text = "text", d.Str()
		return
	}
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "type":
			p.Type = d.Intern("text")
		case "text":
			p.Text = d.Str()
		case "image_url":
			p.ImageURL = &ImageURL{}
			if d.Kind() == jsonx.String { // LiteLLM's and Mistral's short form
				p.ImageURL.URL = d.Str()
				continue
			}
			for d.Object(); d.More(); {
				switch string(d.Key()) {
				case "url":
					p.ImageURL.URL = d.Str()
				case "detail":
					p.ImageURL.Detail = d.Str()
				case "format":
					p.ImageURL.Format = d.Str()
				default:
					keep(&p.ImageURL.Extra, d)
				}
			}
		case "input_audio":
			p.InputAudio = &InputAudio{}
			for d.Object(); d.More(); {
				switch string(d.Key()) {
				case "data":
					p.InputAudio.Data = d.Str()
				case "format":
					p.InputAudio.Format = d.Str()
				default:
					keep(&p.InputAudio.Extra, d)
				}
			}
		case "file":
			p.File = &File{}
			for d.Object(); d.More(); {
				switch string(d.Key()) {
				case "file_id":
					p.File.FileID = d.Str()
				case "file_data":
					p.File.FileData = d.Str()
				case "file_url":
					p.File.FileURL = d.Str()
				case "filename":
					p.File.Filename = d.Str()
				case "format":
					p.File.Format = d.Str()
				default:
					keep(&p.File.Extra, d)
				}
			}
		case "video_url":
			p.VideoURL = &VideoURL{}
			for d.Object(); d.More(); {
				switch string(d.Key()) {
				case "url":
					p.VideoURL.URL = d.Str()
				case "format":
					p.VideoURL.Format = d.Str()
				default:
					keep(&p.VideoURL.Extra, d)
				}
			}
		case "refusal":
			p.Refusal = d.Str()
		case "cache_control":
			decodeInto(d, &p.CacheControl)
		default:
			keep(&p.Extra, d)
		}
	}
}

func (c *ToolCall) encode(e *jsonx.Encoder) {
	e.Object()
	e.OptStr("id", c.ID)
	e.Name("type")
	switch {
	case c.Type != "":
		e.Str(c.Type)
	case c.Custom != nil:
		e.Str("custom")
	default:
		e.Str("function")
	}
	if c.Custom != nil {
		e.Name("custom")
		e.Object()
		e.Name("name")
		e.Str(c.Custom.Name)
		e.Name("input")
		e.Str(c.Custom.Input)
		e.EndObject()
	} else {
		e.Name("function")
		e.Object()
		e.Name("name")
		e.Str(c.Function.Name)
		e.Name("arguments")
		e.Str(c.Function.Arguments)
		e.EndObject()
	}
	e.OptStr("signature", c.Signature)
	e.OptStr("origin", c.Origin)
	e.Members(c.Extra)
	e.EndObject()
}

// decodeCalls reads tool calls; a call without an index gets -1.
func decodeCalls(d *jsonx.Decoder, calls []ToolCall) []ToolCall {
	for d.Array(); d.More(); {
		calls = append(calls, ToolCall{Index: -1})
		calls[len(calls)-1].decode(d)
	}
	return calls
}

func (c *ToolCall) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "index":
			if d.Kind() == jsonx.Null {
				d.Skip()
			} else {
				c.Index = d.Int()
			}
		case "id":
			c.ID = d.Str()
		case "type":
			c.Type = d.Intern("function")
		case "function":
			for d.Object(); d.More(); {
				switch string(d.Key()) {
				case "name":
					c.Function.Name = d.Str()
				case "arguments":
					c.Function.Arguments = decodeArguments(d)
				default:
					d.Skip()
				}
			}
		case "custom":
			if d.Kind() == jsonx.Null {
				d.Skip()
				continue
			}
			c.Custom = &CustomCall{}
			for d.Object(); d.More(); {
				switch string(d.Key()) {
				case "name":
					c.Custom.Name = d.Str()
				case "input":
					c.Custom.Input = d.Str()
				default:
					d.Skip()
				}
			}
		case "signature":
			c.Signature = d.Str()
		case "origin":
			c.Origin = d.Str()
		default:
			keepUnlessNull(&c.Extra, d)
		}
	}
}

// decodeArguments reads arguments as text; some hosts send the object itself.
func decodeArguments(d *jsonx.Decoder) string {
	if k := d.Kind(); k == jsonx.Object || k == jsonx.Array {
		return string(d.Raw())
	}
	return d.Str()
}

func (t *ThinkingBlock) encode(e *jsonx.Encoder) {
	e.Object()
	e.Name("type")
	e.Str(t.Type)
	e.OptStr("id", t.ID)
	if t.Type == "thinking" || t.Thinking != "" {
		e.Name("thinking")
		e.Str(t.Thinking)
	}
	e.OptStr("signature", t.Signature)
	e.OptStr("data", t.Data)
	e.OptStr("origin", t.Origin)
	e.OptInt("index", t.Index)
	e.Members(t.Extra)
	e.EndObject()
}

func (t *ThinkingBlock) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "type":
			t.Type = d.Intern("thinking")
		case "id":
			t.ID = d.Str()
		case "thinking":
			t.Thinking = d.Str()
		case "signature":
			t.Signature = d.Str()
		case "data":
			t.Data = d.Str()
		case "origin":
			t.Origin = d.Str()
		case "index":
			t.Index = d.Int()
		default:
			keep(&t.Extra, d)
		}
	}
}

func (a *Annotation) encode(e *jsonx.Encoder) {
	e.Object()
	e.Name("type")
	e.Str(a.Type)
	if c := a.URLCitation; c != nil {
		e.Name("url_citation")
		e.Object()
		e.Name("start_index")
		e.Int(c.StartIndex)
		e.Name("end_index")
		e.Int(c.EndIndex)
		e.Name("url")
		e.Str(c.URL)
		e.Name("title")
		e.Str(c.Title)
		e.OptStr("cited_text", c.CitedText)
		e.Members(c.Extra)
		e.EndObject()
	}
	if c := a.FileCitation; c != nil {
		e.Name("file_citation")
		e.Object()
		e.OptStr("file_id", c.FileID)
		e.OptStr("filename", c.Filename)
		e.OptInt("document_index", c.DocumentIndex)
		e.OptInt("start_index", c.StartIndex)
		e.OptInt("end_index", c.EndIndex)
		e.OptStr("cited_text", c.CitedText)
		e.Members(c.Extra)
		e.EndObject()
	}
	e.Members(a.Extra)
	e.EndObject()
}

func (a *Annotation) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "type":
			a.Type = d.Intern("url_citation")
		case "url_citation":
			c := &URLCitation{}
			a.URLCitation = c
			for d.Object(); d.More(); {
				switch string(d.Key()) {
				case "start_index":
					c.StartIndex = d.Int()
				case "end_index":
					c.EndIndex = d.Int()
				case "url":
					c.URL = d.Str()
				case "title":
					c.Title = d.Str()
				case "cited_text":
					c.CitedText = d.Str()
				default:
					keep(&c.Extra, d)
				}
			}
		case "file_citation":
			c := &FileCitation{}
			a.FileCitation = c
			for d.Object(); d.More(); {
				switch string(d.Key()) {
				case "file_id":
					c.FileID = d.Str()
				case "filename":
					c.Filename = d.Str()
				case "document_index":
					c.DocumentIndex = d.Int()
				case "start_index":
					c.StartIndex = d.Int()
				case "end_index":
					c.EndIndex = d.Int()
				case "cited_text":
					c.CitedText = d.Str()
				default:
					keep(&c.Extra, d)
				}
			}
		default:
			keep(&a.Extra, d)
		}
	}
}

func (a *AudioAnswer) encode(e *jsonx.Encoder) {
	e.Object()
	e.OptStr("id", a.ID)
	e.OptStr("data", a.Data)
	e.OptInt64("expires_at", a.ExpiresAt)
	e.OptStr("transcript", a.Transcript)
	e.Members(a.Extra)
	e.EndObject()
}

func (a *AudioAnswer) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "id":
			a.ID = d.Str()
		case "data":
			a.Data = d.Str()
		case "expires_at":
			a.ExpiresAt = d.Int64()
		case "transcript":
			a.Transcript = d.Str()
		default:
			keep(&a.Extra, d)
		}
	}
}

func (r *CompletionResponse) encode(e *jsonx.Encoder) {
	e.Object()
	encodeHead(e, cmp.Or(r.Object, "chat.completion"),
		&chunkHead{id: r.ID, created: r.Created, model: r.Model, fingerprint: r.SystemFingerprint, tier: r.ServiceTier})
	e.Name("choices")
	e.Array()
	for i := range r.Choices {
		c := &r.Choices[i]
		e.Object()
		e.Name("index")
		e.Int(c.Index)
		e.Name("message")
		c.Message.encode(e)
		encodeFinish(e, c.FinishReason, c.NativeFinishReason, c.StopSequence)
		optAny(e, "logprobs", c.Logprobs, c.Logprobs != nil)
		e.Members(c.Extra)
		e.EndObject()
	}
	e.EndArray()
	if r.Usage != nil {
		e.Name("usage")
		r.Usage.encode(e)
	}
	e.Members(r.Extra)
	e.EndObject()
}

// encodeHead writes what answers and chunks begin with.
func encodeHead(e *jsonx.Encoder, object string, h *chunkHead) {
	e.OptStr("id", h.id)
	e.Name("object")
	e.Str(object)
	e.OptInt64("created", h.created)
	e.OptStr("model", h.model)
	e.OptStr("system_fingerprint", h.fingerprint)
	e.OptStr("service_tier", h.tier)
}

func encodeFinish(e *jsonx.Encoder, reason FinishReason, native, stopSequence string) {
	e.Name("finish_reason")
	if reason == "" {
		e.Null()
	} else {
		e.Str(string(reason))
	}
	if native != "" && native != string(reason) {
		e.Name("native_finish_reason")
		e.Str(native)
	}
	e.OptStr("stop_sequence", stopSequence)
}

func (r *CompletionResponse) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "id":
			r.ID = d.Str()
		case "object":
			r.Object = d.Intern("chat.completion")
		case "created":
			r.Created = int64(d.Float())
		case "model":
			r.Model = d.Str()
		case "system_fingerprint":
			r.SystemFingerprint = d.Str()
		case "service_tier":
			r.ServiceTier = d.Intern("default")
		case "choices":
			r.Choices = r.Choices[:0]
			for d.Array(); d.More(); {
				r.Choices = append(r.Choices, Choice{Index: len(r.Choices)})
				r.Choices[len(r.Choices)-1].decode(d)
			}
		case "usage":
			r.Usage = decodeUsage(d)
		default:
			keepUnlessNull(&r.Extra, d)
		}
	}
}

func (c *Choice) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "index":
			c.Index = d.Int()
		case "message":
			c.Message.decode(d)
		case "finish_reason":
			c.FinishReason, c.NativeFinishReason = decodeFinish(d, c.NativeFinishReason)
		case "native_finish_reason":
			if s := d.Str(); s != "" {
				c.NativeFinishReason = s
			}
		case "stop_sequence":
			c.StopSequence = d.Str()
		case "logprobs":
			c.Logprobs = decodeLogprobs(d)
		default:
			keepUnlessNull(&c.Extra, d)
		}
	}
}

func decodeLogprobs(d *jsonx.Decoder) *Logprobs {
	if d.Kind() != jsonx.Object {
		d.Skip()
		return nil
	}
	var l *Logprobs
	decodeInto(d, &l)
	return l
}

// decodeFinish reads the reason; native is kept if it was read before.
func decodeFinish(d *jsonx.Decoder, native string) (FinishReason, string) {
	if d.Kind() == jsonx.Null {
		d.Skip()
		return "", native
	}
	reason, raw := finishReason(d.StrBytes())
	if native == "" {
		native = raw
	}
	return reason, native
}

// CanonicalFinishReason maps the words that OpenAI-compatible hosts use to the four of this package. A word
// that is not known means "stop": the turn did end.
func CanonicalFinishReason(native string) FinishReason {
	reason, _ := finishReason([]byte(native))
	return reason
}

func finishReason(b []byte) (FinishReason, string) {
	switch string(b) {
	case "":
		return "", ""
	case "stop":
		return FinishStop, "stop"
	case "length":
		return FinishLength, "length"
	case "tool_calls":
		return FinishToolCalls, "tool_calls"
	case "content_filter":
		return FinishContentFilter, "content_filter"
	case "function_call", "tool_use", "tool_call":
		return FinishToolCalls, string(b)
	case "max_tokens", "max_output_tokens", "model_length", "MAX_TOKENS":
		return FinishLength, string(b)
	case "sensitive", "safety", "SAFETY", "refusal":
		return FinishContentFilter, string(b)
	}
	return FinishStop, string(b)
}

func decodeUsage(d *jsonx.Decoder) *Usage {
	if d.Kind() != jsonx.Object {
		d.Skip()
		return nil
	}
	u := &Usage{}
	u.decode(d)
	return u
}

func (u *Usage) encode(e *jsonx.Encoder) { u.encodeAs(e, "prompt_tokens", "completion_tokens") }

// encodeAs writes the usage under chat's names or those of the Responses API (input_tokens, output_tokens).
func (u *Usage) encodeAs(e *jsonx.Encoder, in, out string) {
	e.Object()
	e.Name(in)
	e.Int(u.PromptTokens)
	e.Name(out)
	e.Int(u.CompletionTokens)
	e.Name("total_tokens")
	e.Int(u.TotalTokens)
	if p := u.PromptTokensDetails; p != nil {
		e.Name(in + "_details")
		e.Object()
		e.Name("cached_tokens")
		e.Int(p.CachedTokens)
		e.OptInt("cache_creation_tokens", p.CacheCreationTokens)
		if p.CacheCreation5mTokens != 0 || p.CacheCreation1hTokens != 0 {
			e.Name("cache_creation_token_details")
			e.Object()
			e.Name("ephemeral_5m_input_tokens")
			e.Int(p.CacheCreation5mTokens)
			e.Name("ephemeral_1h_input_tokens")
			e.Int(p.CacheCreation1hTokens)
			e.EndObject()
		}
		e.OptInt("text_tokens", p.TextTokens)
		e.OptInt("audio_tokens", p.AudioTokens)
		e.OptInt("image_tokens", p.ImageTokens)
		e.OptInt("video_tokens", p.VideoTokens)
		e.OptInt("tool_use_tokens", p.ToolUseTokens)
		e.Members(p.Extra)
		e.EndObject()
	}
	if c := u.CompletionTokensDetails; c != nil {
		e.Name(out + "_details")
		e.Object()
		e.Name("reasoning_tokens")
		e.Int(c.ReasoningTokens)
		e.OptInt("text_tokens", c.TextTokens)
		e.OptInt("audio_tokens", c.AudioTokens)
		e.OptInt("image_tokens", c.ImageTokens)
		e.OptInt("accepted_prediction_tokens", c.AcceptedPredictionTokens)
		e.OptInt("rejected_prediction_tokens", c.RejectedPredictionTokens)
		e.Members(c.Extra)
		e.EndObject()
	}
	if s := u.ServerToolUse; s != nil {
		e.Name("server_tool_use")
		e.Object()
		e.OptInt("web_search_requests", s.WebSearchRequests)
		e.OptInt("web_fetch_requests", s.WebFetchRequests)
		e.OptInt("code_execution_requests", s.CodeExecutionRequests)
		e.Members(s.Extra)
		e.EndObject()
	}
	if u.Cost != "" {
		e.Name("cost")
		e.Raw([]byte(u.Cost))
	}
	if u.Source == UsageEstimated {
		e.Name("source")
		e.Str(string(u.Source))
	}
	e.Members(u.Extra)
	e.EndObject()
}

func (u *Usage) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "prompt_tokens", "input_tokens":
			u.PromptTokens = d.Int()
		case "completion_tokens", "output_tokens":
			u.CompletionTokens = d.Int()
		case "total_tokens":
			u.TotalTokens = d.Int()
		case "prompt_tokens_details", "input_tokens_details", "input_token_details":
			u.PromptTokensDetails = decodeNew[PromptTokensDetails](d, (*PromptTokensDetails).decode)
		case "completion_tokens_details", "output_tokens_details", "output_token_details":
			u.CompletionTokensDetails = decodeNew[CompletionTokensDetails](d, (*CompletionTokensDetails).decode)
		case "server_tool_use":
			u.ServerToolUse = decodeNew[ServerToolUse](d, (*ServerToolUse).decode)
		case "cost":
			if d.Kind() == jsonx.Number {
				u.Cost = string(d.Raw())
			} else {
				keepUnlessNull(&u.Extra, d)
			}
		case "source":
			u.Source = UsageSource(d.Str())
		default:
			keepUnlessNull(&u.Extra, d)
		}
	}
	if u.TotalTokens == 0 {
		u.TotalTokens = u.PromptTokens + u.CompletionTokens
	}
}

func (p *PromptTokensDetails) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "cached_tokens":
			p.CachedTokens = d.Int()
		case "cache_creation_tokens", "cache_write_tokens":
			p.CacheCreationTokens = d.Int()
		case "cache_creation_token_details":
			for d.Object(); d.More(); {
				switch string(d.Key()) {
				case "ephemeral_5m_input_tokens":
					p.CacheCreation5mTokens = d.Int()
				case "ephemeral_1h_input_tokens":
					p.CacheCreation1hTokens = d.Int()
				default:
					d.Skip()
				}
			}
		case "text_tokens":
			p.TextTokens = d.Int()
		case "audio_tokens":
			p.AudioTokens = d.Int()
		case "image_tokens":
			p.ImageTokens = d.Int()
		case "video_tokens":
			p.VideoTokens = d.Int()
		case "tool_use_tokens":
			p.ToolUseTokens = d.Int()
		default:
			keepUnlessNull(&p.Extra, d)
		}
	}
}

func (c *CompletionTokensDetails) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "reasoning_tokens":
			c.ReasoningTokens = d.Int()
		case "text_tokens":
			c.TextTokens = d.Int()
		case "audio_tokens":
			c.AudioTokens = d.Int()
		case "image_tokens":
			c.ImageTokens = d.Int()
		case "accepted_prediction_tokens":
			c.AcceptedPredictionTokens = d.Int()
		case "rejected_prediction_tokens":
			c.RejectedPredictionTokens = d.Int()
		default:
			keepUnlessNull(&c.Extra, d)
		}
	}
}

func (s *ServerToolUse) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "web_search_requests":
			s.WebSearchRequests = d.Int()
		case "web_fetch_requests":
			s.WebFetchRequests = d.Int()
		case "code_execution_requests":
			s.CodeExecutionRequests = d.Int()
		default:
			keepUnlessNull(&s.Extra, d)
		}
	}
}

func (c *CompletionChunk) encode(e *jsonx.Encoder) {
	e.Object()
	encodeHead(e, cmp.Or(c.Object, "chat.completion.chunk"),
		&chunkHead{id: c.ID, created: c.Created, model: c.Model, fingerprint: c.SystemFingerprint, tier: c.ServiceTier})
	e.Name("choices")
	e.Array()
	for i := range c.Choices {
		ch := &c.Choices[i]
		e.Object()
		e.Name("index")
		e.Int(ch.Index)
		e.Name("delta")
		ch.Delta.encode(e)
		encodeFinish(e, ch.FinishReason, ch.NativeFinishReason, ch.StopSequence)
		optAny(e, "logprobs", ch.Logprobs, ch.Logprobs != nil)
		e.Members(ch.Extra)
		e.EndObject()
	}
	e.EndArray()
	if c.Usage != nil {
		e.Name("usage")
		c.Usage.encode(e)
	}
	e.OptStr("obfuscation", c.Obfuscation)
	e.OptStr("stream_marker", string(c.Marker))
	e.Members(c.Extra)
	e.EndObject()
}

func (m *Delta) encode(e *jsonx.Encoder) {
	e.Object()
	e.OptStr("role", string(m.Role))
	e.OptStr("content", m.Content)
	e.OptStr("reasoning_content", m.ReasoningContent)
	e.OptStr("refusal", m.Refusal)
	if len(m.ToolCalls) > 0 {
		e.Name("tool_calls")
		e.Array()
		for i := range m.ToolCalls {
			c := &m.ToolCalls[i]
			e.Object()
			e.Name("index")
			e.Int(c.Index)
			e.OptStr("id", c.ID)
			e.OptStr("type", c.Type)
			if c.Custom != nil {
				e.Name("custom")
				e.Object()
				e.OptStr("name", c.Custom.Name)
				e.OptStr("input", c.Custom.Input)
				e.EndObject()
			} else {
				e.Name("function")
				e.Object()
				e.OptStr("name", c.Function.Name)
				e.OptStr("arguments", c.Function.Arguments)
				e.EndObject()
			}
			e.OptStr("signature", c.Signature)
			e.OptStr("origin", c.Origin)
			e.Members(c.Extra)
			e.EndObject()
		}
		e.EndArray()
	}
	encodeThinking(e, m.ThinkingBlocks)
	encodeCalls(e, "incomplete_tool_calls", m.IncompleteToolCalls)
	encodeList(e, "annotations", m.Annotations, (*Annotation).encode)
	encodeList(e, "images", m.Images, (*Part).encode)
	if m.Audio != nil {
		e.Name("audio")
		m.Audio.encode(e)
	}
	m.Native.encode(e)
	e.Members(m.Extra)
	e.EndObject()
}

func (c *CompletionChunk) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "id":
			c.ID = d.Intern(c.ID)
		case "object":
			c.Object = d.Intern("chat.completion.chunk")
		case "created":
			c.Created = int64(d.Float())
		case "model":
			c.Model = d.Intern(c.Model)
		case "system_fingerprint":
			c.SystemFingerprint = d.Intern(c.SystemFingerprint)
		case "service_tier":
			c.ServiceTier = d.Intern(c.ServiceTier)
		case "choices":
			c.Choices = c.Choices[:0]
			for d.Array(); d.More(); {
				c.Choices = append(c.Choices, ChunkChoice{})
				c.Choices[len(c.Choices)-1].decode(d)
			}
		case "usage":
			c.Usage = decodeUsage(d)
		case "obfuscation":
			c.Obfuscation = d.Str()
		case "stream_marker":
			c.Marker = Marker(d.Str())
		default:
			keepUnlessNull(&c.Extra, d)
		}
	}
}

func (c *ChunkChoice) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "index":
			c.Index = d.Int()
		case "delta":
			c.Delta.decode(d)
		case "finish_reason":
			c.FinishReason, c.NativeFinishReason = decodeFinish(d, c.NativeFinishReason)
		case "native_finish_reason":
			if s := d.Str(); s != "" {
				c.NativeFinishReason = s
			}
		case "stop_sequence":
			c.StopSequence = d.Str()
		case "logprobs":
			c.Logprobs = decodeLogprobs(d)
		default:
			keepUnlessNull(&c.Extra, d)
		}
	}
}

func (m *Delta) decode(d *jsonx.Decoder) {
	var thinking, reasoning string
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "role":
			m.Role = Role(d.Intern(string(RoleAssistant)))
		case "content":
			if d.Kind() == jsonx.String {
				m.Content, thinking = d.Str(), ""
				continue
			}
			var c Content
			c, thinking = decodeContent(d)
			m.Content = c.Text()
		case "reasoning_content":
			m.ReasoningContent = d.Str()
		case "reasoning":
			if k := d.Kind(); k == jsonx.String || k == jsonx.Null {
				reasoning = d.Str()
			} else {
				keep(&m.Extra, d)
			}
		case "refusal":
			m.Refusal = d.Str()
		case "tool_calls":
			m.ToolCalls = decodeCalls(d, m.ToolCalls[:0])
		case "incomplete_tool_calls":
			m.IncompleteToolCalls = decodeCalls(d, nil)
		case "thinking_blocks":
			m.ThinkingBlocks = decodeList(d, m.ThinkingBlocks[:0], (*ThinkingBlock).decode)
		case "annotations":
			m.Annotations = decodeList(d, m.Annotations[:0], (*Annotation).decode)
		case "images":
			m.Images = decodeList(d, m.Images[:0], (*Part).decode)
		case "audio":
			m.Audio = decodeNew[AudioAnswer](d, (*AudioAnswer).decode)
		case "native":
			m.Native = decodeNative(d)
		default:
			keepUnlessNull(&m.Extra, d)
		}
	}
	if thinking != "" {
		m.ReasoningContent = thinking + m.ReasoningContent
	}
	if m.ReasoningContent == "" {
		m.ReasoningContent = reasoning
	}
}
