// Package multipart writes multipart/form-data bodies (RFC 7578) for requests with files.
//
// Unlike the standard library's writer it draws nothing at random: the boundary comes from the content, so that
// the same form always gives the same bytes, and a request can be made twice, compared, and signed.
package multipart

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"unicode/utf8"
)

// Form collects fields and files. The zero value works. Errors are kept until Encode.
type Form struct {
	parts []part
	err   error
}

type part struct {
	head string // the headers, with the empty line after them
	data string
	file []byte
}

// ErrUnsafe is the error for a name, file name or media type that has a line break or another control character,
// or is not UTF-8: it could add headers and fields of its own.
var ErrUnsafe = errors.New("multipart: a name, file name or media type has a control character or is not UTF-8")

// Field adds a field.
func (f *Form) Field(name, value string) {
	f.parts = append(f.parts, part{head: "Content-Disposition: form-data; name=" + f.quote(name) + "\r\n\r\n", data: value})
}

// File adds a file. Its data is not copied before Encode.
func (f *Form) File(name, fileName, mediaType string, data []byte) {
	f.check(mediaType)
	f.parts = append(f.parts, part{
		head: "Content-Disposition: form-data; name=" + f.quote(name) + "; filename=" + f.quote(fileName) + "\r\n" +
			"Content-Type: " + mediaType + "\r\n\r\n",
		file: data,
	})
}

// quote writes a quoted-string: a backslash goes before quotes and backslashes. Other characters stay as they are,
// in UTF-8, which is what servers read.
func (f *Form) quote(s string) string {
	f.check(s)
	return `"` + escape.Replace(s) + `"`
}

var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func (f *Form) check(s string) {
	control := func(r rune) bool { return r < ' ' || r == 0x7F }
	if !utf8.ValidString(s) || strings.ContainsFunc(s, control) {
		f.err = ErrUnsafe
	}
}

// Encode returns the body and the value of the Content-Type header that belongs to it.
func (f *Form) Encode() (contentType string, body []byte, err error) {
	if f.err != nil {
		return "", nil, f.err
	}
	// A boundary that is a cryptographic hash of the content does not occur in the content.
	h := sha256.New()
	size := 0
	for _, p := range f.parts {
		h.Write([]byte(p.head))
		h.Write([]byte(p.data))
		h.Write(p.file)
		size += len(p.head) + len(p.data) + len(p.file)
	}
	boundary := "llm-go-" + hex.EncodeToString(h.Sum(nil)[:20])

	body = make([]byte, 0, size+(len(boundary)+8)*(len(f.parts)+1))
	for _, p := range f.parts {
		body = append(body, "--"...)
		body = append(body, boundary...)
		body = append(body, "\r\n"...)
		body = append(body, p.head...)
		body = append(body, p.data...)
		body = append(body, p.file...)
		body = append(body, "\r\n"...)
	}
	body = append(body, "--"...)
	body = append(body, boundary...)
	body = append(body, "--\r\n"...)
	return "multipart/form-data; boundary=" + boundary, body, nil
}

// mediaTypes are those of the files that models take. The system's own table, which mime.TypeByExtension reads,
// differs from machine to machine.
var mediaTypes = map[string]string{
	"flac": "audio/flac", "m4a": "audio/mp4", "mp3": "audio/mpeg", "mpga": "audio/mpeg", "oga": "audio/ogg", "ogg": "audio/ogg",
	"opus": "audio/ogg", "wav": "audio/wav", "aac": "audio/aac", "webm": "audio/webm", "mp4": "video/mp4", "mpeg": "video/mpeg",
	"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif",
	"pdf": "application/pdf", "json": "application/json", "jsonl": "application/jsonl", "txt": "text/plain", "csv": "text/csv",
}

// MediaType is the media type that a file's name tells: application/octet-stream if none.
func MediaType(fileName string) string {
	if i := strings.LastIndexByte(fileName, '.'); i >= 0 {
		if t := mediaTypes[strings.ToLower(fileName[i+1:])]; t != "" {
			return t
		}
	}
	return "application/octet-stream"
}

// extensions is the way back, where a server goes by the name.
var extensions = map[string]string{
	"audio/flac": "flac", "audio/x-flac": "flac", "audio/mp4": "m4a", "audio/m4a": "m4a", "audio/x-m4a": "m4a", "audio/mpeg": "mp3", "audio/mp3": "mp3",
	"audio/ogg": "ogg", "audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav", "audio/webm": "webm", "video/webm": "webm", "video/mp4": "mp4", "video/mpeg": "mpeg",
	"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/gif": "gif", "application/pdf": "pdf",
}

// Extension is the usual file name extension of a media type, without a dot; "" if none is known.
func Extension(mediaType string) string {
	mediaType, _, _ = strings.Cut(mediaType, ";")
	return extensions[strings.ToLower(strings.TrimSpace(mediaType))]
}
