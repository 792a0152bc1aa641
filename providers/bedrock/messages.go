package bedrock

import (
	"fmt"
	"hash/fnv"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// writer writes a request's body. Its first error is kept, as the encoder keeps its own.
type writer struct {
	e      jsonx.Encoder
	call   *llm.Call
	family *family
	err    error

	outputEffort llm.ReasoningEffort
	message      int // the one being written, for the names in errors
	part         int
	documents    map[string]bool // names in use
}

func (w *writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *writer) error() error {
	if w.err == nil && w.e.Err() != nil {
		return llm.InvalidRequest("", "the request cannot be encoded: "+w.e.Err().Error())
	}
	return w.err
}

func (w *writer) unsupported(param, why string) { w.fail(w.call.Unsupported(param, why)) }

func (w *writer) changed(param, how string) {
	w.call.Warn(llm.Warning{Code: "changed_param", Param: param, Message: how})
}

// at names the part being written.
func (w *writer) at() string { return fmt.Sprintf("messages[%d].content[%d]", w.message, w.part) }

func (w *writer) invalid(message string) { w.fail(llm.InvalidRequest(w.at(), message)) }

// conversation writes messages and system.
func (w *writer) conversation(messages []llm.Message) {
	turns := make([]int, 0, len(messages)) // without system messages and empty answers
	system := false
	for i := range messages {
		switch m := &messages[i]; m.Role {
		case llm.RoleSystem, llm.RoleDeveloper:
			system = true
			if len(turns) > 0 {
				w.changed(fmt.Sprintf("messages[%d].role", i), "moved to the system prompt, which is one for the whole conversation")
			}
		case llm.RoleAssistant:
			if !w.empty(m) {
				turns = append(turns, i)
			}
		default:
			turns = append(turns, i)
		}
	}
	if len(turns) > 0 {
		if first := turns[0]; messages[first].Role == llm.RoleAssistant {
			w.fail(llm.InvalidRequest(fmt.Sprintf("messages[%d].role", first), "with Converse a conversation starts with a user message"))
		}
		w.e.Name("messages")
		w.e.Array()
		for len(turns) > 0 {
			n := 1
			for n < len(turns) && side(messages[turns[n]].Role) == side(messages[turns[0]].Role) {
				n++
			}
			w.turn(messages, turns[:n])
			turns = turns[n:]
		}
		w.e.EndArray()
	}
	if system {
		w.system(messages)
	}
}

func side(r llm.Role) llm.Role {
	if r == llm.RoleTool {
		return llm.RoleUser
	}
	return r
}

// empty says that nothing of an answer would be sent; such a message is left out, since Converse refuses it.
func (w *writer) empty(m *llm.Message) bool {
	if len(m.ToolCalls) > 0 || !blank(m.Refusal) || len(m.ThinkingBlocks) > 0 || w.native(m) {
		return false
	}
	for i := range m.Content {
		if p := &m.Content[i]; p.Type != "text" && p.Type != "refusal" || !blank(p.Text) || !blank(p.Refusal) {
			return false
		}
	}
	return true
}

func (w *writer) native(m *llm.Message) bool {
	return m.Native != nil && m.Native.Origin == dialect && w.family.replay != replayNone
}

func (w *writer) system(messages []llm.Message) {
	w.e.Name("system")
	w.e.Array()
	for i := range messages {
		m := &messages[i]
		if m.Role != llm.RoleSystem && m.Role != llm.RoleDeveloper {
			continue
		}
		w.message = i
		for j := range m.Content {
			w.part = j
			switch p := &m.Content[j]; {
			case p.Type == "text":
				w.text(p.Text)
				w.cachePoint(p.CacheControl)
			case len(p.Extra) > 0 && !known(p):
				w.union(p)
			default:
				w.invalid("the system prompt of Converse takes text only, not " + p.Type)
			}
		}
		w.cachePoint(m.CacheControl)
	}
	w.e.EndArray()
}

// turn writes the messages of one side that follow each other as one message.
func (w *writer) turn(messages []llm.Message, turn []int) {
	first := &messages[turn[0]]
	e := &w.e
	e.Object()
	e.Name("role")
	e.Str(string(side(first.Role)))
	e.Name("content")
	e.Array()
	start := len(e.B)
	for _, i := range turn {
		if m := &messages[i]; m.Role == llm.RoleTool {
			w.message = i
			w.toolResult(m)
		}
	}
	for _, i := range turn {
		m := &messages[i]
		w.message = i
		switch m.Role {
		case llm.RoleTool:
			continue
		case llm.RoleAssistant:
			w.answer(m)
		default:
			w.content(m.Content, inTurn)
			w.needsText(m)
		}
		if m.Name != "" {
			w.call.Warn(llm.Warning{Code: "dropped_param", Param: fmt.Sprintf("messages[%d].name", i), Message: "Converse knows no names"})
		}
		w.cachePoint(m.CacheControl)
	}
	if len(e.B) == start {
		w.fail(llm.InvalidRequest(fmt.Sprintf("messages[%d].content", turn[0]), "the message is blank, which Converse refuses"))
	}
	e.EndArray()
	e.EndObject()
}

// needsText checks the rule that a document stands beside a text: API reference, Message.
func (w *writer) needsText(m *llm.Message) {
	document, text := false, false
	for i := range m.Content {
		p := &m.Content[i]
		document = document || p.Type == "file" && p.File != nil
		text = text || p.Type == "text" && !blank(p.Text)
	}
	if document && !text {
		w.fail(llm.InvalidRequest(fmt.Sprintf("messages[%d].content", w.message), "Converse wants a text part beside a document"))
	}
}

func (w *writer) answer(m *llm.Message) {
	if w.native(m) {
		d := jsonx.NewDecoder(m.Native.Content)
		for d.Array(); d.More(); {
			w.e.Raw(d.Raw())
		}
		if err := d.End(); err != nil {
			w.fail(llm.InvalidRequest(fmt.Sprintf("messages[%d].native", w.message), "the native content is not a JSON array"))
		}
		return
	}
	if m.Native != nil {
		w.dropped("native", "native content of "+m.Native.Origin+" is bound to it; the message's other fields are sent")
	}
	for i := range m.ThinkingBlocks {
		w.thought(i, &m.ThinkingBlocks[i])
	}
	w.content(m.Content, inAnswer)
	w.text(m.Refusal)
	for i := range m.ToolCalls {
		w.toolUse(i, &m.ToolCalls[i])
	}
}

func (w *writer) dropped(field, why string) {
	w.call.Warn(llm.Warning{Code: "dropped_blob", Param: fmt.Sprintf("messages[%d].%s", w.message, field), Message: why})
}

func (w *writer) thought(i int, t *llm.ThinkingBlock) {
	field := "thinking_blocks[" + strconv.Itoa(i) + "]"
	redacted := t.Type == "redacted_thinking"
	switch {
	case w.family.replay == replayNone:
		w.dropped(field, "the model refuses reasoning in its history")
		return
	case redacted && (t.Origin != dialect || t.Data == ""):
		// How the bytes of one API's redacted block would be written in the other's is documented nowhere.
		w.dropped(field, "a redacted block goes back only to where it came from, not from "+t.Origin+" to "+dialect)
		return
	case !w.family.takes(t.Origin), !redacted && t.Type != "thinking":
		w.dropped(field, "it is bound to "+t.Origin)
		return
	case !redacted && t.Signature == "" && w.family.replay == replaySigned:
		w.dropped(field, "the model takes back signed thinking only")
		return
	}
	e := &w.e
	e.Object()
	e.Name("reasoningContent")
	e.Object()
	if redacted {
		e.OptStr("redactedContent", t.Data)
	} else {
		e.Name("reasoningText")
		e.Object()
		e.Name("text")
		e.Str(t.Thinking)
		e.OptStr("signature", t.Signature)
		e.EndObject()
	}
	e.EndObject()
	e.EndObject()
}

func (w *writer) toolUse(i int, c *llm.ToolCall) {
	if c.Signature != "" {
		w.dropped("tool_calls["+strconv.Itoa(i)+"].signature", "it is bound to "+c.Origin)
	}
	name, input := c.Function.Name, []byte(c.Function.Arguments)
	if c.Custom != nil {
		// Free text has no place in a toolUse: it goes under the name that OpenAI gives it.
		name, input = c.Custom.Name, append(jsonx.AppendString([]byte(`{"input":`), c.Custom.Input), '}')
	}
	if len(input) == 0 {
		input = []byte("{}")
	}
	if !object(input) {
		w.fail(llm.InvalidRequest(fmt.Sprintf("messages[%d].tool_calls[%d].function.arguments", w.message, i), "the arguments are not a JSON object"))
		return
	}
	e := &w.e
	e.Object()
	e.Name("toolUse")
	e.Object()
	e.Name("toolUseId")
	e.Str(toolUseID(c.ID))
	e.Name("name")
	e.Str(name)
	e.Name("input")
	e.Raw(input)
	e.EndObject()
	e.EndObject()
}

func object(b []byte) bool {
	d := jsonx.NewDecoder(b)
	if d.Kind() != jsonx.Object {
		return false
	}
	d.Skip()
	return d.End() == nil
}

// toolUseID makes an id fit Converse's rule, [a-zA-Z0-9_.:-]{1,64}. Ids of other providers that do not are
// rewritten, always in the same way, so that call and result still belong together.
func toolUseID(id string) string {
	fits := id != "" && len(id) <= 64
	for i := 0; fits && i < len(id); i++ {
		fits = idByte(id[i])
	}
	if fits {
		return id
	}
	h := fnv.New64a()
	h.Write([]byte(id))
	b := make([]byte, 0, 64)
	for i := 0; i < len(id) && len(b) < 40; i++ {
		if idByte(id[i]) {
			b = append(b, id[i])
		} else {
			b = append(b, '_')
		}
	}
	return string(strconv.AppendUint(append(b, '-'), h.Sum64(), 16))
}

func idByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("_.:-", c) >= 0
}

func (w *writer) toolResult(m *llm.Message) {
	e := &w.e
	e.Object()
	e.Name("toolResult")
	e.Object()
	e.Name("toolUseId")
	e.Str(toolUseID(m.ToolCallID))
	e.Name("content")
	e.Array()
	cache := m.CacheControl
	for i := range m.Content {
		if c := m.Content[i].CacheControl; c != nil {
			cache = c // a cachePoint cannot stand inside a toolResult: it follows it
		}
	}
	w.content(m.Content, inResult)
	e.EndArray()
	if m.IsError {
		e.OptStr("status", "error")
	}
	e.EndObject()
	e.EndObject()
	w.cachePoint(cache)
}

// place is where content stands: it decides which kinds of blocks there may be.
type place uint8

const (
	inTurn place = iota
	inAnswer
	inResult
)

func (w *writer) content(c llm.Content, at place) {
	for i := range c {
		w.part = i
		p := &c[i]
		switch {
		case p.Type == "text":
			w.text(p.Text)
		case p.Type == "refusal":
			w.text(p.Refusal)
		case at == inAnswer && (known(p) || len(p.Extra) == 0):
			w.invalid("Converse takes no " + p.Type + " in an assistant message; give it in a user message")
		case p.Type == "image_url" && p.ImageURL != nil:
			w.image(p.ImageURL)
		case p.Type == "input_audio" && p.InputAudio != nil:
			if at == inResult {
				w.invalid("Converse takes no audio in a tool result")
				return
			}
			w.audio(p.InputAudio)
		case p.Type == "file" && p.File != nil:
			w.file(p.File, at)
		case p.Type == "video_url" && p.VideoURL != nil:
			w.media(media{member: "video", url: p.VideoURL.URL, mediaType: p.VideoURL.Format, extra: p.VideoURL.Extra})
		case len(p.Extra) > 0:
			w.union(p)
		default:
			w.invalid("Converse has no part of type " + p.Type)
		}
		if at != inResult {
			w.cachePoint(p.CacheControl)
		}
	}
}

// known says that a part's type is one of those that llm.Part has fields for.
func known(p *llm.Part) bool {
	switch p.Type {
	case "text", "refusal", "image_url", "input_audio", "file", "video_url":
		return true
	}
	return false
}

// union writes a part of a type that only Converse knows: its Extra is the block.
func (w *writer) union(p *llm.Part) {
	w.e.Object()
	w.e.Members(p.Extra)
	w.e.EndObject()
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }

// text writes a text block; Converse refuses blank ones.
func (w *writer) text(s string) {
	if blank(s) {
		return
	}
	w.e.Object()
	w.e.Name("text")
	w.e.Str(s)
	w.e.EndObject()
}

func (w *writer) cachePoint(c *llm.CacheControl) {
	if c == nil {
		return
	}
	e := &w.e
	e.Object()
	e.Name("cachePoint")
	e.Object()
	e.OptStr("type", "default")
	e.OptStr("ttl", c.TTL)
	e.EndObject()
	e.EndObject()
}

func (w *writer) image(u *llm.ImageURL) {
	if u.Detail != "" && u.Detail != "auto" {
		w.call.Warn(llm.Warning{Code: "dropped_param", Param: w.at() + ".image_url.detail", Message: "Converse has no such member"})
	}
	w.media(media{member: "image", url: u.URL, mediaType: u.Format, extra: u.Extra})
}

func (w *writer) audio(a *llm.InputAudio) {
	e := &w.e
	e.Object()
	e.Name("audio")
	e.Object()
	e.Name("format")
	e.Str(a.Format)
	e.Name("source")
	e.Object()
	e.OptStr("bytes", a.Data)
	e.EndObject()
	e.Members(a.Extra)
	e.EndObject()
	e.EndObject()
}

func (w *writer) file(f *llm.File, at place) {
	m := media{member: "document", url: f.FileURL, mediaType: f.Format, name: f.Filename, extra: f.Extra}
	switch {
	case f.FileData != "":
		m.url = f.FileData
		if !strings.HasPrefix(m.url, "data:") {
			m.url = "data:" + f.Format + ";base64," + f.FileData
		}
	case f.FileID != "":
		m.url = f.FileID
	}
	if m.mediaType == "" {
		m.mediaType, _, _ = llm.ParseDataURL(m.url)
	}
	switch kind, _, _ := strings.Cut(m.mediaType, "/"); {
	case kind == "image", kind == "video":
		m.member = kind
	case kind == "audio" && at != inResult:
		m.member = kind
	}
	w.media(m)
}

// media is an image, document, video or audio block.
type media struct {
	member    string
	url       string // data: or s3:
	mediaType string // or a format as Converse names it; "": from the URL or the name
	name      string
	extra     llm.Extra
}

func (w *writer) media(m media) {
	mediaType, data, inline := llm.ParseDataURL(m.url)
	s3 := strings.HasPrefix(m.url, "s3://")
	if !inline && !s3 {
		w.invalid("Converse fetches no URLs and knows no file ids: give the " + m.member + " inline (a data: URL) or as s3://bucket/key")
		return
	}
	if m.mediaType == "" {
		m.mediaType = mediaType
	}
	form, ok := formats[m.member][m.mediaType]
	switch {
	case ok:
	case m.mediaType != "" && !strings.Contains(m.mediaType, "/"):
		form = m.mediaType // a format as Converse names it, maybe one newer than this table
	default:
		ext := strings.ToLower(strings.TrimPrefix(path.Ext(m.name), "."))
		if ext == "" && s3 {
			ext = strings.ToLower(strings.TrimPrefix(path.Ext(m.url), "."))
		}
		if form, ok = extensions[m.member][ext]; !ok {
			w.invalid("Converse takes no " + m.member + " of type " + strconv.Quote(m.mediaType) + ", or its Format is missing")
			return
		}
	}
	e := &w.e
	e.Object()
	e.Name(m.member)
	e.Object()
	e.Name("format")
	e.Str(form)
	if m.member == "document" {
		e.Name("name")
		e.Str(w.documentName(m.name))
	}
	e.Name("source")
	e.Object()
	extra := m.extra
	if s3 {
		e.Name("s3Location")
		e.Object()
		e.OptStr("uri", m.url)
		if owner, ok := extra["bucketOwner"]; ok {
			e.Name("bucketOwner")
			e.Any(owner)
		}
		e.EndObject()
	} else {
		e.OptStr("bytes", data)
	}
	e.EndObject()
	for _, k := range slices.Sorted(maps.Keys(extra)) {
		if k != "bucketOwner" {
			e.Key(k)
			e.Any(extra[k])
		}
	}
	e.EndObject()
	e.EndObject()
}

// documentName follows the rule of DocumentBlock.name: letters, digits, single spaces, hyphens, parentheses
// and square brackets, at most 200, each name once.
func (w *writer) documentName(file string) string {
	base := path.Base(strings.ReplaceAll(file, `\`, "/"))
	base = strings.TrimSuffix(base, path.Ext(base))
	var b strings.Builder
	space := true
	for _, r := range base {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune("-()[]", r):
			b.WriteRune(r)
			space = false
		case !space:
			b.WriteByte(' ')
			space = true
		}
		if b.Len() >= 180 {
			break
		}
	}
	name := strings.TrimSpace(b.String())
	if name == "" {
		name = "document"
	}
	unique := name
	for n := 2; w.documents[unique]; n++ {
		unique = name + " " + strconv.Itoa(n)
	}
	if w.documents == nil {
		w.documents = make(map[string]bool, 2)
	}
	w.documents[unique] = true
	return unique
}

// formats are Converse's names of media types: API reference, ImageBlock, DocumentBlock, VideoBlock, AudioBlock.
var formats = map[string]map[string]string{
	"image": {"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"},
	"document": {
		"application/pdf": "pdf", "text/csv": "csv", "application/msword": "doc", "application/vnd.ms-excel": "xls",
		"application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
		"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":       "xlsx",
		"text/html": "html", "text/plain": "txt", "text/markdown": "md",
	},
	"video": {
		"video/mp4": "mp4", "video/quicktime": "mov", "video/x-matroska": "mkv", "video/webm": "webm", "video/x-flv": "flv",
		"video/mpeg": "mpeg", "video/x-ms-wmv": "wmv", "video/3gpp": "three_gp",
	},
	"audio": {
		"audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/wav": "wav", "audio/x-wav": "wav", "audio/opus": "opus", "audio/aac": "aac",
		"audio/flac": "flac", "audio/ogg": "ogg", "audio/mp4": "mp4", "audio/webm": "webm", "audio/x-m4a": "m4a",
	},
}

// extensions are the same by the ending of a file's name.
var extensions = map[string]map[string]string{
	"image": {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "gif": "gif", "webp": "webp"},
	"document": {
		"pdf": "pdf", "csv": "csv", "doc": "doc", "docx": "docx", "xls": "xls", "xlsx": "xlsx",
		"html": "html", "htm": "html", "txt": "txt", "md": "md",
	},
	"video": {
		"mkv": "mkv", "mov": "mov", "mp4": "mp4", "webm": "webm", "flv": "flv", "mpeg": "mpeg", "mpg": "mpg", "wmv": "wmv", "3gp": "three_gp",
	},
	"audio": {
		"mp3": "mp3", "opus": "opus", "wav": "wav", "aac": "aac", "flac": "flac", "mp4": "mp4", "ogg": "ogg", "mkv": "mkv",
		"mka": "mka", "m4a": "m4a", "mpeg": "mpeg", "mpga": "mpga", "pcm": "pcm", "webm": "webm",
	},
}
