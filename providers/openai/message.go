package openai

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"mime"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/llm-go/llm"
)

// messages returns the conversation as the host takes it. What needs no change is shared with the caller's slice,
// and most conversations need none.
func (c *chat) messages(call *llm.Call, in []llm.Message) ([]llm.Message, error) {
	if !slices.ContainsFunc(in, func(m llm.Message) bool { return c.needsChange(&m) }) {
		return in, nil
	}
	w := rewriter{chat: c, call: call, out: make([]llm.Message, 0, len(in)+1)}
	for i := range in {
		if in[i].Role != llm.RoleTool {
			w.flush()
		}
		if !c.needsChange(&in[i]) {
			w.out = append(w.out, in[i])
			continue
		}
		m := in[i]
		w.at = "messages[" + strconv.Itoa(i) + "]"
		if err := w.message(&m); err != nil {
			return nil, err
		}
		w.out = append(w.out, m)
	}
	w.flush()
	return w.out, nil
}

// needsChange says whether a message holds anything that the wire must not carry as it is.
func (c *chat) needsChange(m *llm.Message) bool {
	if m.ReasoningContent != "" || m.ThinkingBlocks != nil || m.IncompleteToolCalls != nil || m.Native != nil ||
		m.Annotations != nil || m.Images != nil || m.Audio != nil || m.IsError || m.CacheControl != nil ||
		len(m.Content) == 0 && len(m.ToolCalls) == 0 ||
		m.Role == llm.RoleDeveloper && !c.developer ||
		c.NoName && m.Name != "" ||
		c.FlattenContent && len(m.Content) > 1 ||
		m.ToolCallID != "" && c.toolID(m.ToolCallID) != m.ToolCallID ||
		c.EchoRequired && len(m.ToolCalls) > 0 {
		return true
	}
	if m.Extra != nil {
		for _, key := range reasoningExtras {
			if _, ok := m.Extra[key]; ok {
				return true
			}
		}
	}
	for i := range m.Content {
		p := &m.Content[i]
		if p.Type == "text" && p.CacheControl == nil {
			continue
		}
		if p.CacheControl != nil && !c.cache || m.Role == llm.RoleTool ||
			p.ImageURL != nil && p.ImageURL.Format != "" || p.File != nil || p.VideoURL != nil && p.VideoURL.Format != "" ||
			hasWord(c.Refuse, p.Type) {
			return true
		}
	}
	for i := range m.ToolCalls {
		t := &m.ToolCalls[i]
		if t.Signature != "" || t.Origin != "" || t.ID != "" && c.toolID(t.ID) != t.ID {
			return true
		}
	}
	return false
}

// reasoningExtras are members by which hosts spell thinking, and which other hosts refuse in requests.
var reasoningExtras = []string{"reasoning_details", "reasoning"}

// rewriter makes the messages of one request.
type rewriter struct {
	*chat
	call   *llm.Call
	out    []llm.Message
	moved  llm.Content // parts of tool results that go into a user message after them
	at     string      // "messages[2]"
	marked bool        // the warning about cache marks was given
}

// flush puts what tool results could not hold into a message of its own.
func (w *rewriter) flush() {
	if len(w.moved) > 0 {
		w.out = append(w.out, llm.Message{Role: llm.RoleUser, Content: w.moved})
		w.moved = nil
	}
}

func (w *rewriter) warn(code, member, message string) {
	w.call.Warn(llm.Warning{Code: code, Param: w.at + member, Message: message})
}

// message changes m, a shallow copy.
func (w *rewriter) message(m *llm.Message) error {
	if m.Role == llm.RoleDeveloper && !w.developer {
		m.Role = llm.RoleSystem
	}
	m.IncompleteToolCalls, m.Annotations, m.IsError = nil, nil, false // kept for the caller's eyes only
	if m.Native != nil {
		m.Native = nil
		w.warn("dropped_blob", ".native", "it belongs to another dialect; the message's other fields are sent")
	}
	if m.Images != nil {
		m.Images = nil
		w.warn("dropped_param", ".images", "earlier answers cannot hold images here; give them in a user message")
	}
	if a := m.Audio; a != nil {
		if m.Audio = nil; a.ID != "" {
			m.Audio = &llm.AudioAnswer{ID: a.ID}
		} else {
			w.warn("dropped_param", ".audio", "earlier speech is sent by its id, and it has none")
		}
	}
	if w.NoName && m.Name != "" {
		m.Name = ""
		w.warn("dropped_param", ".name", "the host takes no names")
	}
	w.reasoning(m)
	if err := w.content(m); err != nil {
		return err
	}
	w.mark(m)
	m.ToolCallID = w.toolID(m.ToolCallID)
	w.calls(m)
	if len(m.Content) == 0 {
		m.Content = nil
		if len(m.ToolCalls) == 0 && m.Audio == nil {
			m.Content = llm.Content{llm.TextPart("")} // null is refused
		}
	}
	return nil
}

// reasoning leaves of the message's thinking what the host wants back.
func (w *rewriter) reasoning(m *llm.Message) {
	text := m.ReasoningContent
	m.ReasoningContent = ""
	origin := w.call.Provider.DialectName()
	var own []llm.ThinkingBlock
	lost := false
	for _, b := range m.ThinkingBlocks {
		switch {
		case b.Origin == origin:
			own = append(own, b)
		case b.Signature != "" || b.Data != "" || b.ID != "": // an id refers to what the dialect keeps
			lost = true
		}
	}
	m.ThinkingBlocks = nil
	if lost {
		w.warn("dropped_blob", ".thinking_blocks", "signed or encrypted thinking goes only to the dialect that made it")
	}
	for _, key := range reasoningExtras {
		if _, ok := m.Extra[key]; ok {
			m.Extra = maps.Clone(m.Extra)
			delete(m.Extra, key)
		}
	}
	add := func(key string, v any) {
		if m.Extra = maps.Clone(m.Extra); m.Extra == nil {
			m.Extra = make(llm.Extra, 1)
		}
		m.Extra[key] = v
	}
	if len(own) > 0 {
		add("reasoning_details", writeDetails(own))
	}
	if m.Role != llm.RoleAssistant {
		return
	}
	switch w.EchoReasoning {
	case "":
	case "reasoning_content":
		if m.ReasoningContent = text; text == "" && len(m.ToolCalls) > 0 && w.EchoRequired {
			m.ReasoningContent = " "
		}
	default:
		if text != "" && len(own) == 0 {
			add(w.EchoReasoning, text)
		}
	}
}

// content changes the parts that need it.
func (w *rewriter) content(m *llm.Message) error {
	var parts llm.Content
	for i := range m.Content {
		p := m.Content[i]
		at := ".content[" + strconv.Itoa(i) + "]"
		if p.CacheControl != nil && !w.cache {
			p.CacheControl = nil
			w.noMark(at + ".cache_control")
		}
		if p.Type != "text" {
			if hasWord(w.Refuse, p.Type) {
				return llm.InvalidRequest(w.at+at, "the host takes no parts of type "+p.Type+"; leave the part out or ask another provider")
			}
			if p.ImageURL != nil && p.ImageURL.Format != "" {
				u := *p.ImageURL
				u.Format = ""
				p.ImageURL = &u
			}
			if p.VideoURL != nil && p.VideoURL.Format != "" {
				u := *p.VideoURL
				u.Format = ""
				p.VideoURL = &u
			}
			if p.File != nil {
				f, err := w.file(*p.File, at)
				if err != nil {
					return err
				}
				p.File = f
			}
			if m.Role == llm.RoleTool {
				// Tool results are text only in this dialect.
				w.moved = append(w.moved, p)
				w.warn("changed_param", at, "tool results hold text only; the part is sent in a user message after them")
				continue
			}
		}
		parts = append(parts, p)
	}
	if w.FlattenContent && len(parts) > 1 && !slices.ContainsFunc(parts, func(p llm.Part) bool {
		return p.Type != "text" || p.CacheControl != nil || len(p.Extra) > 0
	}) {
		parts = llm.Content{llm.TextPart(parts.Text())}
	}
	m.Content = parts
	return nil
}

// file makes a file part of OpenAI's form: an id, or data as a data: URL with a name.
func (w *rewriter) file(f llm.File, at string) (*llm.File, error) {
	if f.FileURL != "" && f.FileID == "" && f.FileData == "" {
		if !w.fileURL {
			return nil, llm.InvalidRequest(w.at+at, "files by URL are not supported; give the data (llm.FilePart) or upload it and give its id (llm.FileIDPart)")
		}
		f.FileData = f.FileURL
	} else if f.FileData != "" && !strings.HasPrefix(f.FileData, "data:") && !(w.fileURL && strings.HasPrefix(f.FileData, "https:")) {
		mediaType := f.Format
		if mediaType == "" {
			mediaType, _, _ = strings.Cut(mime.TypeByExtension(path.Ext(f.Filename)), ";")
		}
		if mediaType == "" {
			return nil, llm.InvalidRequest(w.at+at, "the file's media type is not known; set Format, or give FileData as a data: URL")
		}
		f.FileData = "data:" + mediaType + ";base64," + f.FileData
	}
	f.FileURL, f.Format = "", ""
	return &f, nil
}

// mark moves a message's cache mark to its last part, where the hosts that know marks look for it.
func (w *rewriter) mark(m *llm.Message) {
	cc := m.CacheControl
	if cc == nil {
		return
	}
	m.CacheControl = nil
	if !w.cache {
		w.noMark(".cache_control")
		return
	}
	if n := len(m.Content); n > 0 {
		m.Content = slices.Clone(m.Content)
		if last := &m.Content[n-1]; last.CacheControl == nil {
			last.CacheControl = cc
		}
	}
}

// noMark warns once in a request: marks change the price of an answer, not the answer.
func (w *rewriter) noMark(member string) {
	if !w.marked {
		w.marked = true
		w.warn("dropped_param", member, noCache)
	}
}

// calls changes the tool calls that need it.
func (w *rewriter) calls(m *llm.Message) {
	lost := false
	m.ToolCalls = slices.Clone(m.ToolCalls)
	for i := range m.ToolCalls {
		t := &m.ToolCalls[i]
		lost = lost || t.Signature != ""
		t.Signature, t.Origin = "", ""
		t.ID = w.toolID(t.ID)
	}
	if lost {
		w.warn("dropped_blob", ".tool_calls", "the calls' signatures go only to the dialect that made them")
	}
}

// toolID is the id by the host's rule. An id that breaks the rule is replaced by a digest of it, so that call and
// result still agree, in this request and in the next.
func (c *chat) toolID(id string) string {
	n := 0
	switch c.ToolID {
	case "":
		return id
	case "40":
		if n = 40; len(id) <= n {
			return id
		}
	case "9":
		if n = 9; id == "" || len(id) == n && !strings.ContainsFunc(id, notAlnum) {
			return id
		}
	}
	sum := sha256.Sum256([]byte(id))
	// Letters and digits only: '-' and '_' of the URL alphabet are mapped onto letters.
	s := strings.NewReplacer("-", "x", "_", "y").Replace(base64.RawURLEncoding.EncodeToString(sum[:]))
	return s[:n]
}

func notAlnum(r rune) bool {
	return !('0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
}

// wordMap reads "auto none required:any" as a map; nil if there are no words.
func wordMap(list string) map[string]string {
	var m map[string]string
	for w := range strings.FieldsSeq(list) {
		if m == nil {
			m = make(map[string]string)
		}
		from, to, ok := strings.Cut(w, ":")
		if !ok {
			to = from
		}
		m[from] = to
	}
	return m
}
