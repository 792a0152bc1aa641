package gemini

import (
	"path"
	"strconv"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// contentsWriter writes a conversation as systemInstruction and contents. Neighbouring messages of one role become
// one content.
type contentsWriter struct {
	e        *jsonx.Encoder
	call     *llm.Call
	family   *family
	messages []llm.Message
	role     string // of the content that is open, "" if none is
	bypassed bool   // warned of
	marks    bool   // a cache mark was seen
}

// writeConversation writes the members systemInstruction and contents.
func writeConversation(call *llm.Call, e *jsonx.Encoder, f *family, messages []llm.Message) error {
	w := contentsWriter{e: e, call: call, family: f, messages: messages}
	if err := w.system(); err != nil {
		return err
	}
	e.Name("contents")
	e.Array()
	for i := range messages {
		if err := w.message(i); err != nil {
			return err
		}
	}
	if w.role == "" {
		return llm.InvalidRequest("messages", "Gemini needs at least one message besides the system's")
	}
	w.close()
	e.EndArray()
	if w.marks {
		call.Warn(llm.Warning{Code: "dropped_param", Param: "cache_control",
			Message: "Gemini has no cache marks: it caches by itself, or by the Extra member cachedContent"})
	}
	return nil
}

func isSystem(m *llm.Message) bool { return m.Role == llm.RoleSystem || m.Role == llm.RoleDeveloper }

// system gathers the instructions. There is one place for them, before the conversation: those that stand further
// down move there, and a warning says so.
func (w *contentsWriter) system() error {
	open, began := false, false
	for i := range w.messages {
		m := &w.messages[i]
		if !isSystem(m) {
			began = true
			continue
		}
		for j := range m.Content {
			p := &m.Content[j]
			if p.Type != "text" {
				return llm.InvalidRequest(partParam(i, j), "a system message can hold text only; put this part into a user message")
			}
			w.mark(p.CacheControl)
			if p.Text == "" {
				continue
			}
			if !open {
				w.e.Name("systemInstruction")
				w.e.Object()
				w.e.Name("parts")
				w.e.Array()
				open = true
			}
			w.e.Object()
			w.e.Name("text")
			w.e.Str(p.Text)
			w.e.EndObject()
		}
		w.mark(m.CacheControl)
		if began {
			w.call.Warn(llm.Warning{Code: "changed_param", Param: messageParam(i),
				Message: "Gemini takes instructions before the conversation only; this message was moved there"})
		}
	}
	if open {
		w.e.EndArray()
		w.e.EndObject()
	}
	return nil
}

func messageParam(i int) string { return "messages[" + strconv.Itoa(i) + "]" }

func partParam(i, j int) string { return messageParam(i) + ".content[" + strconv.Itoa(j) + "]" }

func (w *contentsWriter) mark(c *llm.CacheControl) { w.marks = w.marks || c != nil }

// begin opens a content of the role, unless one is open.
func (w *contentsWriter) begin(role string) {
	if w.role == role {
		return
	}
	w.close()
	w.role = role
	w.e.Object()
	w.e.Name("role")
	w.e.Str(role)
	w.e.Name("parts")
	w.e.Array()
}

func (w *contentsWriter) close() {
	if w.role != "" {
		w.e.EndArray()
		w.e.EndObject()
	}
}

func (w *contentsWriter) message(i int) error {
	m := &w.messages[i]
	w.mark(m.CacheControl)
	switch m.Role {
	case llm.RoleSystem, llm.RoleDeveloper:
		return nil
	case llm.RoleAssistant:
		return w.assistant(i, m)
	case llm.RoleTool:
		return w.toolResult(i, m)
	case llm.RoleUser:
	default:
		return llm.InvalidRequest(messageParam(i)+".role", "Gemini knows the roles system, developer, user, assistant and tool")
	}
	if m.Name != "" {
		w.call.Warn(llm.Warning{Code: "dropped_param", Param: messageParam(i) + ".name", Message: "Gemini does not tell participants apart by name"})
	}
	w.begin("user")
	for j := range m.Content {
		p := &m.Content[j]
		if p.Type == "text" && p.Text == "" && len(m.Content) > 1 {
			continue
		}
		if err := w.part(p, partParam(i, j)); err != nil {
			return err
		}
	}
	if len(m.Content) == 0 {
		w.text("", "")
	}
	return nil
}

func (w *contentsWriter) text(text, signature string) {
	w.e.Object()
	w.e.Name("text")
	w.e.Str(text)
	w.e.OptStr("thoughtSignature", signature)
	w.e.EndObject()
}

// assistant writes an earlier answer: as it came, if it came from here and the message says so, else signed
// thoughts, text, pictures, calls.
func (w *contentsWriter) assistant(i int, m *llm.Message) error {
	if m.Native != nil {
		if m.Native.Origin == Dialect {
			if err := w.native(i, m.Native.Content); err != nil {
				return err
			}
			return nil
		}
		w.dropped(messageParam(i)+".native", m.Native.Origin)
	}
	signature := w.thoughts(i, m)
	last := -1 // the text part that the signature of the text belongs to
	for j := range m.Content {
		if p := &m.Content[j]; p.Type == "text" && p.Text != "" {
			last = j
		}
	}
	if last < 0 && signature != "" {
		w.begin("model")
		w.text("", signature)
	}
	for j := range m.Content {
		p := &m.Content[j]
		w.mark(p.CacheControl)
		switch {
		case p.Type == "text" && p.Text == "":
		case j == last:
			w.begin("model")
			w.text(p.Text, signature)
		case p.Type == "refusal":
			w.begin("model")
			w.text(p.Refusal, "")
		default:
			w.begin("model")
			if err := w.part(p, partParam(i, j)); err != nil {
				return err
			}
		}
	}
	if m.Refusal != "" && len(m.Content) == 0 {
		w.begin("model")
		w.text(m.Refusal, "")
	}
	for j := range m.Images {
		w.begin("model")
		if err := w.part(&m.Images[j], messageParam(i)+".images["+strconv.Itoa(j)+"]"); err != nil {
			return err
		}
	}
	if m.Audio != nil && m.Audio.Transcript != "" && len(m.Content) == 0 {
		w.begin("model")
		w.text(m.Audio.Transcript, "")
	} else if m.Audio != nil {
		w.call.Warn(llm.Warning{Code: "dropped_param", Param: messageParam(i) + ".audio", Message: "an earlier spoken answer is not sent back"})
	}
	w.calls(i, m.ToolCalls)
	return nil
}

// native writes parts as they came.
func (w *contentsWriter) native(i int, content []byte) error {
	var d jsonx.Decoder
	d.Reset(content)
	if d.Kind() != jsonx.Array {
		return llm.InvalidRequest(messageParam(i)+".native", "the native content is not a list of parts; set Native to nil if you edited it")
	}
	for d.Array(); d.More(); {
		raw := d.Raw()
		if d.Err() != nil {
			break
		}
		w.begin("model")
		w.e.Raw(raw)
	}
	if d.End() != nil {
		return llm.InvalidRequest(messageParam(i)+".native", "the native content is not JSON; set Native to nil if you edited it")
	}
	return nil
}

// thoughts writes the thoughts that came from here, and returns the signature that belongs to the text.
func (w *contentsWriter) thoughts(i int, m *llm.Message) (textSignature string) {
	for j := range m.ThinkingBlocks {
		b := &m.ThinkingBlocks[j]
		switch {
		case b.Origin != Dialect:
			w.dropped(messageParam(i)+".thinking_blocks["+strconv.Itoa(j)+"]", b.Origin)
		case b.Thinking == "":
			textSignature = b.Signature
		default:
			w.begin("model")
			w.e.Object()
			w.e.Name("text")
			w.e.Str(b.Thinking)
			w.e.Name("thought")
			w.e.Bool(true)
			w.e.OptStr("thoughtSignature", b.Signature)
			w.e.EndObject()
		}
	}
	return textSignature
}

func (w *contentsWriter) dropped(param, origin string) {
	if origin == "" {
		origin = "an unknown provider"
	}
	w.call.Warn(llm.Warning{Code: "dropped_blob", Param: param, Message: "made by " + origin + ", and of use only there"})
}

// calls writes function calls. The first of a turn must be signed for models that insist on it.
func (w *contentsWriter) calls(i int, calls []llm.ToolCall) {
	for j := range calls {
		c := &calls[j]
		w.begin("model")
		param := messageParam(i) + ".tool_calls[" + strconv.Itoa(j) + "]"
		signature := c.Signature
		if signature != "" && c.Origin != Dialect {
			w.dropped(param, c.Origin)
			signature = ""
		}
		if signature == "" && j == 0 && w.family.signed {
			signature = bypass
			if !w.bypassed {
				w.bypassed = true
				w.call.Warn(llm.Warning{Code: "unsigned_tool_call", Param: param, Message: "Gemini wants its thought signature with a function call, and " +
					"this conversation has none; the documented replacement was sent, which may weaken the answer"})
			}
		}
		e := w.e
		e.Object()
		e.Name("functionCall")
		e.Object()
		e.OptStr("id", c.ID)
		e.Name("name")
		if c.Custom != nil {
			e.Str(c.Custom.Name)
			e.Name("args")
			e.Object()
			e.Name("input")
			e.Str(c.Custom.Input)
			e.EndObject()
		} else {
			e.Str(c.Function.Name)
			e.Name("args")
			if args, ok := object(c.Function.Arguments); ok {
				e.Raw(args)
			} else {
				e.Object()
				e.EndObject()
			}
		}
		e.EndObject()
		e.OptStr("thoughtSignature", signature)
		e.EndObject()
	}
}

// object says whether a text is a JSON object, and gives it without white space around it.
func object(text string) ([]byte, bool) {
	var d jsonx.Decoder
	d.Reset([]byte(text))
	if d.Kind() != jsonx.Object {
		return nil, false
	}
	raw := d.Raw()
	return raw, d.End() == nil
}

// toolResult writes a tool's answer as a functionResponse. Its name is that of the call it answers.
//
// An object passes as it is. Any other text is the member that the API reference names for it: output, or error if
// the tool failed.
func (w *contentsWriter) toolResult(i int, m *llm.Message) error {
	name := w.callName(i, m.ToolCallID)
	if name == "" {
		name = m.Name
	}
	if name == "" {
		return llm.InvalidRequest(messageParam(i)+".tool_call_id", "no earlier message calls a tool by this id, and Gemini wants the tool's name; "+
			"keep the assistant's message with the call in front, or set Name")
	}
	var media []int // parts beside the text
	for j := range m.Content {
		w.mark(m.Content[j].CacheControl)
		if m.Content[j].Type != "text" {
			media = append(media, j)
		}
	}
	w.begin("user")
	e := w.e
	e.Object()
	e.Name("functionResponse")
	e.Object()
	e.OptStr("id", m.ToolCallID)
	e.Name("name")
	e.Str(name)
	e.Name("response")
	text := m.Content.Text()
	if obj, ok := object(text); ok && !m.IsError && exact(text) {
		e.Raw(obj)
	} else {
		e.Object()
		if m.IsError {
			e.Name("error")
		} else {
			e.Name("output")
		}
		e.Str(text)
		e.EndObject()
	}
	var after []int // what has no place inside
	if len(media) > 0 && w.family.toolMedia {
		after = w.responseParts(m, media)
	} else {
		after = media
	}
	e.EndObject()
	e.EndObject()
	if len(after) > 0 {
		w.call.Warn(llm.Warning{Code: "changed_param", Param: partParam(i, after[0]),
			Message: "it cannot be part of a function response of this model; it was sent right after it"})
	}
	for _, j := range after {
		if err := w.part(&m.Content[j], partParam(i, j)); err != nil {
			return err
		}
	}
	return nil
}

// responseParts writes the inline media of a tool's answer and returns what is not inline.
func (w *contentsWriter) responseParts(m *llm.Message, media []int) (rest []int) {
	open := false
	for _, j := range media {
		source, err := sourceOf(&m.Content[j], "")
		if err != nil || source.data == "" || !inToolResults(source.mime) {
			rest = append(rest, j)
			continue
		}
		if !open {
			w.e.Name("parts")
			w.e.Array()
			open = true
		}
		w.e.Object()
		w.inlineData(source)
		w.e.EndObject()
	}
	if open {
		w.e.EndArray()
	}
	return rest
}

// inToolResults are the media that a function response takes ("Function calling", multimodal function responses).
func inToolResults(mime string) bool {
	switch mime {
	case "image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain":
		return true
	}
	return false
}

// exact says that an object survives the way: it becomes a protobuf Struct, whose numbers are float64. Long digits,
// ids mostly, would change.
func exact(text string) bool {
	run := 0
	for i := range len(text) {
		if c := text[i]; c < '0' || c > '9' {
			run = 0
		} else if run++; run > 15 {
			return false
		}
	}
	return true
}

// callName is the name of the tool that an earlier message called by the id.
func (w *contentsWriter) callName(i int, id string) string {
	for i--; i >= 0; i-- {
		for _, c := range w.messages[i].ToolCalls {
			if c.ID == id {
				if c.Custom != nil {
					return c.Custom.Name
				}
				return c.Function.Name
			}
		}
	}
	return ""
}

// source is where a medium is: data in base64, or a URI; and its type, which may be unknown for a URI.
type source struct {
	mime, data, uri string
}

func (w *contentsWriter) inlineData(s source) {
	w.e.Name("inlineData")
	w.e.Object()
	w.e.Name("mimeType")
	w.e.Str(s.mime)
	w.e.Name("data")
	w.e.Str(s.data)
	w.e.EndObject()
}

// part writes any part of a message.
func (w *contentsWriter) part(p *llm.Part, param string) error {
	w.mark(p.CacheControl)
	e := w.e
	switch p.Type {
	case "text":
		e.Object()
		e.Name("text")
		e.Str(p.Text)
		e.Members(p.Extra)
		e.EndObject()
		return nil
	case "refusal":
		w.text(p.Refusal, "")
		return nil
	case "image_url", "input_audio", "file", "video_url":
	default: // one of Gemini's own: {"type":"any","executableCode":{…}}
		if len(p.Extra) == 0 {
			return llm.InvalidRequest(param, "Gemini has no part of the type "+strconv.Quote(p.Type)+"; put the members of a part of its own into Extra")
		}
		e.Object()
		e.Members(p.Extra)
		e.EndObject()
		return nil
	}
	s, err := sourceOf(p, param)
	if err != nil {
		return err
	}
	e.Object()
	if s.data != "" {
		w.inlineData(s)
	} else {
		e.Name("fileData")
		e.Object()
		e.OptStr("mimeType", s.mime)
		e.Name("fileUri")
		e.Str(s.uri)
		e.EndObject()
	}
	if p.ImageURL != nil {
		w.detail(p.ImageURL.Detail, param)
	}
	e.Members(p.Extra)
	e.EndObject()
	return nil
}

// detail writes how closely a picture is looked at.
func (w *contentsWriter) detail(detail, param string) {
	var level string
	switch detail {
	case "", "auto":
		return
	case "low":
		level = "MEDIA_RESOLUTION_LOW"
	case "medium":
		level = "MEDIA_RESOLUTION_MEDIUM"
	case "high":
		level = "MEDIA_RESOLUTION_HIGH"
	case "original":
		level = "MEDIA_RESOLUTION_ULTRA_HIGH"
	default:
		level = strings.ToUpper(detail)
	}
	if !w.family.partDetail {
		w.call.Warn(llm.Warning{Code: "dropped_param", Param: param + ".image_url.detail",
			Message: "the model takes one resolution for all media only: the Extra member generationConfig.mediaResolution"})
		return
	}
	w.e.Name("mediaResolution")
	w.e.Object()
	w.e.Name("level")
	w.e.Str(level)
	w.e.EndObject()
}

// sourceOf finds the medium of a part and its type.
func sourceOf(p *llm.Part, param string) (source, error) {
	switch p.Type {
	case "image_url":
		if p.ImageURL != nil {
			return urlSource(p.ImageURL.URL, p.ImageURL.Format, param+".image_url")
		}
	case "video_url":
		if p.VideoURL != nil {
			return urlSource(p.VideoURL.URL, p.VideoURL.Format, param+".video_url")
		}
	case "input_audio":
		if a := p.InputAudio; a != nil && a.Data != "" {
			if strings.HasPrefix(a.Data, "data:") {
				return urlSource(a.Data, a.Format, param+".input_audio")
			}
			if a.Format == "" {
				return source{}, llm.InvalidRequest(param+".input_audio.format", `the format is missing; set "wav", "mp3" or a media type`)
			}
			return source{mime: mediaType(a.Format, "audio/"), data: a.Data}, nil
		}
	case "file":
		if f := p.File; f != nil {
			return fileSource(f, param+".file")
		}
	}
	return source{}, llm.InvalidRequest(param, "the part is empty")
}

func fileSource(f *llm.File, param string) (source, error) {
	format := mediaType(f.Format, "application/")
	switch {
	case f.FileData != "" && strings.HasPrefix(f.FileData, "data:"):
		return urlSource(f.FileData, format, param)
	case f.FileData != "":
		if format == "" {
			format = byExtension(f.Filename)
		}
		if format == "" {
			return source{}, llm.InvalidRequest(param+".format", "the media type is unknown; send a data: URL, or set Format or a Filename with an extension")
		}
		return source{mime: format, data: f.FileData}, nil
	case f.FileID != "":
		if format == "" {
			format = byExtension(f.Filename)
		}
		if strings.Contains(f.FileID, "://") {
			return source{mime: format, uri: f.FileID}, nil
		}
		return source{mime: format, uri: filesURL + strings.TrimPrefix(f.FileID, "files/")}, nil
	case f.FileURL != "":
		if format == "" {
			format = byExtension(f.Filename)
		}
		return urlSource(f.FileURL, format, param)
	}
	return source{}, llm.InvalidRequest(param, "the file is empty; set FileData, FileID or FileURL")
}

// urlSource reads a data: URL or names a URL. For files of the Files API and for YouTube the service knows the type;
// for others it wants to be told.
func urlSource(url, format, param string) (source, error) {
	if url == "" {
		return source{}, llm.InvalidRequest(param, "the URL is missing")
	}
	if strings.HasPrefix(url, "data:") {
		mime, data, ok := llm.ParseDataURL(url)
		if !ok {
			return source{}, llm.InvalidRequest(param, "the data: URL is not in base64")
		}
		if format != "" {
			mime = mediaType(format, "image/")
		}
		if mime == "" {
			return source{}, llm.InvalidRequest(param, "the data: URL has no media type; write data:image/png;base64,…, or set Format")
		}
		if data == "" {
			return source{}, llm.InvalidRequest(param, "the data: URL is empty")
		}
		return source{mime: mime, data: data}, nil
	}
	s := source{mime: mediaType(format, "image/"), uri: url}
	if s.mime == "" {
		s.mime = byExtension(url)
	}
	if s.mime == "" && !knownByGoogle(url) {
		return source{}, llm.InvalidRequest(param, "the media type is unknown; set Format, for example \"image/png\"")
	}
	return s, nil
}

func knownByGoogle(url string) bool {
	rest, ok := strings.CutPrefix(url, "https://")
	if !ok {
		return false
	}
	host, file, _ := strings.Cut(rest, "/")
	switch strings.TrimPrefix(host, "www.") {
	case "youtube.com", "youtu.be", "m.youtube.com":
		return true
	}
	return strings.Contains(file, "/files/")
}

// mediaType completes a short format, "mp3", to a media type.
func mediaType(format, kind string) string {
	if format == "" || strings.Contains(format, "/") {
		return format
	}
	if t := extensions[format]; t != "" {
		return t
	}
	return kind + format
}

func byExtension(name string) string {
	name, _, _ = strings.Cut(name, "?")
	name, _, _ = strings.Cut(name, "#")
	ext := path.Ext(name)
	if ext == "" {
		return ""
	}
	return extensions[strings.ToLower(ext[1:])]
}

// extensions are the media that the documentation lists ("Image understanding", "Audio understanding", "Video
// understanding", "Document understanding"), by the usual ends of file names.
var extensions = map[string]string{
	"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "heic": "image/heic", "heif": "image/heif",
	"gif": "image/gif", "bmp": "image/bmp",
	"wav": "audio/wav", "mp3": "audio/mp3", "aiff": "audio/aiff", "aac": "audio/aac", "ogg": "audio/ogg", "flac": "audio/flac",
	"opus": "audio/opus", "m4a": "audio/m4a", "pcm16": "audio/pcm", "pcm": "audio/pcm",
	"mp4": "video/mp4", "mpeg": "video/mpeg", "mpg": "video/mpg", "mov": "video/mov", "avi": "video/avi", "flv": "video/x-flv",
	"webm": "video/webm", "wmv": "video/wmv", "3gp": "video/3gpp",
	"pdf": "application/pdf", "txt": "text/plain", "md": "text/markdown", "html": "text/html", "htm": "text/html", "css": "text/css",
	"csv": "text/csv", "xml": "text/xml", "rtf": "text/rtf", "json": "application/json", "js": "text/javascript", "py": "text/x-python",
}
