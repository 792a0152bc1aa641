// Package tokens tells how many tokens a request has before it is sent: without a tokeniser, without a network and
// without allocating for text.
//
//	n := tokens.Request(req)                        // n.Tokens is about right, n.High is never too small for text
//	small, report, err := tokens.Trim(req, 8000, tokens.TrimOptions{})
//
// [Estimate] reads a text at about a nanosecond a byte. [Bounds] proves what a text has at least and at most.
// [Request] adds what messages, tools, images, sound and files cost, by the rules that vendors publish; which vendor's
// rules hold is declared by the provider's dialect, and a [Counter] says them. [Exact] asks the provider. Exact counts
// for OpenAI's vocabularies are in the module contrib/tiktoken. docs/tokens.md has what was measured.
package tokens

import (
	"encoding/json"
	"math"
	"strings"

	"github.com/llm-go/llm"
)

// Source says where a count comes from.
type Source string

// The sources.
const (
	SourceEstimate  Source = "estimate"  // likelihoods per byte; see [Estimate]
	SourceTokenizer Source = "tokenizer" // a tokeniser for the text, published rules for the rest
	SourceProvider  Source = "provider"  // the provider's own count; see [Exact]
)

// Count is how many tokens a request's input has.
type Count struct {
	// Tokens is the best guess; Low and High are what it is at least and at most.
	Tokens, Low, High int
	// Unsized is how many parts have a size that the request does not tell: images by URL, uploaded files, PDFs,
	// compressed sound and videos. They are in Tokens with what is usual, and for them High is no bound.
	Unsized int
	// Source says where Tokens comes from.
	Source Source
}

func (c *Count) add(tokens, low, high int) {
	c.Tokens += tokens
	c.Low += low
	c.High += high
}

func (c *Count) exact(n int) { c.add(n, n, n) }

func (c *Count) usual(n int) {
	c.add(n, 0, n)
	c.Unsized++
}

// Request counts the input of a completion by the rules of its model's provider; see [For].
func Request(req *llm.CompletionRequest) Count { return For(req.Model).Request(req) }

// ResponsesRequest is [Request] for a responses call. What the provider keeps (PreviousResponseID) is not in it.
func ResponsesRequest(req *llm.ResponsesRequest) Count { return For(req.Model).ResponsesRequest(req) }

// EmbeddingRequest is [Request] for embeddings: the sum over all inputs.
func EmbeddingRequest(req *llm.EmbeddingRequest) Count { return For(req.Model).EmbeddingRequest(req) }

// TextCompletionRequest is [Request] for text completions.
func TextCompletionRequest(req *llm.TextCompletionRequest) Count {
	return For(req.Model).TextCompletionRequest(req)
}

// Request counts the input of a completion.
func (c Counter) Request(req *llm.CompletionRequest) Count {
	n := c.begin()
	for i := range req.Messages {
		c.message(&n, &req.Messages[i])
	}
	c.tools(&n, req.Tools, req.ToolChoice)
	if f := req.ResponseFormat; f != nil && f.JSONSchema != nil {
		c.json(&n, f.JSONSchema.Schema)
	}
	return n.done()
}

func (c Counter) begin() Count {
	n := Count{Source: c.source()}
	n.framing(c.Reply)
	return n
}

// framing is for tokens that a vendor's rule adds around texts. What a rule says to be 3 has been 4 at some models.
func (c *Count) framing(n int) { c.add(n, 0, n+max(0, n)) }

func (c *Count) done() Count {
	c.Tokens = min(max(c.Tokens, c.Low), max(c.High, c.Low))
	return *c
}

func (c Counter) source() Source {
	if c.Source == "" {
		return SourceEstimate
	}
	return c.Source
}

func (c Counter) message(n *Count, m *llm.Message) {
	n.framing(c.Message)
	c.text(n, string(m.Role))
	if m.Name != "" {
		n.framing(c.Name)
		c.text(n, m.Name)
	}
	for i := range m.Content {
		c.part(n, &m.Content[i])
	}
	c.text(n, m.Refusal)
	c.hidden(n, m.ToolCallID)
	for i := range m.ToolCalls {
		call := &m.ToolCalls[i]
		n.framing(c.Message)
		c.text(n, call.Function.Name)
		c.text(n, call.Function.Arguments)
		if call.Custom != nil {
			c.text(n, call.Custom.Name)
			c.text(n, call.Custom.Input)
		}
	}
	for i := range m.ThinkingBlocks {
		c.text(n, m.ThinkingBlocks[i].Thinking)
	}
	if m.Audio != nil {
		c.text(n, m.Audio.Transcript)
	}
	for i := range m.Images {
		c.part(n, &m.Images[i])
	}
}

func (c Counter) text(n *Count, text string) {
	if text == "" {
		return
	}
	if c.Text != nil {
		n.exact(c.Text(text))
		return
	}
	// A token is at least a byte in every tokeniser that has all bytes as tokens.
	low, high := 1, len(text)
	if c.Published {
		low, high = c.Vocabulary.Bounds(text)
	}
	guess := c.Vocabulary.Estimate(text)
	if c.Scale > 0 {
		guess = int(math.Ceil(float64(guess) * c.Scale))
	}
	n.add(min(max(guess, low), high), low, high)
}

// hidden is for text that a provider shows its model in a form of its own, or not at all.
func (c Counter) hidden(n *Count, text string) {
	low := n.Low
	c.text(n, text)
	n.Low = low
}

func (c Counter) part(n *Count, p *llm.Part) {
	switch {
	case p.ImageURL != nil:
		c.image(n, p.ImageURL.URL, p.ImageURL.Detail)
	case p.InputAudio != nil:
		c.audio(n, p.InputAudio.Data)
	case p.VideoURL != nil:
		n.usual(c.Video)
	case p.File != nil:
		c.file(n, p.File.FileData, p.File.Format, p.File.Filename)
	default:
		c.text(n, p.Text)
		c.text(n, p.Refusal)
	}
}

func (c Counter) image(n *Count, url, detail string) {
	if c.Image == nil {
		n.usual(usualImage)
		return
	}
	if w, h, ok := imageSize(url); ok {
		n.exact(c.Image(w, h, detail))
		return
	}
	n.usual(c.Image(usualSide, usualSide, detail))
}

func (c Counter) audio(n *Count, data string) {
	seconds, exact := audioSeconds(data)
	tokens := int(math.Ceil(seconds * c.AudioPerSecond))
	if exact {
		n.exact(tokens)
		return
	}
	n.usual(tokens)
}

// file counts text files by their text. A PDF's pages are not told by anything short of reading it.
func (c Counter) file(n *Count, data, format, name string) {
	if mediaType, b64, ok := llm.ParseDataURL(data); ok {
		format, data = mediaType, b64
	}
	size := len(data) / 4 * 3
	switch {
	case strings.HasPrefix(format, "image/"):
		c.image(n, "data:"+format+";base64,"+data, "")
	case strings.HasPrefix(format, "audio/"):
		c.audio(n, data)
	case strings.HasPrefix(format, "text/") || format == "application/json":
		n.add(size/4+1, 1, size)
	default:
		n.usual(max(1, size/usualPageBytes) * c.Page)
	}
	c.text(n, name)
}

func (c Counter) tools(n *Count, tools []llm.Tool, choice *llm.ToolChoice) {
	if len(tools) == 0 {
		return
	}
	forced := choice != nil && (choice.Name != "" || choice.Mode == "required")
	if forced {
		n.framing(c.ForcedTools)
	} else {
		n.framing(c.Tools)
	}
	for i := range tools {
		t := &tools[i]
		n.framing(c.Tool)
		switch {
		case t.Function != nil:
			c.text(n, t.Function.Name)
			c.text(n, t.Function.Description)
			c.json(n, t.Function.Parameters)
		case t.Custom != nil:
			c.text(n, t.Custom.Name)
			c.text(n, t.Custom.Description)
			c.json(n, t.Custom.Format)
		default: // a tool of the provider, whose prompt is the provider's
			c.text(n, t.Type)
			c.json(n, t.Extra)
			n.Unsized++
		}
	}
}

// json counts a schema as its JSON, which is about what models are shown of it.
func (c Counter) json(n *Count, v any) {
	switch s := v.(type) {
	case nil:
	case string:
		c.hidden(n, s)
	case []byte:
		c.hidden(n, string(s))
	case json.RawMessage:
		c.hidden(n, string(s))
	case llm.Extra:
		if len(s) > 0 {
			c.encoded(n, s)
		}
	default:
		c.encoded(n, v)
	}
}

// encoded counts what encoding/json makes of v. What has no JSON form cannot be sent either; the call will say so.
func (c Counter) encoded(n *Count, v any) {
	if b, err := json.Marshal(v); err == nil {
		c.hidden(n, string(b))
	}
}

// ResponsesRequest counts the input of a responses call.
func (c Counter) ResponsesRequest(req *llm.ResponsesRequest) Count {
	n := c.begin()
	if req.Instructions != "" {
		n.framing(c.Message)
		c.text(&n, req.Instructions)
	}
	for i := range req.Input {
		item := &req.Input[i]
		n.framing(c.Message)
		for _, text := range []string{string(item.Role), item.Name, item.Arguments, item.Input} {
			c.text(&n, text)
		}
		c.hidden(&n, item.CallID)
		for _, parts := range [][]llm.ResponsesContent{item.Content, item.Output, item.Summary} {
			for j := range parts {
				c.responsesPart(&n, &parts[j])
			}
		}
		if item.EncryptedContent != "" { // reasoning, which only the provider can read
			n.usual(len(item.EncryptedContent) / 8)
		}
		if len(item.Extra) > 0 && item.Content == nil && item.Output == nil {
			c.encoded(&n, item.Extra)
		}
	}
	tools := make([]llm.Tool, len(req.Tools))
	for i := range req.Tools {
		t := &req.Tools[i]
		switch t.Type {
		case "", "function":
			tools[i].Function = &llm.FunctionTool{Name: t.Name, Description: t.Description, Parameters: t.Parameters}
		case "custom":
			tools[i].Custom = &llm.CustomTool{Name: t.Name, Description: t.Description, Format: t.Format}
		default:
			tools[i] = llm.Tool{Type: t.Type, Extra: t.Extra}
		}
	}
	c.tools(&n, tools, req.ToolChoice)
	if t := req.Text; t != nil && t.Format != nil && t.Format.JSONSchema != nil {
		c.json(&n, t.Format.JSONSchema.Schema)
	}
	if req.PreviousResponseID != "" {
		n.Unsized++
	}
	return n.done()
}

func (c Counter) responsesPart(n *Count, p *llm.ResponsesContent) {
	switch p.Type {
	case "input_image":
		c.image(n, p.ImageURL, p.Detail)
	case "input_file":
		c.file(n, p.FileData, "", p.Filename)
	case "input_audio":
		if p.InputAudio != nil {
			c.audio(n, p.InputAudio.Data)
		}
	default:
		c.text(n, p.Text)
		c.text(n, p.Refusal)
	}
}

// EmbeddingRequest counts the inputs of an embeddings call: texts have no framing.
func (c Counter) EmbeddingRequest(req *llm.EmbeddingRequest) Count {
	return c.plain(req.Input, req.Tokens)
}

// TextCompletionRequest counts the prompts of a text completion, and the suffix once for each.
func (c Counter) TextCompletionRequest(req *llm.TextCompletionRequest) Count {
	n := c.plain(req.Prompt, req.Tokens)
	for range len(req.Prompt) + len(req.Tokens) {
		c.text(&n, req.Suffix)
	}
	return n.done()
}

func (c Counter) plain(texts []string, ids [][]int) Count {
	n := Count{Source: c.source()}
	for _, text := range texts {
		c.text(&n, text)
	}
	for _, list := range ids {
		n.exact(len(list))
	}
	return n.done()
}
