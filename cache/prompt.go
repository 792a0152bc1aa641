package cache

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/llm-go/llm"
)

// PromptCaching configures [PromptCaching.Middleware]. Its zero value has the defaults.
type PromptCaching struct {
	// Models says which models take marks, by "provider/model". Default: all of anthropic, and Claude at bedrock from
	// 3.5 Haiku and 3.7 Sonnet on. Hosts that pass marks on to Claude, such as openrouter, can be added.
	Models func(model string) bool
	// MinTokens is how long a prefix must be, by an estimate of four bytes a token; default 1024, which is the least
	// that most models cache. Some need 2048 or 4096; a mark on less costs nothing, and does nothing.
	MinTokens int
	// TTL is "5m" or "1h"; default "", which is 5m. Writing for an hour costs more.
	TTL string
}

// Middleware places the marks that make providers cache the beginning of a prompt ([llm.CacheControl]), where a
// later request is likely to begin in the same way: behind the last tool, behind the system prompt, and behind the
// conversation up to what is new, which are the user's and tools' messages at its end. Those are three of the four marks
// that Anthropic and Bedrock allow. A request with a mark of the caller's own is left as it is, and so are short ones;
// the request itself is not written to.
//
// Behind a router, which knows the deployment's model, it belongs inside of it: after it in [llm.WithMiddleware].
func (p PromptCaching) Middleware(next llm.Handler) llm.Handler {
	if p.Models == nil {
		p.Models = marksHelp
	}
	p.MinTokens = cmp.Or(p.MinTokens, 1024)
	return func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
		if r, ok := call.Request.(*llm.CompletionRequest); ok && r != nil && p.Models(call.ModelName()) {
			if marked := p.mark(r); marked != nil {
				call = call.With()
				call.Request = marked
			}
		}
		return next(ctx, call)
	}
}

// Claude models at Bedrock that refuse cache points, or took them in a preview only; Amazon Bedrock User Guide, "Prompt
// caching for faster model inference".
var withoutCachePoints = []string{"claude-instant", "claude-v2", "claude-3-haiku", "claude-3-sonnet", "claude-3-opus", "claude-3-5-sonnet"}

func marksHelp(model string) bool {
	provider, name, _ := strings.Cut(model, "/")
	switch provider {
	case "anthropic":
		return true
	case "bedrock":
		// "anthropic.claude-…", or "us.anthropic.claude-…" for an inference profile, which may stand in an ARN.
		name = name[strings.LastIndexByte(name, '/')+1:]
		vendor, id, _ := strings.Cut(name, ".")
		if vendor != "anthropic" {
			vendor, id, _ = strings.Cut(id, ".")
		}
		return vendor == "anthropic" && !slices.ContainsFunc(withoutCachePoints, func(old string) bool { return strings.HasPrefix(id, old) })
	}
	return false
}

// mark is a copy of the request with marks; nil if there are none to be set.
func (p PromptCaching) mark(r *llm.CompletionRequest) *llm.CompletionRequest {
	if hasMarks(r) {
		return nil
	}
	var marked llm.CompletionRequest
	control := func() *llm.CacheControl { return &llm.CacheControl{Type: "ephemeral", TTL: p.TTL} }
	bytes, least := 0, 4*p.MinTokens
	for i := range r.Tools {
		bytes += toolBytes(&r.Tools[i])
	}
	set := false
	marked = *r
	if len(r.Tools) > 0 && bytes >= least {
		marked.Tools = slices.Clone(r.Tools)
		marked.Tools[len(r.Tools)-1].CacheControl = control()
		set = true
	}
	marked.Messages = slices.Clone(r.Messages)
	system := 0 // messages before the conversation
	for system < len(r.Messages) && (r.Messages[system].Role == llm.RoleSystem || r.Messages[system].Role == llm.RoleDeveloper) {
		bytes += messageBytes(&r.Messages[system])
		system++
	}
	if system > 0 && bytes >= least && carries(&r.Messages[system-1]) {
		marked.Messages[system-1].CacheControl = control()
		set = true
	}
	end := len(r.Messages) // of what is not new
	for end > system && (r.Messages[end-1].Role == llm.RoleUser || r.Messages[end-1].Role == llm.RoleTool) {
		end--
	}
	for i := system; i < end; i++ {
		bytes += messageBytes(&r.Messages[i])
	}
	for end > system && !carries(&r.Messages[end-1]) {
		end--
		bytes -= messageBytes(&r.Messages[end])
	}
	if end > system && bytes >= least {
		marked.Messages[end-1].CacheControl = control()
		set = true
	}
	if !set {
		return nil
	}
	return &marked
}

// carries says whether a message has a block that takes a mark: thinking does not, nor does what is blank, and native
// content goes as it is.
func carries(m *llm.Message) bool {
	return m.Native == nil && (len(m.ToolCalls) > 0 || m.Role == llm.RoleTool || strings.TrimSpace(m.Content.Text()) != "")
}

func hasMarks(r *llm.CompletionRequest) bool {
	own := func(c *llm.CacheControl, e llm.Extra) bool { return c != nil || e["cache_control"] != nil }
	return own(r.CacheControl, r.Extra) ||
		slices.ContainsFunc(r.Tools, func(t llm.Tool) bool { return own(t.CacheControl, t.Extra) }) ||
		slices.ContainsFunc(r.Messages, func(m llm.Message) bool {
			return own(m.CacheControl, m.Extra) ||
				slices.ContainsFunc(m.Content, func(part llm.Part) bool { return own(part.CacheControl, part.Extra) })
		})
}

// mediaBytes stands for a picture or a document: about a thousand tokens.
const mediaBytes = 4000

func messageBytes(m *llm.Message) int {
	n := 0
	for i := range m.Content {
		if p := &m.Content[i]; p.Type == "text" {
			n += len(p.Text)
		} else {
			n += mediaBytes
		}
	}
	for i := range m.ToolCalls {
		n += len(m.ToolCalls[i].Function.Name) + len(m.ToolCalls[i].Function.Arguments)
	}
	return n
}

func toolBytes(t *llm.Tool) int {
	f := t.Function
	if f == nil {
		return 0 // a provider's own: its text is not ours to count
	}
	schema, ok := f.Parameters.(json.RawMessage)
	if !ok && f.Parameters != nil {
		schema, _ = json.Marshal(f.Parameters) // if that fails, the provider's Encode says so
	}
	return len(f.Name) + len(f.Description) + len(schema)
}
