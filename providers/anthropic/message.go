package anthropic

import (
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"path"
	"slices"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// conversation writes the members system and messages.
//
// Anthropic's rules: leading system messages are the top-level system prompt; turns alternate between user and
// assistant, so neighbours of one side are merged; the results of a turn's tool calls come first in the user turn
// that follows it, one for each call; text blocks hold more than white space.
func (w *wire) conversation(ms []llm.Message) {
	n := 0
	for n < len(ms) && isSystem(ms[n].Role) {
		n++
	}
	w.system(ms[:n])
	w.e.Name("messages")
	w.e.Array()
	empty := len(w.e.B)
	for i := n; i < len(ms) && w.err == nil; {
		j := i
		for j < len(ms) && (ms[j].Role == llm.RoleAssistant) == (ms[i].Role == llm.RoleAssistant) {
			j++
		}
		if ms[i].Role == llm.RoleAssistant {
			if len(w.e.B) == empty {
				w.warn("changed_param", fmt.Sprintf("messages[%d]", i), "a user turn \".\" was put before it: Anthropic's conversations begin with the user")
				w.e.Raw([]byte(`{"role":"user","content":"."}`))
			}
			w.assistantTurn(ms, i, j)
		} else {
			w.userTurn(ms, i, j)
		}
		i = j
	}
	w.unanswered()
	if len(w.e.B) == empty && w.err == nil {
		w.fail("messages", "Anthropic needs at least one user message beside the system prompt")
	}
	w.e.EndArray()
}

func isSystem(r llm.Role) bool { return r == llm.RoleSystem || r == llm.RoleDeveloper }

// system writes the system prompt: a string, or blocks where there is more to say than a text.
func (w *wire) system(ms []llm.Message) {
	addition := w.systemAddition
	if len(ms) == 0 && addition == "" {
		return
	}
	if len(ms) == 1 && addition == "" {
		if s, ok := plainText(ms[0].Content); ok && ms[0].CacheControl == nil {
			w.e.Name("system")
			w.e.Str(s)
			return
		}
	}
	start := len(w.e.B)
	w.e.Name("system")
	w.e.Array()
	w.beginTurn()
	for i := range ms {
		w.mi = i
		w.systemParts(&ms[i])
	}
	if addition != "" {
		w.textBlock(nil, addition)
	}
	w.e.EndArray()
	if w.blocks == 0 {
		w.e.B = w.e.B[:start]
	}
}

func (w *wire) systemParts(m *llm.Message) {
	before := w.blocks
	for i := range m.Content {
		w.pi = i
		p := &m.Content[i]
		if p.Type != "text" {
			w.fail(w.at(), "Anthropic's system prompt is text; move this to a user message")
			return
		}
		w.textBlock(p, p.Text)
	}
	w.mark(m, before)
}

// plainText is the text of content that is nothing else. ok is false for texts that are blank.
func plainText(c llm.Content) (s string, ok bool) {
	if len(c) != 1 {
		return "", false
	}
	p := &c[0]
	return p.Text, p.Type == "text" && p.CacheControl == nil && len(p.Extra) == 0 && !blank(p.Text)
}

func blank(s string) bool {
	if s != "" && s[0] > ' ' && s[0] < 0x80 {
		return false
	}
	return strings.TrimSpace(s) == ""
}

// beginTurn starts counting blocks; mark needs to know the last one.
func (w *wire) beginTurn() { w.blocks, w.marked, w.markable = 0, false, false }

// openTurn starts a message and returns where, for closeTurn to take it back if nothing came.
func (w *wire) openTurn(role string) (start int) {
	start = len(w.e.B)
	w.e.Object()
	w.e.Name("role")
	w.e.Str(role)
	w.e.Name("content")
	w.e.Array()
	w.beginTurn()
	return start
}

func (w *wire) closeTurn(start int, extra llm.Extra) {
	if w.blocks == 0 {
		w.e.B = w.e.B[:start]
		return
	}
	w.e.EndArray()
	w.e.Members(extra)
	w.e.EndObject()
}

// userTurn writes the messages ms[from:to], which are of all roles but assistant, as one user turn; system
// messages among them follow it where the model takes them there.
func (w *wire) userTurn(ms []llm.Message, from, to int) {
	if m := &ms[from]; to-from == 1 && m.Role == llm.RoleUser && len(w.pending) == 0 && len(m.Extra) == 0 && m.Name == "" && m.CacheControl == nil {
		if s, ok := plainText(m.Content); ok {
			w.e.Object()
			w.e.Name("role")
			w.e.Str("user")
			w.e.Name("content")
			w.e.Str(s)
			w.e.EndObject()
			return
		}
	}
	start := w.openTurn("user")
	var extra llm.Extra
	moved, others, systems := false, false, 0
	for i := from; i < to; i++ {
		switch m := &ms[i]; {
		case m.Role == llm.RoleTool:
			moved = moved || others
			w.mi = i
			w.toolResult(m)
		case m.Role == llm.RoleUser:
			others = true
			if len(m.Extra) > 0 {
				extra = m.Extra
			}
		case isSystem(m.Role):
			systems++
		default:
			w.mi = i
			w.fail(fmt.Sprintf("messages[%d].role", i), "the role is none of system, developer, user, assistant, tool")
			return
		}
	}
	if moved {
		w.warn("changed_param", fmt.Sprintf("messages[%d]", from), "tool results were moved to the start of the turn")
	}
	w.unanswered()
	native := w.family.has(midSystem) && systems < to-from
	for i := from; i < to && w.err == nil; i++ {
		m := &ms[i]
		w.mi = i
		switch {
		case m.Role == llm.RoleUser:
			w.userParts(m)
		case isSystem(m.Role) && !native:
			w.foldSystem(m)
		}
	}
	if w.blocks == 0 && w.err == nil {
		w.fail(fmt.Sprintf("messages[%d].content", from), "the user turn is empty; Anthropic needs text, an image or a document")
	}
	w.closeTurn(start, extra)
	if native && systems > 0 {
		w.systemTurn(ms, from, to)
	}
}

// systemTurn writes the system messages of ms[from:to] after the user turn: they are accepted only before an
// assistant's turn or at the end.
func (w *wire) systemTurn(ms []llm.Message, from, to int) {
	start := w.openTurn("system")
	var extra llm.Extra
	after := false
	for i := to - 1; i >= from; i-- {
		if isSystem(ms[i].Role) && after {
			w.warn("changed_param", fmt.Sprintf("messages[%d]", i), "the system message was moved behind the user's messages of its turn")
		}
		after = after || !isSystem(ms[i].Role)
	}
	for i := from; i < to; i++ {
		if !isSystem(ms[i].Role) {
			continue
		}
		w.mi = i
		w.systemParts(&ms[i])
		if len(ms[i].Extra) > 0 {
			extra = ms[i].Extra
		}
	}
	w.closeTurn(start, extra)
}

// foldSystem writes a system message as marked text of the user's, which is what Anthropic's documentation
// suggests for models that take no system messages within the conversation.
func (w *wire) foldSystem(m *llm.Message) {
	before := w.blocks
	for i := range m.Content {
		w.pi = i
		p := &m.Content[i]
		if p.Type != "text" {
			w.fail(w.at(), "a system message is text; move this to a user message")
			return
		}
		if !blank(p.Text) {
			w.textBlock(p, "<system-reminder>\n"+p.Text+"\n</system-reminder>")
		}
	}
	w.mark(m, before)
	w.warn("changed_param", fmt.Sprintf("messages[%d]", w.mi), "sent as marked text of the user: "+w.call.Model+" takes system messages only at the start")
}

func (w *wire) userParts(m *llm.Message) {
	if m.Name != "" {
		w.warn("dropped_param", fmt.Sprintf("messages[%d].name", w.mi), "Anthropic's messages have no names")
	}
	before := w.blocks
	for i := range m.Content {
		w.pi = i
		w.part(&m.Content[i])
	}
	w.mark(m, before)
}

// toolResult writes a tool message as a block.
func (w *wire) toolResult(m *llm.Message) {
	id := w.toolID(m.ToolCallID)
	i := slices.IndexFunc(w.pending, func(c pendingCall) bool { return c.id == id })
	if i < 0 {
		w.fail(fmt.Sprintf("messages[%d].tool_call_id", w.mi), "it answers no open tool call of the assistant message before it")
		return
	}
	w.pending = slices.Delete(w.pending, i, i+1)
	w.block("tool_result")
	w.e.Name("tool_use_id")
	w.e.Str(id)
	if s, ok := plainText(m.Content); ok {
		w.e.Name("content")
		w.e.Str(s)
	} else {
		start := len(w.e.B)
		w.e.Name("content")
		w.e.Array()
		outer := w.blocks
		for i := range m.Content {
			w.pi = i
			w.part(&m.Content[i])
		}
		w.e.EndArray()
		if w.blocks == outer {
			w.e.B = w.e.B[:start]
		}
		w.blocks = outer
	}
	w.e.OptBool("is_error", m.IsError)
	w.endBlock(m.CacheControl, m.Extra)
}

type pendingCall struct {
	id   string
	at   int // the message
	call int
}

// unanswered fails if a tool call has no result: Anthropic wants one for each in the turn that follows.
func (w *wire) unanswered() {
	if len(w.pending) > 0 && w.err == nil {
		p := w.pending[0]
		w.fail(fmt.Sprintf("messages[%d].tool_calls[%d]", p.at, p.call), "the call has no result; add a tool message for it, or remove the call")
	}
}

// assistantTurn writes ms[from:to] as one assistant turn.
func (w *wire) assistantTurn(ms []llm.Message, from, to int) {
	last := to == len(ms)
	if last && w.family.has(noPrefill) && ms[to-1].Native == nil && len(ms[to-1].ToolCalls) == 0 {
		w.fail(fmt.Sprintf("messages[%d]", to-1), w.call.Model+" continues no answer that was begun for it; end with a user message")
		return
	}
	start := w.openTurn("assistant")
	for i := from; i < to && w.err == nil; i++ {
		w.mi = i
		w.prefill = last && i == to-1
		w.assistant(&ms[i])
	}
	w.prefill = false
	w.closeTurn(start, nil)
}

func (w *wire) assistant(m *llm.Message) {
	before := w.blocks
	switch {
	case m.Native != nil && m.Native.Origin == dialect:
		w.native(m)
	default:
		if m.Native != nil {
			w.warn("dropped_blob", fmt.Sprintf("messages[%d].native", w.mi), "it belongs to "+m.Native.Origin)
		}
		w.flat(m)
	}
	for i := range m.ToolCalls {
		w.pending = append(w.pending, pendingCall{w.toolID(m.ToolCalls[i].ID), w.mi, i})
	}
	w.mark(m, before)
}

// native writes the blocks as they were received. Calls that the message does not list as complete are left out:
// they will have no result.
func (w *wire) native(m *llm.Message) {
	d := jsonx.NewDecoder(m.Native.Content)
	if d.Kind() != jsonx.Array {
		w.fail(fmt.Sprintf("messages[%d].native", w.mi), "the native content is not a list of blocks; set Native to nil to send the other fields")
		return
	}
	for d.Array(); d.More(); {
		raw := d.Raw()
		if d.Err() != nil {
			break
		}
		var typ, id string
		b := jsonx.NewDecoder(raw)
		for b.Object(); b.More(); {
			switch string(b.Key()) {
			case "type":
				typ = b.Str()
			case "id":
				id = b.Str()
			default:
				b.Skip()
			}
		}
		if typ == "tool_use" && !slices.ContainsFunc(m.ToolCalls, func(c llm.ToolCall) bool { return c.ID == id }) {
			w.warn("dropped_blob", fmt.Sprintf("messages[%d].native", w.mi), "a tool call that is not complete was left out")
			continue
		}
		w.e.Raw(raw)
		w.blocks++
		w.marked, w.markable = false, typ != "thinking" && typ != "redacted_thinking"
	}
	if d.End() != nil {
		w.fail(fmt.Sprintf("messages[%d].native", w.mi), "the native content is not valid JSON; set Native to nil to send the other fields")
	}
}

// flat writes the message from its portable fields.
func (w *wire) flat(m *llm.Message) {
	says := len(m.ToolCalls) > 0 || !blank(m.Refusal) || m.Audio != nil && !blank(m.Audio.Transcript)
	for i := range m.Content {
		says = says || m.Content[i].Type != "text" || !blank(m.Content[i].Text)
	}
	for i := range m.ThinkingBlocks {
		b := &m.ThinkingBlocks[i]
		switch {
		case b.Origin != dialect:
			w.warn("dropped_blob", fmt.Sprintf("messages[%d].thinking_blocks[%d]", w.mi, i), "it belongs to "+orUnknown(b.Origin))
		case !says:
			w.warn("dropped_blob", fmt.Sprintf("messages[%d].thinking_blocks[%d]", w.mi, i), "an assistant turn cannot end with thinking")
		default:
			w.thinking(b)
		}
	}
	for i := range m.Content {
		w.pi = i
		switch p := &m.Content[i]; p.Type {
		case "text":
			s := p.Text
			if w.prefill && i == len(m.Content)-1 && len(m.ToolCalls) == 0 {
				s = w.trimPrefill(s)
			}
			w.textBlock(p, s)
		case "refusal":
			w.textBlock(p, p.Refusal)
		case "image_url", "input_audio", "file", "video_url":
			w.fail(w.at(), "an assistant turn holds no "+p.Type+" at Anthropic; move it to a user message")
			return
		default:
			w.part(p)
		}
	}
	if m.Refusal != "" {
		w.textBlock(nil, m.Refusal)
	}
	if m.Audio != nil {
		w.textBlock(nil, m.Audio.Transcript)
		w.warn("dropped_param", fmt.Sprintf("messages[%d].audio", w.mi), "Anthropic takes no sound; its transcript was sent")
	}
	if len(m.Images) > 0 {
		w.warn("dropped_param", fmt.Sprintf("messages[%d].images", w.mi), "an assistant turn holds no images at Anthropic")
	}
	for i := range m.ToolCalls {
		w.toolUse(&m.ToolCalls[i], i)
	}
}

func orUnknown(origin string) string {
	if origin == "" {
		return "an unknown dialect"
	}
	return origin
}

// trimPrefill: the answer that the model is to continue must not end in white space.
func (w *wire) trimPrefill(s string) string {
	t := strings.TrimRight(s, " \t\r\n")
	if t != s {
		w.warn("changed_param", w.at(), "white space at the end of the begun answer was cut off")
	}
	return t
}

func (w *wire) thinking(b *llm.ThinkingBlock) {
	w.block(b.Type)
	switch b.Type {
	case "redacted_thinking":
		w.e.Name("data")
		w.e.Str(b.Data)
	default:
		w.e.Name("thinking")
		w.e.Str(b.Thinking)
		w.e.Name("signature")
		w.e.Str(b.Signature)
	}
	w.endBlock(nil, b.Extra)
	w.markable = false
}

func (w *wire) toolUse(c *llm.ToolCall, i int) {
	if c.ID == "" {
		w.fail(fmt.Sprintf("messages[%d].tool_calls[%d].id", w.mi, i), "the call needs an id")
		return
	}
	w.block("tool_use")
	w.e.Name("id")
	w.e.Str(w.toolID(c.ID))
	w.e.Name("name")
	switch {
	case c.Custom != nil:
		w.e.Str(c.Custom.Name)
		w.e.Name("input")
		w.e.Object()
		w.e.Name("input")
		w.e.Str(c.Custom.Input)
		w.e.EndObject()
	case blank(c.Function.Arguments):
		w.e.Str(c.Function.Name)
		w.e.Name("input")
		w.e.Raw([]byte("{}"))
	default:
		w.e.Str(c.Function.Name)
		w.e.Name("input")
		d := jsonx.NewDecoder([]byte(c.Function.Arguments))
		if d.Kind() != jsonx.Object {
			w.fail(fmt.Sprintf("messages[%d].tool_calls[%d].function.arguments", w.mi, i), "the arguments are not a JSON object")
			return
		}
		raw := d.Raw()
		if d.End() != nil {
			w.fail(fmt.Sprintf("messages[%d].tool_calls[%d].function.arguments", w.mi, i), "the arguments are not valid JSON")
			return
		}
		w.e.Raw(raw)
	}
	var extra llm.Extra
	if c.Origin == dialect || c.Origin == "" {
		extra = c.Extra
	}
	if c.Signature != "" && c.Origin != dialect {
		w.warn("dropped_blob", fmt.Sprintf("messages[%d].tool_calls[%d].signature", w.mi, i), "it belongs to "+orUnknown(c.Origin))
	}
	w.endBlock(nil, extra)
}

// toolID makes an id fit Anthropic's pattern of letters, digits, '_' and '-'. The same id gives the same result.
func (w *wire) toolID(id string) string {
	ok := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-'
	}
	if !strings.ContainsFunc(id, func(r rune) bool { return !ok(r) }) {
		return id
	}
	h := fnv.New32a()
	h.Write([]byte(id))
	clean := strings.Map(func(r rune) rune {
		if ok(r) {
			return r
		}
		return '_'
	}, id)
	return fmt.Sprintf("%s_%08x", clean, h.Sum32())
}

// block opens a content block.
func (w *wire) block(typ string) {
	w.e.Object()
	w.e.Name("type")
	w.e.Str(typ)
}

func (w *wire) endBlock(c *llm.CacheControl, extra llm.Extra) {
	w.cacheControl(c)
	w.e.Members(extra)
	w.e.EndObject()
	w.blocks++
	w.marked, w.markable = c != nil || extra["cache_control"] != nil, true
}

func (w *wire) cacheControl(c *llm.CacheControl) {
	if c == nil {
		return
	}
	w.e.Name("cache_control")
	w.e.Object()
	w.e.Name("type")
	if c.Type == "" {
		w.e.Str("ephemeral")
	} else {
		w.e.Str(c.Type)
	}
	w.e.OptStr("ttl", c.TTL)
	w.e.EndObject()
}

// mark puts a message's cache mark on its last block. before is the number of blocks before the message.
func (w *wire) mark(m *llm.Message, before int) {
	if m.CacheControl == nil || m.Role == llm.RoleTool {
		return
	}
	switch {
	case w.blocks > before && w.marked:
	case w.blocks > before && w.markable:
		w.e.B = w.e.B[:len(w.e.B)-1]
		w.cacheControl(m.CacheControl)
		w.e.EndObject()
		w.marked = true
	default:
		w.warn("dropped_param", fmt.Sprintf("messages[%d].cache_control", w.mi), "the message has no block that can carry it")
	}
}

// textBlock writes a text block, or nothing for a text that is blank: Anthropic refuses those. p may be nil.
func (w *wire) textBlock(p *llm.Part, s string) {
	var cache *llm.CacheControl
	var extra llm.Extra
	if p != nil {
		cache, extra = p.CacheControl, p.Extra
	}
	if blank(s) {
		if s != "" || cache != nil {
			w.warn("changed_param", w.at(), "a text of white space only was left out")
		}
		return
	}
	w.block("text")
	w.e.Name("text")
	w.e.Str(s)
	w.endBlock(cache, extra)
}

// part writes a part of a user message or of a tool result.
func (w *wire) part(p *llm.Part) {
	switch p.Type {
	case "text":
		w.textBlock(p, p.Text)
	case "refusal":
		w.textBlock(p, p.Refusal)
	case "image_url":
		if p.ImageURL == nil {
			w.fail(w.at()+".image_url", "is missing")
			return
		}
		w.image(p)
	case "file":
		if p.File == nil {
			w.fail(w.at()+".file", "is missing")
			return
		}
		w.file(p)
	case "input_audio":
		w.fail(w.at(), "Anthropic takes no sound; send a transcript")
	case "video_url":
		w.fail(w.at(), "Anthropic takes no video; send single images")
	default: // one of Anthropic's own blocks
		w.block(p.Type)
		w.e.OptStr("text", p.Text)
		w.endBlock(p.CacheControl, p.Extra)
	}
}

func (w *wire) image(p *llm.Part) {
	u := p.ImageURL
	if u.Detail != "" && u.Detail != "auto" {
		w.warn("dropped_param", w.at()+".image_url.detail", "Anthropic's images have no level of detail")
	}
	mediaType, data, ok := llm.ParseDataURL(u.URL)
	switch {
	case ok:
		if mediaType == "" {
			mediaType = u.Format
		}
		w.inline(inlineData{p, mediaType, data, "", u.Extra})
	case strings.HasPrefix(u.URL, "https://"), strings.HasPrefix(u.URL, "http://"):
		w.block("image")
		w.source("url")
		w.e.Name("url")
		w.e.Str(u.URL)
		w.e.EndObject()
		w.e.Members(u.Extra)
		w.endBlock(p.CacheControl, p.Extra)
	default:
		w.fail(w.at()+".image_url.url", "the URL is neither https nor a base64 data: URL")
	}
}

func (w *wire) source(typ string) {
	w.e.Name("source")
	w.e.Object()
	w.e.Name("type")
	w.e.Str(typ)
}

// inlineData is a file within the request.
type inlineData struct {
	part      *llm.Part
	mediaType string
	base64    string
	title     string
	extra     llm.Extra
}

func (w *wire) inline(f inlineData) {
	switch {
	case slices.Contains(imageTypes, f.mediaType):
		w.block("image")
		w.source("base64")
		w.e.Name("media_type")
		w.e.Str(f.mediaType)
		w.e.Name("data")
		w.e.Str(f.base64)
	case f.mediaType == "application/pdf":
		w.block("document")
		w.source("base64")
		w.e.Name("media_type")
		w.e.Str(f.mediaType)
		w.e.Name("data")
		w.e.Str(f.base64)
	case strings.HasPrefix(f.mediaType, "text/"), f.mediaType == "application/json":
		text, err := base64.StdEncoding.DecodeString(f.base64)
		if err != nil {
			w.fail(w.at(), "the data is not valid base64")
			return
		}
		w.block("document")
		w.source("text")
		w.e.Name("media_type")
		w.e.Str("text/plain")
		w.e.Name("data")
		w.e.Str(string(text))
	case f.mediaType == "":
		w.fail(w.at(), "the media type is not known; give it in Format or as a data: URL")
		return
	default:
		w.fail(w.at(), "Anthropic takes images (JPEG, PNG, GIF, WebP), PDF and text, not "+f.mediaType)
		return
	}
	w.e.EndObject()
	w.document(f.part, f.title, f.extra)
}

// imageTypes are listed in Anthropic's documentation, "Vision".
var imageTypes = []string{"image/jpeg", "image/png", "image/gif", "image/webp"}

// extensions of file names, for files that come without a media type.
var extensions = map[string]string{
	".pdf": "application/pdf",
	".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp",
	".txt": "text/plain", ".md": "text/markdown", ".csv": "text/csv", ".html": "text/html", ".json": "application/json",
}

// document ends a block that may have a title.
func (w *wire) document(p *llm.Part, title string, extra llm.Extra) {
	if p.Extra["title"] == nil && extra["title"] == nil {
		w.e.OptStr("title", title)
	}
	w.e.Members(extra)
	w.endBlock(p.CacheControl, p.Extra)
}

func (w *wire) file(p *llm.Part) {
	f := p.File
	format := f.Format
	if format == "" {
		format = extensions[strings.ToLower(path.Ext(f.Filename))]
	}
	block, title := "document", f.Filename
	if strings.HasPrefix(format, "image/") {
		block, title = "image", ""
	}
	switch {
	case f.FileID != "":
		w.beta(filesBeta)
		w.block(block)
		w.source("file")
		w.e.Name("file_id")
		w.e.Str(f.FileID)
		w.e.EndObject()
		w.document(p, title, f.Extra)
	case f.FileURL != "":
		w.block(block)
		w.source("url")
		w.e.Name("url")
		w.e.Str(f.FileURL)
		w.e.EndObject()
		w.document(p, title, f.Extra)
	case f.FileData != "":
		mediaType, data, ok := llm.ParseDataURL(f.FileData)
		if !ok {
			data = f.FileData
		}
		if mediaType == "" || mediaType == "application/octet-stream" {
			mediaType = format
		}
		if strings.HasPrefix(mediaType, "image/") {
			title = ""
		}
		w.inline(inlineData{p, mediaType, data, title, f.Extra})
	default:
		w.fail(w.at()+".file", "has neither an id nor a URL nor data")
	}
}
