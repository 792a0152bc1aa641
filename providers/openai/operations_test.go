package openai_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/providers/openai"
	"github.com/stretchr/testify/require"
)

// wire is a transport that gives one answer and keeps the request.
type wire struct {
	contentType, body string
	request           *http.Request
	sent              []byte
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.request = r
	if r.Body != nil {
		w.sent, _ = io.ReadAll(r.Body)
	}
	h := http.Header{}
	if w.contentType != "" {
		h.Set("Content-Type", w.contentType)
	}
	return &http.Response{StatusCode: 200, Header: h, Body: io.NopCloser(strings.NewReader(w.body)), Request: r}, nil
}

// clientOf is a client of a host with the given quirks that offers all operations.
func clientOf(w *wire, q openai.Quirks) *llm.Client {
	p := openai.New(openai.Host{Name: "host", BaseURL: "https://host.example/v1", KeyOptional: true, Quirks: q,
		Ops: "embedding image image_edit image_variation speech transcription translation moderation models"})
	return llm.New(llm.WithProvider(p), llm.WithoutEnv(), llm.WithHTTPClient(&http.Client{Transport: w}), llm.WithMaxAttempts(1))
}

const oneVector = `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1]}],"model":"m","usage":{"prompt_tokens":1,"total_tokens":1}}`

func TestEmbeddingQuirks(t *testing.T) {
	for name, tt := range map[string]struct {
		quirks openai.Quirks
		req    llm.EmbeddingRequest
		want   string // "" for an error
	}{
		"no base64":       {openai.Quirks{}, llm.EmbeddingRequest{Input: []string{"a"}}, `{"model":"m","input":["a"]}`},
		"base64":          {openai.Quirks{EmbeddingBase64: true}, llm.EmbeddingRequest{Input: []string{"a"}}, `{"model":"m","input":["a"],"encoding_format":"base64"}`},
		"asked for":       {openai.Quirks{}, llm.EmbeddingRequest{Input: []string{"a"}, EncodingFormat: "base64"}, `{"model":"m","input":["a"],"encoding_format":"base64"}`},
		"input type":      {openai.Quirks{Accept: "embedding.input_type"}, llm.EmbeddingRequest{Input: []string{"a"}, InputType: "search_query"}, `{"model":"m","input":["a"],"input_type":"search_query"}`},
		"no input type":   {openai.Quirks{}, llm.EmbeddingRequest{Input: []string{"a"}, InputType: "search_query"}, ``},
		"chat's words":    {openai.Quirks{Drop: "user dimensions"}, llm.EmbeddingRequest{Input: []string{"a"}, User: "u"}, `{"model":"m","input":["a"],"user":"u"}`},
		"no dimensions":   {openai.Quirks{Drop: "embedding.dimensions"}, llm.EmbeddingRequest{Input: []string{"a"}, Dimensions: 3}, ``},
		"prefix":          {openai.Quirks{ModelPrefix: "accounts/x/models/"}, llm.EmbeddingRequest{Input: []string{"a"}}, `{"model":"accounts/x/models/m","input":["a"]}`},
		"another input":   {openai.Quirks{}, llm.EmbeddingRequest{Extra: llm.Extra{"input": []any{map[string]any{"image": "u"}}}}, `{"model":"m","input":[{"image":"u"}]}`},
		"both inputs":     {openai.Quirks{}, llm.EmbeddingRequest{Input: []string{"a"}, Tokens: [][]int{{1}}}, ``},
		"format by Extra": {openai.Quirks{EmbeddingBase64: true}, llm.EmbeddingRequest{Input: []string{"a"}, Extra: llm.Extra{"encoding_format": "float"}}, `{"model":"m","input":["a"],"encoding_format":"float"}`},
	} {
		t.Run(name, func(t *testing.T) {
			w := &wire{contentType: "application/json", body: oneVector}
			tt.req.Model = "host/m"
			resp, err := clientOf(w, tt.quirks).Embedding(context.Background(), &tt.req)
			if tt.want == "" {
				require.Error(t, err)
				require.Nil(t, w.request, "something was sent")
				return
			}
			require.NoError(t, err)
			require.JSONEq(t, tt.want, string(w.sent))
			require.Equal(t, []float32{1}, resp.Data[0].Embedding)
		})
	}
}

// Hosts that leave the index out, or give all vectors the same, answer in the order of the inputs.
func TestEmbeddingWithoutIndexes(t *testing.T) {
	for _, body := range []string{
		`{"data":[{"embedding":[1]},{"embedding":[2]},{"embedding":[3]}]}`,
		`{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[2]},{"index":0,"embedding":[3]}]}`,
		`{"data":[{"index":2,"embedding":[3]},{"index":0,"embedding":[1]},{"index":1,"embedding":[2]}]}`,
	} {
		w := &wire{contentType: "application/json", body: body}
		resp, err := clientOf(w, openai.Quirks{}).Embedding(context.Background(), &llm.EmbeddingRequest{Model: "host/m", Input: []string{"a", "b", "c"}})
		require.NoError(t, err)
		for i, v := range resp.Data {
			require.Equal(t, i, v.Index)
			require.Equal(t, []float32{float32(i + 1)}, v.Embedding)
		}
	}
}

func TestImageQuirks(t *testing.T) {
	w := &wire{contentType: "application/json", body: `{"created":1,"data":[{"b64_json":"AAAA"}]}`}
	c := clientOf(w, openai.Quirks{Drop: "n user seed response_format", Accept: "image.aspect_ratio image.negative_prompt image.seed"})
	seed := int64(0)
	resp, err := c.Image(context.Background(), &llm.ImageRequest{Model: "host/m", Prompt: "p", N: 2, AspectRatio: "16:9", NegativePrompt: "n", Seed: &seed, OutputFormat: "png"})
	require.NoError(t, err)
	require.JSONEq(t, `{"model":"m","prompt":"p","n":2,"aspect_ratio":"16:9","output_format":"png","negative_prompt":"n","seed":0}`, string(w.sent))
	require.Equal(t, "image/png", resp.Data[0].MediaType)
}

// The form is the same for the same request, and its header and body belong together.
func TestFormIsPure(t *testing.T) {
	req := &llm.TranscriptionRequest{Model: "host/whisper-1", File: llm.FileInput{Name: "a.wav", Data: []byte("RIFF\r\n--\x00\xff")},
		ChunkingStrategy: map[string]any{"type": "server_vad"}, Extra: llm.Extra{"chunking_strategy": map[string]any{"threshold": 0.5}, "prompt": nil, "language": "de"}, Prompt: "p", Language: "en"}
	var bodies [][]byte
	for range 2 {
		w := &wire{contentType: "application/json", body: `{"text":"t"}`}
		_, err := clientOf(w, openai.Quirks{}).Transcription(context.Background(), req)
		require.NoError(t, err)
		bodies = append(bodies, w.sent)

		_, params, err := mime.ParseMediaType(w.request.Header.Get("Content-Type"))
		require.NoError(t, err)
		form, err := multipart.NewReader(bytes.NewReader(w.sent), params["boundary"]).ReadForm(1 << 20)
		require.NoError(t, err)
		require.Equal(t, map[string][]string{"model": {"whisper-1"}, "language": {"de"}, "chunking_strategy[type]": {"server_vad"}, "chunking_strategy[threshold]": {"0.5"}}, form.Value)
		file, err := form.File["file"][0].Open()
		require.NoError(t, err)
		data, err := io.ReadAll(file)
		require.NoError(t, err)
		require.Equal(t, req.File.Data, data)
	}
	require.Equal(t, bodies[0], bodies[1])
}

func readTranscript(s *llm.Stream[llm.TranscriptionChunk], err error) (chunks []*llm.TranscriptionChunk, _ error) {
	if err != nil {
		return nil, err
	}
	for c, err := range s.All() {
		if err != nil {
			return chunks, err
		}
		chunks = append(chunks, c)
	}
	return chunks, nil
}

const vllmTranscript = `data: {"id":"trsc-1","object":"transcription.chunk","created":1,"model":"whisper","choices":[{"delta":{"content":" First"},"finish_reason":null,"stop_reason":null}]}

data: {"id":"trsc-1","object":"transcription.chunk","created":1,"model":"whisper","choices":[{"delta":{"content":" words"},"finish_reason":"stop","stop_reason":null}]}

data: {"id":"trsc-1","object":"transcription.chunk","created":1,"model":"whisper","choices":[],"usage":{"prompt_tokens":4,"completion_tokens":2,"total_tokens":6}}

data: [DONE]

`

func TestTranscriptionInTheFormOfChat(t *testing.T) {
	req := &llm.TranscriptionRequest{Model: "host/whisper", File: llm.FileInput{Name: "a.wav", Data: []byte("RIFF")}}
	stream := func(body string) ([]*llm.TranscriptionChunk, error) {
		w := &wire{contentType: "text/event-stream", body: body}
		return readTranscript(clientOf(w, openai.Quirks{}).TranscriptionStream(context.Background(), req))
	}
	chunks, err := stream(vllmTranscript)
	require.NoError(t, err)
	require.Len(t, chunks, 4)
	require.Equal(t, "transcript.text.delta", chunks[0].Type)
	require.Equal(t, " First", chunks[0].Delta)
	require.Equal(t, "trsc-1", chunks[0].Extra.Get("id").Str)
	require.Equal(t, &llm.TranscriptionChunk{Type: "transcript.text.done", Text: " First words", Usage: &llm.Usage{PromptTokens: 4, CompletionTokens: 2, TotalTokens: 6}}, chunks[3])
	for n := range strings.Index(vllmTranscript, "[DONE]") + len("[DONE]") - 1 {
		_, err := stream(vllmTranscript[:n])
		if n == 0 {
			require.ErrorIs(t, err, llm.ErrProtocol)
			continue
		}
		require.ErrorIs(t, err, llm.ErrTruncated, "cut at %d", n)
	}
}

// A model that cannot stream answers at once: nothing of the answer is lost on the way into a stream.
func TestTranscriptionAtOnce(t *testing.T) {
	w := &wire{contentType: "application/json", body: `{"task":"transcribe","language":"english","duration":8.5,"text":"A B","words":[{"word":"A","start":0,"end":1}],` +
		`"segments":[{"id":0,"text":"A","tokens":[1]},{"id":1,"text":"B","tokens":[2]}],"usage":{"type":"duration","seconds":9},"x":1}`}
	chunks, err := readTranscript(clientOf(w, openai.Quirks{}).TranscriptionStream(context.Background(), &llm.TranscriptionRequest{Model: "host/whisper-1",
		File: llm.FileInput{Name: "a.wav", Data: []byte("RIFF")}, ResponseFormat: "verbose_json"}))
	require.NoError(t, err)
	require.Len(t, chunks, 3)
	require.Equal(t, "B", chunks[1].Segment.Text)
	text, err := json.Marshal(chunks[2])
	require.NoError(t, err)
	require.JSONEq(t, `{"type":"transcript.text.done","text":"A B","task":"transcribe","language":"english","duration":8.5,"words":[{"word":"A","start":0,"end":1}],"usage":{"type":"duration","seconds":9},"x":1}`, string(text))
}

func TestTranscriptionOfHostsThatDoNotStream(t *testing.T) {
	w := &wire{contentType: "application/json", body: `{"text":"t"}`}
	chunks, err := readTranscript(clientOf(w, openai.Quirks{Drop: "transcription.stream"}).TranscriptionStream(context.Background(),
		&llm.TranscriptionRequest{Model: "host/m", File: llm.FileInput{Name: "a.wav", Data: []byte("RIFF")}}))
	require.NoError(t, err)
	require.Equal(t, []*llm.TranscriptionChunk{{Type: "transcript.text.done", Text: "t"}}, chunks)
	require.NotContains(t, string(w.sent), "stream")
}

// Pieces of sound share a buffer, but none reaches into another.
func TestSpeechPieces(t *testing.T) {
	sound := strings.Repeat("0123456789abcdef", 20_000)
	w := &wire{contentType: "audio/mpeg", body: sound}
	s, err := clientOf(w, openai.Quirks{}).SpeechStream(context.Background(), &llm.SpeechRequest{Model: "host/tts-1", Input: "Hi", Voice: "alloy"})
	require.NoError(t, err)
	var pieces [][]byte
	for c, err := range s.All() {
		require.NoError(t, err)
		require.Equal(t, len(c.Audio), cap(c.Audio))
		pieces = append(pieces, c.Audio)
	}
	require.Equal(t, sound, string(bytes.Join(pieces, nil)))

	w.body = ""
	_, err = clientOf(w, openai.Quirks{}).SpeechStream(context.Background(), &llm.SpeechRequest{Model: "host/tts-1", Input: "Hi", Voice: "alloy"})
	require.ErrorIs(t, err, llm.ErrProtocol)
}

func TestSpeechEventsNeedAStream(t *testing.T) {
	w := &wire{}
	for _, req := range []*llm.SpeechRequest{
		{Model: "host/m", Input: "Hi", Voice: "alloy", StreamFormat: "sse"}, {Model: "host/m", Input: "Hi", Voice: "alloy", Extra: llm.Extra{"stream_format": "sse"}},
		{Model: "host/m", Input: "Hi", Voice: "alloy", VoiceID: "voice_1"},
	} {
		_, err := clientOf(w, openai.Quirks{}).Speech(context.Background(), req)
		require.ErrorIs(t, err, llm.ErrInvalidRequest)
		require.Nil(t, w.request)
	}
}

func TestModelsTellTheirWindows(t *testing.T) {
	w := &wire{contentType: "application/json", body: `[
		{"id":"groq","context_window":131072,"max_completion_tokens":32768},
		{"id":"mistral","max_context_length":32768,"name":"mistral"},
		{"id":"vllm","max_model_len":4096,"created":1.7e9},
		{"id":"openrouter","name":"Open: Router","context_length":200000,"top_provider":{"context_length":8192,"max_completion_tokens":4096}},
		{"id":"odd","context_length":"long","object":"chat"}]`}
	resp, err := clientOf(w, openai.Quirks{}).Models(context.Background(), &llm.ModelsRequest{Provider: "host"})
	require.NoError(t, err)
	type row struct {
		id, name string
		in, out  int
	}
	var got []row
	for _, m := range resp.Data {
		got = append(got, row{m.ID, m.DisplayName, m.MaxInputTokens, m.MaxOutputTokens})
	}
	require.Equal(t, []row{{"groq", "", 131072, 32768}, {"mistral", "", 32768, 0}, {"vllm", "", 4096, 0}, {"openrouter", "Open: Router", 200000, 4096}, {"odd", "", 0, 0}}, got)
}

// Whatever a host sends as a stream: every error is the library's, and success means that the end was read.
func FuzzTranscriptionStream(f *testing.F) {
	f.Add([]byte(vllmTranscript))
	f.Add([]byte("data: {\"type\":\"transcript.text.delta\",\"delta\":\"I\",\"logprobs\":[{\"token\":\"I\",\"logprob\":-0.1,\"bytes\":[73]}]}\n\n" +
		"data: {\"type\":\"transcript.text.segment\",\"id\":\"seg_1\",\"start\":0,\"end\":1,\"text\":\"I\",\"speaker\":\"A\"}\n\n" +
		"data: {\"type\":\"transcript.text.done\",\"text\":\"I\",\"usage\":{\"type\":\"duration\",\"seconds\":9}}\n\n"))
	f.Add([]byte("event: error\ndata: {\"error\":{\"message\":\"m\",\"type\":\"server_error\"}}\n\n"))
	f.Add([]byte("data: {\"choices\":null}\n\ndata: [DONE]\n\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		w := &wire{contentType: "text/event-stream", body: string(body)}
		chunks, err := readTranscript(clientOf(w, openai.Quirks{}).TranscriptionStream(context.Background(), &llm.TranscriptionRequest{Model: "host/m",
			File: llm.FileInput{Name: "a.wav", Data: []byte("RIFF")}}))
		if err != nil {
			_, ok := errors.AsType[*llm.Error](err)
			require.True(t, ok, "%T", err)
			return
		}
		require.True(t, bytes.Contains(body, []byte("[DONE]")) || len(chunks) > 0 && chunks[len(chunks)-1].Type == "transcript.text.done")
		for _, c := range chunks {
			_, err := json.Marshal(c)
			require.NoError(t, err)
		}
	})
}

// Whatever a host answers: an error of the library's, or one vector for each input.
func FuzzEmbeddingDecode(f *testing.F) {
	for _, s := range []string{oneVector, `{"data":[{"embedding":"AACAPw=="}]}`, `{"error":{"message":"m"}}`, `{"data":[{"index":-1,"embedding":[1]},{"index":5}]}`, `[]`, `{"data":[null]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		w := &wire{contentType: "application/json", body: string(body)}
		resp, err := clientOf(w, openai.Quirks{}).Embedding(context.Background(), &llm.EmbeddingRequest{Model: "host/m", Input: []string{"a"}})
		if err != nil {
			_, ok := errors.AsType[*llm.Error](err)
			require.True(t, ok, "%T", err)
			return
		}
		require.Len(t, resp.Data, 1)
		require.True(t, len(resp.Data[0].Embedding) > 0 || resp.Data[0].Extra["embedding"] != nil)
	})
}

func TestModerationOfSeveral(t *testing.T) {
	w := &wire{contentType: "application/json", body: `{"id":"i","model":"m","results":[{"flagged":true},{"flagged":false}]}`}
	c := clientOf(w, openai.Quirks{})
	resp, err := c.Moderation(context.Background(), &llm.ModerationRequest{Model: "host/m", Input: []string{"a", "b"}})
	require.NoError(t, err)
	require.True(t, resp.Results[0].Flagged)
	require.False(t, resp.Results[1].Flagged)
	_, err = c.Moderation(context.Background(), &llm.ModerationRequest{Model: "host/m", Input: []string{"a", "b", "c"}})
	require.ErrorIs(t, err, llm.ErrProtocol)
}

func BenchmarkEmbedding(b *testing.B) {
	vector := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0, 0, 128, 63}, 1536))
	var body strings.Builder
	req := &llm.EmbeddingRequest{Model: "host/m"}
	body.WriteString(`{"object":"list","data":[`)
	for i := range 100 {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"object":"embedding","index":%d,"embedding":%q}`, i, vector)
		req.Input = append(req.Input, "text")
	}
	body.WriteString(`],"model":"m","usage":{"prompt_tokens":100,"total_tokens":100}}`)
	c := clientOf(&wire{contentType: "application/json", body: body.String()}, openai.Quirks{EmbeddingBase64: true})
	b.SetBytes(int64(body.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Embedding(context.Background(), req); err != nil {
			b.Fatal(err)
		}
	}
}
