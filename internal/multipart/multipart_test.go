package multipart_test

import (
	"bytes"
	"io"
	"mime"
	stdlib "mime/multipart"
	"strings"
	"testing"

	"github.com/llm-go/llm/internal/multipart"
	"github.com/stretchr/testify/require"
)

type got struct{ name, file, mediaType, data string }

// read takes a form apart with the standard library's reader.
func read(t *testing.T, contentType string, body []byte) (parts []got) {
	t.Helper()
	typ, params, err := mime.ParseMediaType(contentType)
	require.NoError(t, err)
	require.Equal(t, "multipart/form-data", typ)
	r := stdlib.NewReader(bytes.NewReader(body), params["boundary"])
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return parts
		}
		require.NoError(t, err)
		data, err := io.ReadAll(p)
		require.NoError(t, err)
		_, disposition, err := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
		require.NoError(t, err)
		parts = append(parts, got{p.FormName(), disposition["filename"], p.Header.Get("Content-Type"), string(data)})
	}
}

func TestForm(t *testing.T) {
	build := func(last string) (string, []byte) {
		var f multipart.Form
		f.Field("model", "whisper-1")
		f.Field(`a "quoted\" name[]`, "line\r\n--llm-go-\r\n")
		f.Field("empty", "")
		f.File("file", `großes "x"\y.wav`, "audio/wav", []byte("RIFF\x00\r\n--"))
		f.File("file", "none", "application/octet-stream", nil)
		f.Field("last", last)
		contentType, body, err := f.Encode()
		require.NoError(t, err)
		return contentType, body
	}
	contentType, body := build("1")
	require.Equal(t, []got{
		{"model", "", "", "whisper-1"},
		{`a "quoted\" name[]`, "", "", "line\r\n--llm-go-\r\n"},
		{"empty", "", "", ""},
		{"file", `großes "x"\y.wav`, "audio/wav", "RIFF\x00\r\n--"},
		{"file", "none", "application/octet-stream", ""},
		{"last", "", "", "1"},
	}, read(t, contentType, body))

	againType, again := build("1")
	require.Equal(t, contentType, againType)
	require.Equal(t, body, again)
	otherType, _ := build("2")
	require.NotEqual(t, contentType, otherType)

	_, boundary, _ := strings.Cut(contentType, "boundary=")
	require.Regexp(t, `^llm-go-[0-9a-f]{40}$`, boundary, "RFC 2046 allows 70 characters")
}

func TestEmptyForm(t *testing.T) {
	var f multipart.Form
	contentType, body, err := f.Encode()
	require.NoError(t, err)
	require.Contains(t, contentType, "boundary=llm-go-")
	require.True(t, bytes.HasSuffix(body, []byte("--\r\n")))
}

func TestFormRefusesInjection(t *testing.T) {
	for _, bad := range []string{"a\r\nX: y", "a\nb", "a\rb", "a\x00b", "a\x7f", "a\tb", "a\xff"} {
		for i, add := range []func(*multipart.Form){
			func(f *multipart.Form) { f.Field(bad, "v") },
			func(f *multipart.Form) { f.File(bad, "n", "t/t", nil) },
			func(f *multipart.Form) { f.File("n", bad, "t/t", nil) },
			func(f *multipart.Form) { f.File("n", "n", bad, nil) },
		} {
			var f multipart.Form
			add(&f)
			f.Field("ok", "v")
			_, body, err := f.Encode()
			require.ErrorIs(t, err, multipart.ErrUnsafe, "%q %d", bad, i)
			require.Nil(t, body)
			require.NotContains(t, err.Error(), bad)
		}
	}
	var f multipart.Form
	f.Field("n", "values\r\nmay have any byte \x00\xff")
	_, _, err := f.Encode()
	require.NoError(t, err)
}

func TestMediaTypes(t *testing.T) {
	for name, want := range map[string]string{
		"a.mp3": "audio/mpeg", "A.B.WAV": "audio/wav", "x.PNG": "image/png", "x.jpeg": "image/jpeg", "m4a": "application/octet-stream",
		"a.m4a": "audio/mp4", "a.": "application/octet-stream", "": "application/octet-stream", "a.exe": "application/octet-stream", "a.webm": "audio/webm",
	} {
		require.Equal(t, want, multipart.MediaType(name), name)
	}
	for typ, want := range map[string]string{"audio/mpeg": "mp3", "Audio/WAV; codecs=1": "wav", "image/png": "png", "": "", "x/y": ""} {
		require.Equal(t, want, multipart.Extension(typ), typ)
	}
}

func FuzzForm(f *testing.F) {
	f.Add("name", "file.wav", "audio/wav", "data", "value")
	f.Add(`"`, `\`, "a/b", "--", "\r\n")
	f.Fuzz(func(t *testing.T, name, file, mediaType, data, value string) {
		var form multipart.Form
		form.Field(name, value)
		form.File("f", file, "a/b", []byte(data))
		contentType, body, err := form.Encode()
		if err != nil {
			return
		}
		parts := read(t, contentType, body)
		require.Len(t, parts, 2)
		require.Equal(t, value, parts[0].data)
		require.Equal(t, data, parts[1].data)
		if name != "" {
			require.Equal(t, name, parts[0].name)
		}
	})
}
