package openai

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/stream"
)

// newTranscription is "Create transcription" of OpenAI's API reference. Streams are server-sent events, of which
// transcript.text.done is the last. whisper-1 cannot stream; it ignores the wish, and the engine makes a stream of
// its whole answer. vLLM streams in the form of chat completions up to [DONE] (its class
// TranscriptionStreamResponse); they become the same events. With "transcription.stream" in Quirks.Drop the host is
// not asked for a stream.
func newTranscription(q *Quirks) *llm.Op[llm.TranscriptionRequest, llm.TranscriptionResponse, llm.TranscriptionChunk] {
	op := &llm.Op[llm.TranscriptionRequest, llm.TranscriptionResponse, llm.TranscriptionChunk]{
		Encode: func(call *llm.Call, req *llm.TranscriptionRequest) (*http.Request, error) {
			r := *req
			r.Model = q.model(call)
			strategy := member{name: "chunking_strategy", set: r.ChunkingStrategy != nil, clear: func() { r.ChunkingStrategy = nil }}
			if err := q.leaveOut(call, plain("language", &r.Language), plainList("languages", &r.Languages), plainList("keywords", &r.Keywords),
				plain("prompt", &r.Prompt), plain("response_format", &r.ResponseFormat), plain("temperature", &r.Temperature),
				plainList("timestamp_granularities", &r.TimestampGranularities), plainList("include", &r.Include), strategy,
				plainList("known_speaker_names", &r.KnownSpeakerNames), plainList("known_speaker_references", &r.KnownSpeakerReferences)); err != nil {
				return nil, err
			}
			if format := responseFormat(call); call.Stream && (format == "srt" || format == "vtt") {
				return nil, llm.InvalidRequest("response_format", format+" cannot be streamed; ask for it without streaming")
			}
			r.File = llm.FileInput{}
			f := newForm(r.AppendJSON, r.Extra, "file", "stream")
			if call.Stream {
				f.Field("stream", "true")
			}
			f.file("file", "file", req.File)
			return f.request(call, "/audio/transcriptions")
		},
		Decode: decodeTranscription,
		Stream: func(call *llm.Call, body io.Reader) llm.Next[llm.TranscriptionChunk] {
			s := &transcriptionStream{events: &events{call: call, sse: stream.NewSSE(body, call.MaxEventBytes()), last: transcriptDone}}
			return s.next
		},
	}
	if q.drops("transcription.stream") {
		op.Stream = nil // the engine makes a stream of the whole answer
	}
	return op
}

// newTranslation is "Create translation" of OpenAI's API reference.
func newTranslation(q *Quirks) *llm.Op[llm.TranslationRequest, llm.TranscriptionResponse, llm.None] {
	return &llm.Op[llm.TranslationRequest, llm.TranscriptionResponse, llm.None]{
		Encode: func(call *llm.Call, req *llm.TranslationRequest) (*http.Request, error) {
			r := *req
			r.Model = q.model(call)
			if err := q.leaveOut(call, plain("prompt", &r.Prompt), plain("response_format", &r.ResponseFormat),
				plain("temperature", &r.Temperature)); err != nil {
				return nil, err
			}
			r.File = llm.FileInput{}
			f := newForm(r.AppendJSON, r.Extra, "file")
			f.file("file", "file", req.File)
			return f.request(call, "/audio/translations")
		},
		Decode: decodeTranscription,
	}
}

// textFormats are the response formats whose answer is not JSON.
var textFormats = []string{"text", "srt", "vtt"}

func decodeTranscription(call *llm.Call, h http.Header, body []byte) (*llm.TranscriptionResponse, error) {
	if slices.Contains(textFormats, responseFormat(call)) {
		t, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
		if t != "application/json" || !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
			// An error would have come with JSON's content type, or does not look like the text of speech.
			if e := bodyError(h, body); e != nil {
				return nil, e
			}
			return &llm.TranscriptionResponse{Text: strings.ToValidUTF8(string(body), "\uFFFD")}, nil
		}
	}
	resp := &llm.TranscriptionResponse{}
	if err := decodeBody(h, body, resp, &resp.Extra); err != nil {
		return nil, err
	}
	if resp.Text == "" && resp.Segments == nil && resp.Extra != nil {
		if e := bodyError(h, body); e != nil {
			return nil, e
		}
	}
	if resp.Usage != nil {
		usageExtra(resp.Usage)
	}
	return resp, nil
}

// responseFormat is the format that the request asks for.
func responseFormat(call *llm.Call) (format string) {
	var extra llm.Extra
	switch r := call.Request.(type) {
	case *llm.TranscriptionRequest:
		format, extra = r.ResponseFormat, r.Extra
	case *llm.TranslationRequest:
		format, extra = r.ResponseFormat, r.Extra
	}
	if _, ok := extra["response_format"]; ok {
		return extra.Get("response_format").Str
	}
	return format
}

const (
	transcriptDelta = "transcript.text.delta"
	transcriptDone  = "transcript.text.done"
)

// transcriptionStream reads one streamed transcription.
type transcriptionStream struct {
	events *events
	err    error
	chat   *chatTranscript // set once the host speaks in the form of chat completions
}

// chatTranscript is what the event that ends the stream will say.
type chatTranscript struct {
	text  strings.Builder
	usage *llm.Usage
}

func (s *transcriptionStream) next() (*llm.TranscriptionChunk, error) {
	if s.err != nil {
		return nil, s.err
	}
	c, err := s.read()
	if err != nil {
		s.err = err
		return nil, err
	}
	if c.Usage != nil {
		usageExtra(c.Usage)
	}
	return c, nil
}

func (s *transcriptionStream) read() (*llm.TranscriptionChunk, error) {
	c := &llm.TranscriptionChunk{}
	err := s.events.next(c, &c.Type, &c.Extra)
	if err == io.EOF && s.chat != nil {
		c.Type, c.Text, c.Usage = transcriptDone, s.chat.text.String(), s.chat.usage
		s.chat = nil
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	if raw, ok := c.Extra["choices"].(json.RawMessage); ok && c.Type == "" {
		return c, s.fromChat(c, raw)
	}
	return c, nil
}

// fromChat turns a chunk in the form of chat completions into an event.
func (s *transcriptionStream) fromChat(c *llm.TranscriptionChunk, choices []byte) error {
	var chunk llm.CompletionChunk
	if err := chunk.UnmarshalJSON(slices.Concat([]byte(`{"choices":`), choices, []byte("}"))); err != nil {
		return llm.Malformed("an event of the stream is not the JSON that it should be", err)
	}
	if s.chat == nil {
		s.chat = &chatTranscript{}
	}
	s.chat.text.WriteString(chunk.Text())
	c.Type, c.Delta = transcriptDelta, chunk.Text()
	if c.Usage != nil {
		s.chat.usage, c.Usage = c.Usage, nil
	}
	delete(c.Extra, "choices")
	return nil
}
