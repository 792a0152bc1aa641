package llmtest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/llm-go/llm"
	"github.com/tidwall/gjson"
)

// Request is what arrived, decoded as far as the APIs have things in common.
type Request struct {
	Time      time.Time
	Dialect   Dialect
	Operation llm.Operation
	// Provider is the name in the base URL that [Server.Options] gave, or "".
	Provider string
	Model    string
	// Stream says that the answer was asked for in pieces.
	Stream bool
	// Messages is the conversation, whatever its form on the wire: system texts first, tool results with RoleTool.
	Messages []llm.Message
	// Tools are the names of the tools on offer.
	Tools []string
	// Input are the texts to embed, moderate or speak, or the prompt of an image.
	Input []string

	Method string
	Path   string
	Query  url.Values
	// Header is without credentials: their values are REDACTED. HasKey says that there were some.
	Header http.Header
	HasKey bool
	// Body is as it arrived.
	Body []byte
	// Redirected says that the client followed a redirect of this server, which it should not.
	Redirected bool

	usageWanted bool         // a stream that asks for usage
	schema      gjson.Result // that the answer is asked to have
	format      string       // the field response_format of a form
	reasoning   bool         // the Responses API was asked for encrypted reasoning
}

// LastUserText is the text of the last message of the user, "" if there is none.
func (r *Request) LastUserText() string {
	for _, m := range slices.Backward(r.Messages) {
		if m.Role == llm.RoleUser {
			return m.Content.Text()
		}
	}
	return ""
}

// System is the text of all system messages.
func (r *Request) System() string {
	var texts []string
	for _, m := range r.Messages {
		if m.Role == llm.RoleSystem || m.Role == llm.RoleDeveloper {
			texts = append(texts, m.Content.Text())
		}
	}
	return strings.Join(texts, "\n")
}

// ToolResult is the text of the last tool result; ok is false if there is none.
func (r *Request) ToolResult() (text string, ok bool) {
	for _, m := range slices.Backward(r.Messages) {
		if m.Role == llm.RoleTool {
			return m.Content.Text(), true
		}
	}
	return "", false
}

// Get reads a member of the JSON body by gjson path, such as "tools.0.function.name".
func (r *Request) Get(path string) gjson.Result { return gjson.GetBytes(r.Body, path) }

func (r *Request) tokens() int {
	n := 0
	for _, m := range r.Messages {
		n += len(strings.Fields(m.Content.Text()))
	}
	for _, s := range r.Input {
		n += len(strings.Fields(s))
	}
	return n
}

func (r *Request) get(path string) gjson.Result { return gjson.GetBytes(r.Body, path) }

// add appends a message, or joins texts to the last one of the same role.
func (r *Request) add(m llm.Message) {
	if len(m.Content) > 0 || len(m.ToolCalls) > 0 || m.Role == llm.RoleTool {
		r.Messages = append(r.Messages, m)
	}
}

// texts reads a text, or a list of texts or of parts with one.
func texts(v gjson.Result) []string {
	if v.Type == gjson.String {
		return []string{v.Str}
	}
	var list []string
	for _, e := range v.Array() {
		if e.Type == gjson.String {
			list = append(list, e.Str)
		} else if t := e.Get("text"); t.Type == gjson.String {
			list = append(list, t.Str)
		}
	}
	return list
}

func textContent(list []string) llm.Content {
	var c llm.Content
	for _, s := range list {
		c = append(c, llm.TextPart(s))
	}
	return c
}

func functionCall(id, name string, arguments gjson.Result) llm.ToolCall {
	text := arguments.Raw
	if arguments.Type == gjson.String {
		text = arguments.Str
	}
	return llm.ToolCall{ID: id, Type: "function", Function: llm.FunctionCall{Name: name, Arguments: text}}
}

func (r *Request) decodeChat() {
	var body llm.CompletionRequest
	if json.Unmarshal(r.Body, &body) == nil {
		r.Messages = body.Messages
	}
	for _, t := range r.get("tools").Array() {
		r.Tools = append(r.Tools, t.Get("function.name").String()+t.Get("custom.name").String())
	}
	r.schema = r.get("response_format.json_schema.schema")
	r.usageWanted = r.get("stream_options.include_usage").Bool()
}

func (r *Request) decodeResponses() {
	if s := r.get("instructions"); s.Type == gjson.String && s.Str != "" {
		r.add(llm.System(s.Str))
	}
	input := r.get("input")
	if input.Type == gjson.String {
		r.add(llm.User(input.Str))
	}
	for _, item := range input.Array() {
		if !item.IsObject() {
			continue
		}
		switch item.Get("type").String() {
		case "function_call":
			r.add(llm.Message{Role: llm.RoleAssistant, ToolCalls: []llm.ToolCall{
				functionCall(item.Get("call_id").String(), item.Get("name").String(), item.Get("arguments"))}})
		case "function_call_output":
			r.add(llm.Message{Role: llm.RoleTool, ToolCallID: item.Get("call_id").String(), Content: textContent(texts(item.Get("output")))})
		case "", "message":
			m := llm.Message{Role: llm.Role(item.Get("role").String()), Content: textContent(texts(item.Get("content")))}
			for _, p := range item.Get("content").Array() {
				if p.Get("type").String() == "input_image" {
					m.Content = append(m.Content, llm.ImagePart(p.Get("image_url").String()))
				}
			}
			r.add(m)
		}
	}
	for _, t := range r.get("tools").Array() {
		r.Tools = append(r.Tools, firstText(t.Get("name"), t.Get("type")))
	}
	r.schema = r.get("text.format.schema")
	for _, v := range r.get("include").Array() {
		r.reasoning = r.reasoning || v.String() == "reasoning.encrypted_content"
	}
}

func (r *Request) decodeAnthropic() {
	if list := texts(r.get("system")); len(list) > 0 {
		r.add(llm.Message{Role: llm.RoleSystem, Content: textContent(list)})
	}
	for _, m := range r.get("messages").Array() {
		msg := llm.Message{Role: llm.Role(m.Get("role").String())}
		content := m.Get("content")
		if content.Type == gjson.String {
			msg.Content = textContent([]string{content.Str})
		}
		for _, b := range content.Array() {
			switch b.Get("type").String() {
			case "text":
				msg.Content = append(msg.Content, llm.TextPart(b.Get("text").String()))
			case "thinking":
				msg.ReasoningContent += b.Get("thinking").String()
			case "image":
				msg.Content = append(msg.Content, llm.ImagePart(firstText(b.Get("source.url"),
					gjson.Result{Type: gjson.String, Str: "data:" + b.Get("source.media_type").String() + ";base64," + b.Get("source.data").String()})))
			case "tool_use":
				msg.ToolCalls = append(msg.ToolCalls, functionCall(b.Get("id").String(), b.Get("name").String(), b.Get("input")))
			case "tool_result":
				r.add(llm.Message{Role: llm.RoleTool, ToolCallID: b.Get("tool_use_id").String(), Content: textContent(texts(b.Get("content"))),
					IsError: b.Get("is_error").Bool()})
			}
		}
		r.add(msg)
	}
	for _, t := range r.get("tools").Array() {
		r.Tools = append(r.Tools, t.Get("name").String())
	}
	r.schema = r.get("output_config.format.schema")
	if !r.schema.Exists() {
		r.schema = r.get("output_format.schema")
	}
}

func (r *Request) decodeGemini() {
	if list := texts(r.get("systemInstruction.parts")); len(list) > 0 {
		r.add(llm.Message{Role: llm.RoleSystem, Content: textContent(list)})
	}
	contents := r.get("contents")
	if !contents.Exists() { // as countTokens may have it
		contents = r.get("generateContentRequest.contents")
	}
	for _, c := range contents.Array() {
		msg := llm.Message{Role: llm.RoleUser}
		if c.Get("role").String() == "model" {
			msg.Role = llm.RoleAssistant
		}
		for _, p := range c.Get("parts").Array() {
			switch {
			case p.Get("functionCall").Exists():
				f := p.Get("functionCall")
				msg.ToolCalls = append(msg.ToolCalls, functionCall(f.Get("id").String(), f.Get("name").String(), f.Get("args")))
			case p.Get("functionResponse").Exists():
				f := p.Get("functionResponse")
				text := firstText(f.Get("response.result"), f.Get("response.output"), f.Get("response.content"), f.Get("response"))
				r.add(llm.Message{Role: llm.RoleTool, Name: f.Get("name").String(), ToolCallID: f.Get("id").String(), Content: llm.Content{llm.TextPart(text)}})
			case p.Get("inlineData").Exists():
				msg.Content = append(msg.Content, llm.ImagePart("data:"+p.Get("inlineData.mimeType").String()+";base64,"+p.Get("inlineData.data").String()))
			case p.Get("fileData").Exists():
				msg.Content = append(msg.Content, llm.ImagePart(p.Get("fileData.fileUri").String()))
			case p.Get("thought").Bool():
				msg.ReasoningContent += p.Get("text").String()
			case p.Get("text").Exists():
				msg.Content = append(msg.Content, llm.TextPart(p.Get("text").String()))
			}
		}
		r.add(msg)
	}
	for _, t := range r.get("tools").Array() {
		for _, f := range t.Get("functionDeclarations").Array() {
			r.Tools = append(r.Tools, f.Get("name").String())
		}
	}
	for _, path := range []string{"generationConfig.responseJsonSchema", "generationConfig.responseSchema"} {
		if !r.schema.Exists() {
			r.schema = r.get(path)
		}
	}
}

func (r *Request) decodeBedrock() {
	if list := texts(r.get("system")); len(list) > 0 {
		r.add(llm.Message{Role: llm.RoleSystem, Content: textContent(list)})
	}
	messages := r.get("messages")
	if !messages.Exists() { // CountTokens wraps them
		messages = r.get("input.converse.messages")
	}
	for _, m := range messages.Array() {
		msg := llm.Message{Role: llm.Role(m.Get("role").String())}
		for _, b := range m.Get("content").Array() {
			switch {
			case b.Get("text").Exists():
				msg.Content = append(msg.Content, llm.TextPart(b.Get("text").String()))
			case b.Get("reasoningContent").Exists():
				msg.ReasoningContent += b.Get("reasoningContent.reasoningText.text").String()
			case b.Get("image").Exists():
				msg.Content = append(msg.Content, llm.ImagePart("data:image/"+b.Get("image.format").String()+";base64,"+b.Get("image.source.bytes").String()))
			case b.Get("toolUse").Exists():
				u := b.Get("toolUse")
				msg.ToolCalls = append(msg.ToolCalls, functionCall(u.Get("toolUseId").String(), u.Get("name").String(), u.Get("input")))
			case b.Get("toolResult").Exists():
				t := b.Get("toolResult")
				list := texts(t.Get("content"))
				for _, c := range t.Get("content").Array() {
					if j := c.Get("json"); j.Exists() {
						list = append(list, j.Raw)
					}
				}
				r.add(llm.Message{Role: llm.RoleTool, ToolCallID: t.Get("toolUseId").String(), Content: textContent(list),
					IsError: t.Get("status").String() == "error"})
			}
		}
		r.add(msg)
	}
	for _, t := range r.get("toolConfig.tools").Array() {
		if n := t.Get("toolSpec.name"); n.Exists() {
			r.Tools = append(r.Tools, n.String())
		}
	}
	// The schema is a text here.
	r.schema = gjson.Parse(r.get("outputConfig.textFormat.structure.jsonSchema.schema").String())
}

// firstText is the first of the values that is there: its text, or its JSON.
func firstText(list ...gjson.Result) string {
	for _, v := range list {
		if v.Exists() && v.Type != gjson.Null {
			if v.Type == gjson.String {
				return v.Str
			}
			return v.Raw
		}
	}
	return ""
}
