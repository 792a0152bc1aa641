package llm

import (
	"encoding/base64"
	"strings"
)

// System is a system message.
func System(text string) Message { return Message{Role: RoleSystem, Content: Content{TextPart(text)}} }

// User is a user message: a text and, if given, further parts after it. An empty text is left out when
// there are parts.
func User(text string, parts ...Part) Message {
	c := make(Content, 0, 1+len(parts))
	if text != "" || len(parts) == 0 {
		c = append(c, TextPart(text))
	}
	return Message{Role: RoleUser, Content: append(c, parts...)}
}

// Assistant is an earlier answer, or, as the last message, a prefill where the provider allows one.
func Assistant(text string) Message {
	return Message{Role: RoleAssistant, Content: Content{TextPart(text)}}
}

// ToolResult answers the tool call with the given id.
func ToolResult(callID, text string, parts ...Part) Message {
	m := User(text, parts...)
	m.Role, m.ToolCallID = RoleTool, callID
	return m
}

// TextPart is a text part.
func TextPart(text string) Part { return Part{Type: "text", Text: text} }

// ImagePart is an image part by https URL or data: URL.
func ImagePart(url string) Part { return Part{Type: "image_url", ImageURL: &ImageURL{URL: url}} }

// ImageDataPart is an image part from memory. mediaType is "image/png", "image/jpeg", "image/webp", "image/gif".
func ImageDataPart(mediaType string, data []byte) Part { return ImagePart(DataURL(mediaType, data)) }

// AudioPart is a sound part. format is "wav", "mp3" …
func AudioPart(format string, data []byte) Part {
	return Part{Type: "input_audio", InputAudio: &InputAudio{Data: base64.StdEncoding.EncodeToString(data), Format: format}}
}

// FilePart is a file part from memory, for example ("report.pdf", "application/pdf", data).
func FilePart(filename, mediaType string, data []byte) Part {
	return Part{Type: "file", File: &File{Filename: filename, FileData: DataURL(mediaType, data)}}
}

// FileIDPart is a file part for a file uploaded to the provider before.
func FileIDPart(id string) Part { return Part{Type: "file", File: &File{FileID: id}} }

// VideoPart is a video part by URL or data: URL.
func VideoPart(url string) Part { return Part{Type: "video_url", VideoURL: &VideoURL{URL: url}} }

// DataURL is data as a base64 data: URL.
func DataURL(mediaType string, data []byte) string {
	const mid = ";base64,"
	b := make([]byte, 0, len("data:")+len(mediaType)+len(mid)+base64.StdEncoding.EncodedLen(len(data)))
	b = append(b, "data:"...)
	b = append(b, mediaType...)
	b = append(b, mid...)
	return string(base64.StdEncoding.AppendEncode(b, data))
}

// ParseDataURL splits a base64 data: URL into its media type and its base64 text. ok is false for any other
// URL. The base64 text is not decoded: most wires carry it as it is.
func ParseDataURL(url string) (mediaType, base64Text string, ok bool) {
	rest, ok := strings.CutPrefix(url, "data:")
	if !ok {
		return "", "", false
	}
	head, data, ok := strings.Cut(rest, ",")
	if !ok {
		return "", "", false
	}
	mediaType, isBase64 := strings.CutSuffix(head, ";base64")
	if !isBase64 {
		return "", "", false
	}
	mediaType, _, _ = strings.Cut(mediaType, ";")
	return mediaType, data, true
}

func joinText(c Content) string {
	n := 0
	for i := range c {
		n += len(c[i].Text)
	}
	if n == 0 {
		return ""
	}
	var b strings.Builder
	b.Grow(n)
	for i := range c {
		b.WriteString(c[i].Text)
	}
	return b.String()
}
