package llm

// The JSON form of the Responses vocabulary: OpenAI's, API reference "Create a model response" and "Streaming
// events", read leniently and written strictly, as in completion_json.go.

import (
	"encoding/json"
	"slices"

	"github.com/llm-go/llm/internal/jsonx"
)

// AppendJSON appends the request's JSON object to b, without Extra: that is laid over the whole body by
// [Call.NewJSONRequest].
func (r *ResponsesRequest) AppendJSON(b []byte) ([]byte, error) {
	e := jsonx.Encoder{B: b}
	r.encode(&e)
	return e.B, e.Err()
}

// MarshalJSON includes Extra.
func (r ResponsesRequest) MarshalJSON() ([]byte, error) {
	b, err := r.AppendJSON(make([]byte, 0, 512))
	if err != nil || len(r.Extra) == 0 {
		return b, err
	}
	return jsonx.Overlay(b, r.Extra)
}

// UnmarshalJSON reads OpenAI's form, leniently: the input may be a text, and so may each message's content.
func (r *ResponsesRequest) UnmarshalJSON(b []byte) error { return unmarshal(b, r.decode) }

func (t ResponsesTool) MarshalJSON() ([]byte, error)        { return marshal(t.encode) }
func (t *ResponsesTool) UnmarshalJSON(b []byte) error       { return unmarshal(b, t.decode) }
func (it ResponsesItem) MarshalJSON() ([]byte, error)       { return marshal(it.encode) }
func (it *ResponsesItem) UnmarshalJSON(b []byte) error      { return unmarshal(b, it.decode) }
func (c ResponsesContent) MarshalJSON() ([]byte, error)     { return marshal(c.encode) }
func (c *ResponsesContent) UnmarshalJSON(b []byte) error    { return unmarshal(b, c.decode) }
func (a ResponsesAnnotation) MarshalJSON() ([]byte, error)  { return marshal(a.encode) }
func (a *ResponsesAnnotation) UnmarshalJSON(b []byte) error { return unmarshal(b, a.decode) }
func (r ResponsesResponse) MarshalJSON() ([]byte, error)    { return marshal(r.encode) }

// UnmarshalJSON reads OpenAI's form, leniently.
func (r *ResponsesResponse) UnmarshalJSON(b []byte) error {
	var d jsonx.Decoder
	d.Reset(b)
	r.decode(&d)
	return d.End()
}

func (c ResponsesChunk) MarshalJSON() ([]byte, error) { return marshal(c.encode) }

// UnmarshalJSON reads OpenAI's form, leniently. Type and ItemID may be preset from the event before: where they
// are the same again, as they are in most events of a stream, nothing is allocated for them.
func (c *ResponsesChunk) UnmarshalJSON(b []byte) error {
	var d jsonx.Decoder
	d.Reset(b)
	c.decode(&d)
	return d.End()
}

func (r *ResponsesRequest) encode(e *jsonx.Encoder) {
	e.Object()
	e.Name("model")
	e.Str(r.Model)
	if r.Input != nil {
		e.Name("input")
		e.Array()
		for i := range r.Input {
			r.Input[i].encode(e)
		}
		e.EndArray()
	}
	e.OptStr("instructions", r.Instructions)
	e.OptInt("max_output_tokens", r.MaxOutputTokens)
	e.OptInt("max_tool_calls", r.MaxToolCalls)
	e.PtrFloat("temperature", r.Temperature)
	e.PtrFloat("top_p", r.TopP)
	e.PtrInt("top_logprobs", r.TopLogprobs)
	encodeList(e, "tools", r.Tools, (*ResponsesTool).encode)
	if r.ToolChoice != nil {
		e.Name("tool_choice")
		r.ToolChoice.encodeFlat(e)
	}
	e.PtrBool("parallel_tool_calls", r.ParallelToolCalls)
	if g := r.Reasoning; g != nil {
		e.Name("reasoning")
		e.Object()
		e.OptStr("effort", string(g.Effort))
		e.OptStr("summary", g.Summary)
		e.Members(g.Extra)
		e.EndObject()
	}
	if t := r.Text; t != nil {
		e.Name("text")
		e.Object()
		if t.Format != nil {
			e.Name("format")
			t.Format.encodeFlat(e)
		}
		e.OptStr("verbosity", t.Verbosity)
		e.Members(t.Extra)
		e.EndObject()
	}
	e.Strs("include", r.Include)
	e.PtrBool("store", r.Store)
	e.OptStr("previous_response_id", r.PreviousResponseID)
	e.PtrBool("background", r.Background)
	e.OptStr("truncation", r.Truncation)
	e.OptStr("service_tier", r.ServiceTier)
	optAny(e, "metadata", r.Metadata, len(r.Metadata) > 0)
	e.OptStr("user", r.User)
	e.OptStr("safety_identifier", r.SafetyIdentifier)
	e.OptStr("prompt_cache_key", r.PromptCacheKey)
	e.OptStr("prompt_cache_retention", r.PromptCacheRetention)
	optAny(e, "stream_options", r.StreamOptions, r.StreamOptions != nil)
	e.EndObject()
}

func (r *ResponsesRequest) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "model":
			r.Model = d.Str()
		case "input":
			r.Input = nil
			if d.Kind() == jsonx.String {
				r.Input = []ResponsesItem{InputText(d.Str())}
				continue
			}
			if d.Kind() == jsonx.Array {
				r.Input = []ResponsesItem{}
			}
			for d.Array(); d.More(); {
				r.Input = append(r.Input, ResponsesItem{})
				r.Input[len(r.Input)-1].decode(d)
			}
		case "instructions":
			r.Instructions = d.Str()
		case "max_output_tokens":
			r.MaxOutputTokens = d.Int()
		case "max_tool_calls":
			r.MaxToolCalls = d.Int()
		case "temperature":
			r.Temperature = decodePtr(d, d.Float)
		case "top_p":
			r.TopP = decodePtr(d, d.Float)
		case "top_logprobs":
			r.TopLogprobs = decodePtr(d, d.Int)
		case "tools":
			r.Tools = decodeList(d, nil, (*ResponsesTool).decode)
		case "tool_choice":
			r.ToolChoice = decodeNew[ToolChoice](d, (*ToolChoice).decodeFlat)
		case "parallel_tool_calls":
			r.ParallelToolCalls = decodePtr(d, d.Bool)
		case "reasoning":
			r.Reasoning = decodeNew[ResponsesReasoning](d, (*ResponsesReasoning).decode)
		case "text":
			r.Text = decodeNew[ResponsesText](d, (*ResponsesText).decode)
		case "include":
			r.Include = decodeStrings(d)
		case "store":
			r.Store = decodePtr(d, d.Bool)
		case "previous_response_id":
			r.PreviousResponseID = d.Str()
		case "background":
			r.Background = decodePtr(d, d.Bool)
		case "truncation":
			r.Truncation = d.Str()
		case "service_tier":
			r.ServiceTier = d.Str()
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
		case "stream_options":
			decodeInto(d, &r.StreamOptions)
		default:
			keep(&r.Extra, d)
		}
	}
}

func (g *ResponsesReasoning) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "effort":
			g.Effort = ReasoningEffort(d.Str())
		case "summary":
			g.Summary = d.Str()
		default:
			keep(&g.Extra, d)
		}
	}
}

func (t *ResponsesText) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "format":
			t.Format = decodeNew[ResponseFormat](d, (*ResponseFormat).decodeFlat)
		case "verbosity":
			t.Verbosity = d.Str()
		default:
			keep(&t.Extra, d)
		}
	}
}

// encodeFlat writes text.format, where the schema's members stand beside the type.
func (f *ResponseFormat) encodeFlat(e *jsonx.Encoder) {
	e.Object()
	e.Name("type")
	e.Str(f.Type)
	if s := f.JSONSchema; s != nil {
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
	}
	e.Members(f.Extra)
	e.EndObject()
}

func (f *ResponseFormat) decodeFlat(d *jsonx.Decoder) {
	var s JSONSchema
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "type":
			f.Type = d.Str()
		case "name":
			s.Name = d.Str()
		case "description":
			s.Description = d.Str()
		case "schema":
			s.Schema = decodeRaw(d)
		case "strict":
			s.Strict = decodePtr(d, d.Bool)
		default:
			keep(&f.Extra, d)
		}
	}
	if s.Name != "" || s.Schema != nil || s.Strict != nil || s.Description != "" {
		f.JSONSchema = &s
	}
}

// encodeFlat writes the choice with the name beside the type.
func (c *ToolChoice) encodeFlat(e *jsonx.Encoder) {
	typ := c.Type
	if typ == "" {
		typ = "function"
	}
	switch {
	case len(c.Allowed) > 0:
		e.Object()
		e.Name("type")
		e.Str("allowed_tools")
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
			e.Name("name")
			e.Str(name)
			e.EndObject()
		}
		e.EndArray()
		e.EndObject()
	case c.Name != "":
		e.Object()
		e.Name("type")
		e.Str(typ)
		e.Name("name")
		e.Str(c.Name)
		e.Members(c.Extra)
		e.EndObject()
	case c.Mode != "":
		e.Str(c.Mode)
	default: // {"type":"web_search"}, {"type":"mcp","server_label":…}
		e.Object()
		e.OptStr("type", c.Type)
		e.Members(c.Extra)
		e.EndObject()
	}
}

// decodeFlat reads the flat form, and the nested one. An allowed_tools list that names other tools than functions
// stays as it is, in Extra.
func (c *ToolChoice) decodeFlat(d *jsonx.Decoder) {
	if d.Kind() != jsonx.Object {
		c.decode(d)
		return
	}
	raw := d.Raw()
	if d.Err() != nil {
		return
	}
	var all Extra
	in := jsonx.NewDecoder(raw)
	plain := true
	typ := ""
	for in.Object(); in.More(); {
		switch string(in.Key()) {
		case "type":
			typ = in.Str()
		case "tools":
			tools := in.Raw()
			if in.Err() == nil {
				plain = functionsOnly(tools)
				all = Extra{"tools": json.RawMessage(slices.Clone(tools))}
			}
		default:
			in.Skip()
		}
	}
	if typ == "allowed_tools" && !plain {
		in.Reset(raw)
		for in.Object(); in.More(); {
			switch string(in.Key()) {
			case "type", "tools":
				in.Skip()
			default:
				keep(&all, in)
			}
		}
		c.Type, c.Extra = typ, all
		return
	}
	in.Reset(raw)
	c.decode(in)
	if err := in.Err(); err != nil {
		d.Fail(err)
	}
}

// functionsOnly says whether a list of allowed tools holds nothing but functions by name.
func functionsOnly(raw []byte) bool {
	d := jsonx.NewDecoder(raw)
	ok := true
	for d.Array(); d.More(); {
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "type":
				ok = d.Str() == "function" && ok
			case "name", "function":
				d.Skip()
			default:
				ok = false
				d.Skip()
			}
		}
	}
	return ok && d.Err() == nil
}

func (t *ResponsesTool) encode(e *jsonx.Encoder) {
	e.Object()
	e.Name("type")
	if t.Type == "" {
		e.Str("function")
	} else {
		e.Str(t.Type)
	}
	e.OptStr("name", t.Name)
	e.OptStr("description", t.Description)
	if t.Parameters != nil {
		e.Name("parameters")
		e.Any(t.Parameters)
	} else if t.Type == "" || t.Type == "function" {
		e.Name("parameters") // the reference requires it, and lets it be null
		e.Null()
	}
	e.PtrBool("strict", t.Strict)
	optAny(e, "format", t.Format, t.Format != nil)
	e.Members(t.Extra)
	e.EndObject()
}

func (t *ResponsesTool) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "type":
			t.Type = d.Intern("function")
		case "name":
			t.Name = d.Str()
		case "description":
			t.Description = d.Str()
		case "parameters":
			t.Parameters = decodeRaw(d)
		case "strict":
			t.Strict = decodePtr(d, d.Bool)
		case "format":
			t.Format = decodeRaw(d)
		default:
			keep(&t.Extra, d)
		}
	}
}

// namedItem says whether a type of item has its members in fields.
func namedItem(typ string) bool {
	switch typ {
	case "message", "reasoning", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output":
		return true
	}
	return false
}

func (it *ResponsesItem) encode(e *jsonx.Encoder) {
	e.Object()
	typ := it.Type
	if typ == "" {
		typ = "message"
	}
	e.Name("type")
	e.Str(typ)
	e.OptStr("id", it.ID)
	e.OptStr("status", it.Status)
	switch typ {
	case "message":
		e.Name("role")
		e.Str(string(it.Role))
		encodeParts(e, "content", it.Content)
	case "reasoning":
		encodeParts(e, "summary", it.Summary)
		if len(it.Content) > 0 {
			encodeParts(e, "content", it.Content)
		}
		e.OptStr("encrypted_content", it.EncryptedContent)
	case "function_call":
		e.Name("call_id")
		e.Str(it.CallID)
		e.Name("name")
		e.Str(it.Name)
		e.Name("arguments")
		e.Str(it.Arguments)
	case "custom_tool_call":
		e.Name("call_id")
		e.Str(it.CallID)
		e.Name("name")
		e.Str(it.Name)
		e.Name("input")
		e.Str(it.Input)
	case "function_call_output", "custom_tool_call_output":
		e.Name("call_id")
		e.Str(it.CallID)
		e.OptStr("name", it.Name)
		e.Name("output")
		encodeOutput(e, it.Output)
	default: // what a caller set by hand; what was decoded is all in Extra
		e.OptStr("role", string(it.Role))
		if it.Content != nil {
			encodeParts(e, "content", it.Content)
		}
		if it.Summary != nil {
			encodeParts(e, "summary", it.Summary)
		}
		e.OptStr("encrypted_content", it.EncryptedContent)
		e.OptStr("call_id", it.CallID)
		e.OptStr("name", it.Name)
		e.OptStr("arguments", it.Arguments)
		e.OptStr("input", it.Input)
		if it.Output != nil {
			e.Name("output")
			encodeOutput(e, it.Output)
		}
	}
	e.Members(it.Extra)
	e.EndObject()
}

func encodeParts(e *jsonx.Encoder, name string, parts []ResponsesContent) {
	e.Name(name)
	e.Array()
	for i := range parts {
		parts[i].encode(e)
	}
	e.EndArray()
}

func encodeOutput(e *jsonx.Encoder, parts []ResponsesContent) {
	switch {
	case len(parts) == 0:
		e.Str("")
	case len(parts) == 1 && parts[0].Type == "input_text" && len(parts[0].Extra) == 0:
		e.Str(parts[0].Text)
	default:
		e.Array()
		for i := range parts {
			parts[i].encode(e)
		}
		e.EndArray()
	}
}

// decode looks for the type first: it says whether a member is a field or goes to Extra.
func (it *ResponsesItem) decode(d *jsonx.Decoder) {
	raw := d.Raw()
	if d.Err() != nil {
		return
	}
	var in jsonx.Decoder
	in.Reset(raw)
	for in.Object(); in.More(); {
		switch string(in.Key()) {
		case "type":
			it.Type = itemType(in.StrBytes())
		case "role":
			it.Role = role(in.StrBytes())
		default:
			in.Skip()
		}
	}
	if it.Type == "" { // the short form of an input message
		it.Type = "message"
	}
	in.Reset(raw)
	if namedItem(it.Type) {
		it.decodeNamed(&in)
	} else {
		it.Role = ""
		for in.Object(); in.More(); {
			switch string(in.Key()) {
			case "type":
				in.Skip()
			case "id":
				it.ID = in.Str()
			case "status":
				it.Status = itemStatus(&in)
			default:
				keep(&it.Extra, &in)
			}
		}
	}
	if err := in.Err(); err != nil {
		d.Fail(err)
	}
}

func itemType(b []byte) string {
	switch string(b) {
	case "message":
		return "message"
	case "reasoning":
		return "reasoning"
	case "function_call":
		return "function_call"
	}
	return string(b)
}

func role(b []byte) Role {
	switch string(b) {
	case "assistant":
		return RoleAssistant
	case "user":
		return RoleUser
	}
	return Role(b)
}

func itemStatus(d *jsonx.Decoder) string {
	switch b := d.StrBytes(); string(b) {
	case "completed":
		return "completed"
	case "in_progress":
		return "in_progress"
	default:
		return string(b)
	}
}

func (it *ResponsesItem) decodeNamed(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "type", "role":
			d.Skip()
		case "id":
			it.ID = d.Str()
		case "status":
			it.Status = itemStatus(d)
		case "content":
			text := "input_text"
			if it.Role == RoleAssistant {
				text = "output_text"
			}
			it.Content = decodeParts(d, text)
		case "summary":
			it.Summary = decodeParts(d, "summary_text")
		case "encrypted_content":
			it.EncryptedContent = d.Str()
		case "call_id":
			it.CallID = d.Str()
		case "name":
			it.Name = d.Str()
		case "arguments":
			it.Arguments = decodeArguments(d)
		case "input":
			it.Input = d.Str()
		case "output":
			it.Output = decodeParts(d, "input_text")
		default:
			keep(&it.Extra, d)
		}
	}
}

// decodeParts reads a list of parts, or a text as one part of the given type. What is neither, as the output of
// careless tools, becomes a text of its JSON.
func decodeParts(d *jsonx.Decoder, text string) []ResponsesContent {
	switch d.Kind() {
	case jsonx.Null:
		d.Skip()
		return nil
	case jsonx.Array:
		parts := []ResponsesContent{}
		for d.Array(); d.More(); {
			parts = append(parts, ResponsesContent{})
			p := &parts[len(parts)-1]
			if d.Kind() == jsonx.String {
				p.Type, p.Text = text, d.Str()
			} else {
				p.decode(d)
			}
		}
		return parts
	case jsonx.Object:
		return []ResponsesContent{{Type: text, Text: string(d.Raw())}}
	}
	return []ResponsesContent{{Type: text, Text: d.Str()}}
}

func (c *ResponsesContent) encode(e *jsonx.Encoder) {
	e.Object()
	e.Name("type")
	e.Str(c.Type)
	switch c.Type {
	case "output_text":
		e.Name("text")
		e.Str(c.Text)
		e.Name("annotations")
		e.Array()
		for i := range c.Annotations {
			c.Annotations[i].encode(e)
		}
		e.EndArray()
		optAny(e, "logprobs", c.Logprobs, len(c.Logprobs) > 0)
	case "refusal":
		e.Name("refusal")
		e.Str(c.Refusal)
	case "input_text", "summary_text", "reasoning_text", "text":
		e.Name("text")
		e.Str(c.Text)
	default:
		e.OptStr("text", c.Text)
		e.OptStr("refusal", c.Refusal)
		encodeList(e, "annotations", c.Annotations, (*ResponsesAnnotation).encode)
		optAny(e, "logprobs", c.Logprobs, len(c.Logprobs) > 0)
	}
	e.OptStr("image_url", c.ImageURL)
	e.OptStr("file_id", c.FileID)
	e.OptStr("file_data", c.FileData)
	e.OptStr("file_url", c.FileURL)
	e.OptStr("filename", c.Filename)
	e.OptStr("detail", c.Detail)
	if a := c.InputAudio; a != nil {
		e.Name("input_audio")
		e.Object()
		e.Name("data")
		e.Str(a.Data)
		e.OptStr("format", a.Format)
		e.Members(a.Extra)
		e.EndObject()
	}
	e.Members(c.Extra)
	e.EndObject()
}

func (c *ResponsesContent) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "type":
			c.Type = partType(d.StrBytes())
		case "text":
			c.Text = d.Str()
		case "refusal":
			c.Refusal = d.Str()
		case "image_url":
			if d.Kind() != jsonx.Object {
				c.ImageURL = d.Str()
				continue
			}
			for d.Object(); d.More(); { // the form of chat completions
				switch string(d.Key()) {
				case "url":
					c.ImageURL = d.Str()
				case "detail":
					c.Detail = d.Str()
				default:
					d.Skip()
				}
			}
		case "detail":
			c.Detail = d.Str()
		case "file_id":
			c.FileID = d.Str()
		case "file_data":
			c.FileData = d.Str()
		case "file_url":
			c.FileURL = d.Str()
		case "filename":
			c.Filename = d.Str()
		case "input_audio":
			c.InputAudio = decodeNew[InputAudio](d, func(a *InputAudio, d *jsonx.Decoder) {
				for d.Object(); d.More(); {
					switch string(d.Key()) {
					case "data":
						a.Data = d.Str()
					case "format":
						a.Format = d.Str()
					default:
						keep(&a.Extra, d)
					}
				}
			})
		case "annotations":
			c.Annotations = decodeList(d, nil, (*ResponsesAnnotation).decode)
		case "logprobs":
			c.Logprobs = decodeTokens(d)
		default:
			keep(&c.Extra, d)
		}
	}
}

func partType(b []byte) string {
	switch string(b) {
	case "output_text":
		return "output_text"
	case "input_text":
		return "input_text"
	case "summary_text":
		return "summary_text"
	}
	return string(b)
}

// decodeTokens reads log probabilities. OpenAI sends an empty list where none were asked for.
func decodeTokens(d *jsonx.Decoder) []TokenLogprob {
	if d.Kind() != jsonx.Array {
		d.Skip()
		return nil
	}
	raw := d.Raw()
	if d.Err() != nil || len(raw) == len("[]") {
		return nil
	}
	var list []TokenLogprob
	if err := json.Unmarshal(raw, &list); err != nil {
		d.Fail(err)
	}
	if len(list) == 0 {
		return nil
	}
	return list
}

func (a *ResponsesAnnotation) encode(e *jsonx.Encoder) {
	e.Object()
	e.Name("type")
	e.Str(a.Type)
	ranged, indexed := a.StartIndex != 0 || a.EndIndex != 0, a.Index != 0
	switch a.Type {
	case "url_citation", "container_file_citation":
		ranged = true
	case "file_citation", "file_path":
		indexed = true
	}
	if ranged {
		e.Name("start_index")
		e.Int(a.StartIndex)
		e.Name("end_index")
		e.Int(a.EndIndex)
	}
	if indexed {
		e.Name("index")
		e.Int(a.Index)
	}
	if a.Type == "url_citation" {
		e.Name("url")
		e.Str(a.URL)
		e.Name("title")
		e.Str(a.Title)
	} else {
		e.OptStr("url", a.URL)
		e.OptStr("title", a.Title)
	}
	e.OptStr("file_id", a.FileID)
	e.OptStr("filename", a.Filename)
	e.Members(a.Extra)
	e.EndObject()
}

func (a *ResponsesAnnotation) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "type":
			a.Type = d.Intern("url_citation")
		case "url":
			a.URL = d.Str()
		case "title":
			a.Title = d.Str()
		case "file_id":
			a.FileID = d.Str()
		case "filename":
			a.Filename = d.Str()
		case "index":
			a.Index = d.Int()
		case "start_index":
			a.StartIndex = d.Int()
		case "end_index":
			a.EndIndex = d.Int()
		default:
			keep(&a.Extra, d)
		}
	}
}

func (r *ResponsesResponse) encode(e *jsonx.Encoder) {
	e.Object()
	e.OptStr("id", r.ID)
	e.Name("object")
	if r.Object == "" {
		e.Str("response")
	} else {
		e.Str(r.Object)
	}
	e.OptInt64("created_at", r.CreatedAt)
	e.OptStr("status", r.Status)
	e.OptStr("model", r.Model)
	e.Name("output")
	e.Array()
	for i := range r.Output {
		r.Output[i].encode(e)
	}
	e.EndArray()
	e.OptStr("service_tier", r.ServiceTier)
	e.OptStr("previous_response_id", r.PreviousResponseID)
	if r.IncompleteReason != "" {
		e.Name("incomplete_details")
		e.Object()
		e.Name("reason")
		e.Str(r.IncompleteReason)
		e.EndObject()
	}
	if x := r.Error; x != nil {
		e.Name("error")
		e.Object()
		e.Name("code")
		e.Str(x.Code)
		e.Name("message")
		e.Str(x.Message)
		e.Members(x.Extra)
		e.EndObject()
	}
	if r.Usage != nil {
		e.Name("usage")
		r.Usage.encodeAs(e, "input_tokens", "output_tokens")
	}
	e.Members(r.Extra)
	e.EndObject()
}

func (r *ResponsesResponse) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "id":
			r.ID = d.Str()
		case "object":
			r.Object = d.Intern("response")
		case "created_at":
			r.CreatedAt = int64(d.Float())
		case "status":
			r.Status = itemStatus(d)
		case "model":
			r.Model = d.Str()
		case "output":
			r.Output = r.Output[:0]
			for d.Array(); d.More(); {
				r.Output = append(r.Output, ResponsesItem{})
				r.Output[len(r.Output)-1].decode(d)
			}
		case "usage":
			r.Usage = decodeUsage(d)
		case "service_tier":
			r.ServiceTier = d.Intern("default")
		case "previous_response_id":
			r.PreviousResponseID = d.Str()
		case "incomplete_details":
			for d.Object(); d.More(); {
				if string(d.Key()) == "reason" {
					r.IncompleteReason = d.Str()
				} else {
					d.Skip()
				}
			}
		case "error":
			r.Error = decodeResponsesError(d)
		default:
			keepUnlessNull(&r.Extra, d)
		}
	}
}

func decodeResponsesError(d *jsonx.Decoder) *ResponsesError {
	switch d.Kind() {
	case jsonx.Null:
		d.Skip()
		return nil
	case jsonx.String:
		return &ResponsesError{Message: d.Str()}
	}
	x := &ResponsesError{}
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "code":
			x.Code = d.Str()
		case "message":
			x.Message = d.Str()
		default:
			keepUnlessNull(&x.Extra, d)
		}
	}
	return x
}

// placed says which of its position's members an event of this type has, so that zeros are written.
func placed(typ string) (item, content, summary bool) {
	switch typ {
	case eventItemAdded, eventItemDone:
		return true, false, false
	case eventPartAdded, eventPartDone, eventTextDelta, eventTextDone, eventAnnotation, eventRefusalDelta, eventRefusalDone,
		eventReasoningDelta, eventReasoningDone:
		return true, true, false
	case eventSummaryPartAdded, eventSummaryPartDone, eventSummaryDelta, eventSummaryDone:
		return true, false, true
	}
	return false, false, false
}

func (c *ResponsesChunk) encode(e *jsonx.Encoder) {
	e.Object()
	e.Name("type")
	e.Str(c.Type)
	e.Name("sequence_number")
	e.Int(c.SequenceNumber)
	item, content, summary := placed(c.Type)
	if c.Response != nil {
		e.Name("response")
		c.Response.encode(e)
	}
	e.OptStr("item_id", c.ItemID)
	if item || c.ItemID != "" || c.OutputIndex != 0 {
		e.Name("output_index")
		e.Int(c.OutputIndex)
	}
	if content || c.ContentIndex != 0 {
		e.Name("content_index")
		e.Int(c.ContentIndex)
	}
	if summary || c.SummaryIndex != 0 {
		e.Name("summary_index")
		e.Int(c.SummaryIndex)
	}
	if c.Item != nil {
		e.Name("item")
		c.Item.encode(e)
	}
	if c.Part != nil {
		e.Name("part")
		c.Part.encode(e)
	}
	required := ""
	switch c.Type {
	case eventTextDelta, eventRefusalDelta, eventReasoningDelta, eventSummaryDelta, eventArgumentsDelta, eventInputDelta:
		required = "delta"
	case eventTextDone, eventReasoningDone, eventSummaryDone:
		required = "text"
	case eventRefusalDone:
		required = "refusal"
	case eventArgumentsDone:
		required = "arguments"
	case eventInputDone:
		required = "input"
	}
	member := func(name, s string) {
		if s != "" || required == name {
			e.Name(name)
			e.Str(s)
		}
	}
	member("delta", c.Delta)
	member("text", c.Text)
	member("refusal", c.Refusal)
	e.OptStr("name", c.Name)
	member("arguments", c.Arguments)
	member("input", c.Input)
	if c.Annotation != nil {
		e.Name("annotation")
		c.Annotation.encode(e)
		e.Name("annotation_index")
		e.Int(c.AnnotationIndex)
	}
	if len(c.Logprobs) > 0 || c.Type == eventTextDelta || c.Type == eventTextDone {
		e.Name("logprobs")
		if len(c.Logprobs) > 0 {
			e.Any(c.Logprobs)
		} else {
			e.Array()
			e.EndArray()
		}
	}
	e.OptStr("obfuscation", c.Obfuscation)
	e.Members(c.Extra)
	e.EndObject()
}

func (c *ResponsesChunk) decode(d *jsonx.Decoder) {
	typ, item := c.Type, c.ItemID
	c.Type, c.ItemID = "", ""
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "type":
			c.Type = eventType(d.StrBytes(), typ)
		case "sequence_number":
			c.SequenceNumber = d.Int()
		case "response":
			if d.Kind() != jsonx.Object {
				keep(&c.Extra, d)
				continue
			}
			c.Response = &ResponsesResponse{}
			c.Response.decode(d)
		case "output_index":
			c.OutputIndex = d.Int()
		case "content_index":
			c.ContentIndex = d.Int()
		case "summary_index":
			c.SummaryIndex = d.Int()
		case "item_id":
			c.ItemID = d.Intern(item)
		case "item":
			if d.Kind() != jsonx.Object {
				keep(&c.Extra, d)
				continue
			}
			c.Item = &ResponsesItem{}
			c.Item.decode(d)
		case "part":
			if d.Kind() != jsonx.Object {
				keep(&c.Extra, d)
				continue
			}
			c.Part = &ResponsesContent{}
			c.Part.decode(d)
		case "delta":
			if k := d.Kind(); k != jsonx.String && k != jsonx.Null {
				keep(&c.Extra, d) // events of other vendors
				continue
			}
			c.Delta = d.Str()
		case "text":
			c.Text = d.Str()
		case "refusal":
			c.Refusal = d.Str()
		case "arguments":
			c.Arguments = decodeArguments(d)
		case "input":
			c.Input = decodeArguments(d)
		case "name":
			c.Name = d.Str()
		case "annotation":
			if d.Kind() != jsonx.Object {
				keepUnlessNull(&c.Extra, d)
				continue
			}
			c.Annotation = &ResponsesAnnotation{}
			c.Annotation.decode(d)
		case "annotation_index":
			c.AnnotationIndex = d.Int()
		case "logprobs":
			c.Logprobs = decodeTokens(d)
		case "obfuscation":
			c.Obfuscation = d.Str()
		default:
			keepUnlessNull(&c.Extra, d)
		}
	}
}

// eventType is the type of an event; the frequent ones cost no allocation.
func eventType(b []byte, before string) string {
	if string(b) == before {
		return before
	}
	switch string(b) {
	case eventCreated:
		return eventCreated
	case eventInProgress:
		return eventInProgress
	case eventCompleted:
		return eventCompleted
	case eventItemAdded:
		return eventItemAdded
	case eventItemDone:
		return eventItemDone
	case eventPartAdded:
		return eventPartAdded
	case eventPartDone:
		return eventPartDone
	case eventTextDelta:
		return eventTextDelta
	case eventTextDone:
		return eventTextDone
	case eventArgumentsDelta:
		return eventArgumentsDelta
	case eventArgumentsDone:
		return eventArgumentsDone
	case eventSummaryDelta:
		return eventSummaryDelta
	case eventReasoningDelta:
		return eventReasoningDelta
	}
	return string(b)
}

// The types of events that this package looks at.
const (
	eventCreated    = "response.created"
	eventQueued     = "response.queued"
	eventInProgress = "response.in_progress"
	eventCompleted  = "response.completed"
	eventIncomplete = "response.incomplete"
	eventFailed     = "response.failed"

	eventItemAdded = "response.output_item.added"
	eventItemDone  = "response.output_item.done"
	eventPartAdded = "response.content_part.added"
	eventPartDone  = "response.content_part.done"

	eventTextDelta      = "response.output_text.delta"
	eventTextDone       = "response.output_text.done"
	eventAnnotation     = "response.output_text.annotation.added"
	eventRefusalDelta   = "response.refusal.delta"
	eventRefusalDone    = "response.refusal.done"
	eventArgumentsDelta = "response.function_call_arguments.delta"
	eventArgumentsDone  = "response.function_call_arguments.done"
	eventInputDelta     = "response.custom_tool_call_input.delta"
	eventInputDone      = "response.custom_tool_call_input.done"

	eventSummaryPartAdded = "response.reasoning_summary_part.added"
	eventSummaryPartDone  = "response.reasoning_summary_part.done"
	eventSummaryDelta     = "response.reasoning_summary_text.delta"
	eventSummaryDone      = "response.reasoning_summary_text.done"
	eventReasoningDelta   = "response.reasoning_text.delta"
	eventReasoningDone    = "response.reasoning_text.done"
)
