package openai

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// chat is the completion operation of one host: its quirks, looked up once.
type chat struct {
	*Quirks
	path       string
	drop       []param
	cache      bool // cache_control is taken
	developer  bool
	allowed    bool
	fileURL    bool
	cutOff     bool
	strip      map[string]bool
	toolChoice map[string]string // mode -> word for the wire; nil: any
}

func newCompletion(q *Quirks) *llm.Op[llm.CompletionRequest, llm.CompletionResponse, llm.CompletionChunk] {
	c := newChat(q)
	return &llm.Op[llm.CompletionRequest, llm.CompletionResponse, llm.CompletionChunk]{
		Encode: c.encode,
		Decode: c.decode,
		Stream: c.stream,
	}
}

func newChat(q *Quirks) *chat {
	c := &chat{
		Quirks:    q,
		path:      q.ChatPath,
		cache:     q.accepts("cache_control"),
		developer: q.accepts("developer"),
		allowed:   q.accepts("allowed_tools"),
		fileURL:   q.accepts("file_url"),
		cutOff:    q.accepts("cut_off"),
		strip:     wordSet(q.SchemaStrip),
	}
	if c.path == "" {
		c.path = "/chat/completions"
	}
	for i := range params {
		p := &params[i]
		if q.drops(p.name) || p.extension && !q.accepts(p.name) {
			c.drop = append(c.drop, *p)
		}
	}
	c.toolChoice = wordMap(q.ToolChoice)
	return c
}

// param is a member of the request that some host cannot carry.
type param struct {
	name      string
	extension bool // not OpenAI's: must be accepted explicitly
	isSet     func(*llm.CompletionRequest) bool
	clear     func(*llm.CompletionRequest)
}

// field makes a param of a field, given by its address.
func field[T any](name string, at func(*llm.CompletionRequest) *T, isSet func(T) bool) param {
	return param{
		name:  name,
		isSet: func(r *llm.CompletionRequest) bool { return isSet(*at(r)) },
		clear: func(r *llm.CompletionRequest) { var zero T; *at(r) = zero },
	}
}

func scalar[T comparable](name string, at func(*llm.CompletionRequest) *T) param {
	return field(name, at, func(v T) bool { var zero T; return v != zero })
}

func list[T any](name string, at func(*llm.CompletionRequest) *[]T) param {
	return field(name, at, func(v []T) bool { return len(v) > 0 })
}

// params are the members that Quirks.Drop may name.
var params = []param{
	scalar("max_completion_tokens", func(r *llm.CompletionRequest) *int { return &r.MaxTokens }),
	scalar("temperature", func(r *llm.CompletionRequest) **float64 { return &r.Temperature }),
	scalar("top_p", func(r *llm.CompletionRequest) **float64 { return &r.TopP }),
	extension(scalar("top_k", func(r *llm.CompletionRequest) *int { return &r.TopK })),
	field("n", func(r *llm.CompletionRequest) *int { return &r.N }, func(n int) bool { return n > 1 }),
	list("stop", func(r *llm.CompletionRequest) *[]string { return &r.Stop }),
	scalar("seed", func(r *llm.CompletionRequest) **int64 { return &r.Seed }),
	scalar("frequency_penalty", func(r *llm.CompletionRequest) **float64 { return &r.FrequencyPenalty }),
	scalar("presence_penalty", func(r *llm.CompletionRequest) **float64 { return &r.PresencePenalty }),
	field("logit_bias", func(r *llm.CompletionRequest) *map[string]int { return &r.LogitBias },
		func(m map[string]int) bool { return len(m) > 0 }),
	scalar("logprobs", func(r *llm.CompletionRequest) *bool { return &r.Logprobs }),
	scalar("top_logprobs", func(r *llm.CompletionRequest) **int { return &r.TopLogprobs }),
	list("tools", func(r *llm.CompletionRequest) *[]llm.Tool { return &r.Tools }),
	scalar("tool_choice", func(r *llm.CompletionRequest) **llm.ToolChoice { return &r.ToolChoice }),
	scalar("parallel_tool_calls", func(r *llm.CompletionRequest) **bool { return &r.ParallelToolCalls }),
	scalar("response_format", func(r *llm.CompletionRequest) **llm.ResponseFormat { return &r.ResponseFormat }),
	scalar("reasoning_effort", func(r *llm.CompletionRequest) *llm.ReasoningEffort { return &r.ReasoningEffort }),
	scalar("verbosity", func(r *llm.CompletionRequest) *string { return &r.Verbosity }),
	scalar("prediction", func(r *llm.CompletionRequest) **llm.Prediction { return &r.Prediction }),
	list("modalities", func(r *llm.CompletionRequest) *[]string { return &r.Modalities }),
	scalar("audio", func(r *llm.CompletionRequest) **llm.AudioOutput { return &r.Audio }),
	scalar("service_tier", func(r *llm.CompletionRequest) *string { return &r.ServiceTier }),
	scalar("store", func(r *llm.CompletionRequest) **bool { return &r.Store }),
	field("metadata", func(r *llm.CompletionRequest) *map[string]string { return &r.Metadata },
		func(m map[string]string) bool { return len(m) > 0 }),
	scalar("user", func(r *llm.CompletionRequest) *string { return &r.User }),
	scalar("safety_identifier", func(r *llm.CompletionRequest) *string { return &r.SafetyIdentifier }),
	scalar("prompt_cache_key", func(r *llm.CompletionRequest) *string { return &r.PromptCacheKey }),
	scalar("prompt_cache_retention", func(r *llm.CompletionRequest) *string { return &r.PromptCacheRetention }),
	extension(scalar("cache_control", func(r *llm.CompletionRequest) **llm.CacheControl { return &r.CacheControl })),
	scalar("web_search_options", func(r *llm.CompletionRequest) **llm.WebSearchOptions { return &r.WebSearchOptions }),
}

func extension(p param) param {
	p.extension = true
	return p
}

func (c *chat) encode(call *llm.Call, req *llm.CompletionRequest) (*http.Request, error) {
	r := *req // members are cleared and replaced in the copy, never through its pointers
	r.Model = c.model(call)
	for i := range c.drop {
		if p := &c.drop[i]; p.isSet(&r) {
			if err := call.Unsupported(p.name, ""); err != nil {
				return nil, err
			}
		}
		c.drop[i].clear(&r) // also what says no more than the default, such as n: 1
	}
	tail, err := c.rename(call, &r)
	if err != nil {
		return nil, err
	}
	if r.Tools, err = c.tools(call, &r); err != nil {
		return nil, err
	}
	if r.Messages, err = c.messages(call, r.Messages); err != nil {
		return nil, err
	}
	body, err := r.AppendJSON(call.Buffer(sizeOf(&r) + len(tail)))
	if err != nil {
		return nil, llm.InvalidRequest("", "the request cannot be written as JSON: "+err.Error())
	}
	if len(tail) > 0 {
		body = append(body[:len(body)-1], tail...)
		body = append(body, '}')
	}
	return call.NewJSONRequest(c.path, body, req.Extra)
}

// rename takes from r what goes by another name or in another form at this host, and returns those members as
// they come after all others, each with a comma before it.
func (c *chat) rename(call *llm.Call, r *llm.CompletionRequest) (tail []byte, err error) {
	if c.MaxTokens != "" && r.MaxTokens != 0 {
		tail = strconv.AppendInt(name(tail, c.MaxTokens), int64(r.MaxTokens), 10)
		r.MaxTokens = 0
	}
	if c.Seed != "" && r.Seed != nil {
		tail = strconv.AppendInt(name(tail, c.Seed), *r.Seed, 10)
		r.Seed = nil
	}
	if t := r.Temperature; t != nil && c.MaxTemperature != 0 && *t > c.MaxTemperature {
		call.Warn(llm.Warning{Code: "changed_param", Param: "temperature",
			Message: "lowered to the host's maximum, " + strconv.FormatFloat(c.MaxTemperature, 'g', -1, 64)})
		r.Temperature = &c.MaxTemperature
	}
	if tail, err = c.thinking(call, r, tail); err != nil {
		return nil, err
	}
	if f := r.ResponseFormat; f != nil && f.Type == "json_schema" && c.JSONSchema == "json_object" {
		if err := call.Unsupported("response_format", "the host knows json_object, not json_schema"); err != nil {
			return nil, err
		}
		r.ResponseFormat = &llm.ResponseFormat{Type: "json_object"}
	}
	if f := r.ResponseFormat; f != nil && f.JSONSchema != nil && c.StrictSchema && isTrue(f.JSONSchema.Strict) && f.JSONSchema.Schema != nil {
		js := *f.JSONSchema
		if schema, ok := strictSchema(call, js.Schema, "response_format"); ok {
			js.Schema = schema
		} else {
			js.Strict = nil
		}
		r.ResponseFormat = &llm.ResponseFormat{Type: f.Type, JSONSchema: &js, Extra: f.Extra}
	}
	options := r.StreamOptions
	r.StreamOptions = nil // valid only together with stream
	if call.Stream {
		tail = append(tail, `,"stream":true`...)
		usage := !c.NoStreamUsage
		if options == nil {
			if usage {
				tail = append(tail, `,"stream_options":{"include_usage":true}`...)
			}
		} else {
			o := *options
			if o.IncludeUsage == nil && usage {
				o.IncludeUsage = &usage
			}
			r.StreamOptions = &o
		}
	}
	if c.Body != "" {
		tail = append(append(tail, ','), c.Body...)
	}
	return tail, nil
}

// thinking writes Thinking, and an effort where that is the only way, in the host's form.
func (c *chat) thinking(call *llm.Call, r *llm.CompletionRequest, tail []byte) ([]byte, error) {
	t := r.Thinking
	if e := r.ReasoningEffort; e != "" && c.EffortAsThinking {
		if r.ReasoningEffort = ""; t == nil {
			t = &llm.Thinking{Type: "enabled"}
			if e == llm.EffortNone {
				t.Type = "disabled"
			} else {
				call.Warn(llm.Warning{Code: "changed_param", Param: "reasoning_effort",
					Message: "the host can only switch thinking on or off; it is on"})
			}
		}
	}
	if t == nil {
		return tail, nil
	}
	r.Thinking = nil
	switch c.Thinking {
	case "object":
		r.Thinking = t
	case "type":
		if t.BudgetTokens != nil {
			if err := call.Unsupported("thinking.budget_tokens", "the host can only switch thinking on or off"); err != nil {
				return nil, err
			}
		}
		typ := t.Type
		if typ == "adaptive" {
			typ = "enabled"
		}
		r.Thinking = &llm.Thinking{Type: typ}
	case "enable_thinking":
		tail = strconv.AppendBool(name(tail, "enable_thinking"), t.Type != "disabled")
		if t.BudgetTokens != nil && t.Type != "disabled" {
			tail = strconv.AppendInt(name(tail, "thinking_budget"), int64(*t.BudgetTokens), 10)
		}
	case "reasoning":
		tail = append(tail, `,"reasoning":{`...)
		switch {
		case t.Type == "disabled":
			tail = append(tail, `"enabled":false`...)
		case t.BudgetTokens != nil:
			tail = strconv.AppendInt(append(tail, `"max_tokens":`...), int64(*t.BudgetTokens), 10)
		case r.ReasoningEffort != "":
			tail = jsonx.AppendString(append(tail, `"effort":`...), string(r.ReasoningEffort))
		default:
			tail = append(tail, `"enabled":true`...)
		}
		if t.Display == "omitted" {
			tail = append(tail, `,"exclude":true`...)
		}
		tail = append(tail, '}')
		r.ReasoningEffort = "" // one of the two is refused
	default:
		if err := call.Unsupported("thinking", "use reasoning_effort where the model has it"); err != nil {
			return nil, err
		}
	}
	return tail, nil
}

func name(b []byte, name string) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	return append(b, '"', ':')
}

// tools returns the tools, and sets the choice among them, as the host takes them.
func (c *chat) tools(call *llm.Call, r *llm.CompletionRequest) ([]llm.Tool, error) {
	tools := r.Tools
	if tc := r.ToolChoice; tc != nil {
		choice := *tc
		r.ToolChoice = &choice
		if len(tc.Allowed) > 0 && !c.allowed {
			// Offering only the allowed tools means the same; what is lost is the prompt cache.
			tools = nil
			for _, t := range r.Tools {
				if slices.Contains(tc.Allowed, toolName(&t)) {
					tools = append(tools, t)
				}
			}
			choice.Allowed = nil
			if choice.Mode == "" {
				choice.Mode = "auto"
			}
		}
		if c.toolChoice != nil {
			mode := choice.Mode
			if choice.Name != "" {
				mode = "named"
			}
			word, ok := c.toolChoice[mode]
			switch {
			case !ok && mode != "":
				if err := call.Unsupported("tool_choice", "the host knows only "+c.ToolChoice); err != nil {
					return nil, err
				}
				r.ToolChoice = nil
			case word != mode:
				choice = llm.ToolChoice{Mode: word}
			}
		}
	}
	copied := false
	warned := false
	for i := range tools {
		t := &tools[i]
		mark := t.CacheControl != nil && !c.cache
		schema := t.Function != nil && len(c.strip) > 0 && (t.Function.Parameters != nil || t.Function.Strict != nil)
		strict := t.Function != nil && c.StrictSchema && isTrue(t.Function.Strict) && t.Function.Parameters != nil
		if !mark && !schema && !strict {
			continue
		}
		if !copied {
			tools, copied = slices.Clone(tools), true
			t = &tools[i]
		}
		if mark {
			t.CacheControl = nil
			if !warned {
				warned = true
				call.Warn(llm.Warning{Code: "dropped_param", Param: "tools[" + strconv.Itoa(i) + "].cache_control", Message: noCache})
			}
		}
		if schema {
			f := *t.Function
			if c.strip["strict"] {
				f.Strict = nil
			}
			if f.Parameters != nil {
				p, err := stripSchema(f.Parameters, c.strip)
				if err != nil {
					return nil, llm.InvalidRequest("tools["+strconv.Itoa(i)+"].function.parameters", "is not a JSON Schema: "+err.Error())
				}
				f.Parameters = p
			}
			t.Function = &f
		}
		if strict {
			f := *t.Function
			if p, ok := strictSchema(call, f.Parameters, "tools["+strconv.Itoa(i)+"].function.parameters"); ok {
				f.Parameters = p
			} else {
				f.Strict = nil
			}
			t.Function = &f
		}
	}
	return tools, nil
}

func isTrue(b *bool) bool { return b != nil && *b }

const noCache = "the host takes no cache marks"

func toolName(t *llm.Tool) string {
	switch {
	case t.Function != nil:
		return t.Function.Name
	case t.Custom != nil:
		return t.Custom.Name
	}
	s, _ := t.Extra["name"].(string)
	return s
}

// stripSchema removes keywords from a JSON Schema, at every depth.
func stripSchema(schema any, keywords map[string]bool) (any, error) {
	var e jsonx.Encoder
	e.Any(schema)
	if err := e.Err(); err != nil {
		return nil, err
	}
	d := jsonx.NewDecoder(e.B)
	v := d.Any()
	if err := d.End(); err != nil {
		return nil, err
	}
	strip(v, keywords)
	return v, nil
}

func strip(v any, keywords map[string]bool) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			strip(x, keywords)
		}
	case map[string]any:
		for k, x := range v {
			switch {
			case keywords[k]:
				delete(v, k)
			case k == "properties" || k == "$defs" || k == "definitions" || k == "patternProperties":
				// The keys of these are names, not keywords.
				if names, ok := x.(map[string]any); ok {
					for _, y := range names {
						strip(y, keywords)
					}
				}
			case k == "enum" || k == "const" || k == "default" || k == "examples": // data
			default:
				strip(x, keywords)
			}
		}
	}
}

// sizeOf is an estimate of the encoded size, a little too high, so that the body is allocated once.
func sizeOf(r *llm.CompletionRequest) int {
	n := 192
	for i := range r.Messages {
		m := &r.Messages[i]
		n += 64 + len(m.ReasoningContent)
		for j := range m.Content {
			p := &m.Content[j]
			n += 48 + len(p.Text) + len(p.Text)/16
			if p.ImageURL != nil {
				n += len(p.ImageURL.URL)
			}
			if p.InputAudio != nil {
				n += len(p.InputAudio.Data)
			}
			if p.File != nil {
				n += len(p.File.FileData)
			}
			if p.VideoURL != nil {
				n += len(p.VideoURL.URL)
			}
		}
		for j := range m.ToolCalls {
			a := m.ToolCalls[j].Function.Arguments
			n += 128 + len(a) + len(a)/4
		}
	}
	return n + 512*len(r.Tools)
}

func (c *chat) decode(call *llm.Call, h http.Header, body []byte) (*llm.CompletionResponse, error) {
	resp := &llm.CompletionResponse{}
	if err := resp.UnmarshalJSON(body); err != nil {
		if e := bodyError(h, body); e != nil {
			return nil, e
		}
		return nil, undecodable(err)
	}
	if resp.Extra != nil {
		if raw, ok := resp.Extra["error"].(json.RawMessage); ok && carriesError(raw) {
			return nil, bodyErrorOr(h, body)
		}
	}
	if len(resp.Choices) == 0 {
		if e := bodyError(h, body); e != nil {
			return nil, e
		}
		return nil, llm.Malformed("the answer has no choices", nil)
	}
	for i := range resp.Choices {
		ch := &resp.Choices[i]
		if ch.Index < 0 {
			return nil, llm.Malformed("a choice has a negative index", nil)
		}
		if e := choiceError(h, ch.NativeFinishReason, ch.Extra); e != nil {
			return nil, e
		}
		m := &ch.Message
		if m.Role == "" {
			m.Role = llm.RoleAssistant
		}
		if m.Extra != nil {
			c.messageExtra(call, m)
		}
		if ch.Extra != nil {
			take(&ch.Extra, "delta") // the streamed form, empty (Perplexity)
		}
		if resp.Usage == nil {
			resp.Usage = usageMember(&ch.Extra, "usage")
		}
	}
	c.usage(resp.Usage)
	return resp, nil
}

// undecodable is the error of a 2xx body that is not a completion.
func undecodable(err error) *llm.Error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		e := llm.Truncated("the answer's JSON ends too early")
		e.Err = err
		return e
	}
	return llm.Malformed("the answer is not the JSON of a completion", err)
}

// messageExtra takes out of a message's unknown members those that have a field by another name.
func (c *chat) messageExtra(call *llm.Call, m *llm.Message) {
	if raw, ok := take(&m.Extra, "function_call"); ok && len(m.ToolCalls) == 0 {
		var f llm.ToolCall
		if f.UnmarshalJSON(legacyCall(raw)) == nil && f.Function.Name != "" {
			f.Index = 0
			f.Type = "function"
			m.ToolCalls = []llm.ToolCall{f}
		}
	}
	if raw, ok := take(&m.Extra, "reasoning_details"); ok {
		s := detailState{cumulative: c.CumulativeReasoning}
		blocks, err := s.read(raw, call.Provider.DialectName())
		if err != nil {
			put(&m.Extra, "reasoning_details", raw)
			return
		}
		m.ThinkingBlocks = append(m.ThinkingBlocks, mergeBlocks(blocks)...)
		if m.ReasoningContent == "" {
			m.ReasoningContent = blocksText(blocks)
		}
	}
}

// legacyCall wraps a function_call so that it reads as a tool call.
func legacyCall(raw []byte) []byte {
	return slices.Concat([]byte(`{"function":`), raw, []byte("}"))
}

// take removes a raw member from an Extra.
func take(e *llm.Extra, key string) (json.RawMessage, bool) {
	raw, ok := (*e)[key].(json.RawMessage)
	if !ok {
		return nil, false
	}
	delete(*e, key)
	if len(*e) == 0 {
		*e = nil
	}
	return raw, true
}

func put(e *llm.Extra, key string, raw json.RawMessage) {
	if *e == nil {
		*e = make(llm.Extra, 1)
	}
	(*e)[key] = raw
}

func wordSet(list string) map[string]bool {
	m := wordMap(list)
	if m == nil {
		return nil
	}
	set := make(map[string]bool, len(m))
	for w := range m {
		set[w] = true
	}
	return set
}
