package llmtest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/llm-go/llm"
)

// Dialect is an API that the server speaks.
type Dialect string

// The dialects. OpenAI's covers chat completions and all operations other than Responses.
const (
	OpenAI    Dialect = "openai"
	Responses Dialect = "openai-responses"
	Anthropic Dialect = "anthropic"
	Gemini    Dialect = "gemini"
	Bedrock   Dialect = "bedrock"
)

// answerPrefix and callPrefix begin the ids that the vendor makes.
func (d Dialect) answerPrefix() string {
	return map[Dialect]string{OpenAI: "chatcmpl-", Responses: "resp_", Anthropic: "msg_"}[d]
}

func (d Dialect) callPrefix() string {
	return map[Dialect]string{OpenAI: "call_", Responses: "call_", Anthropic: "toolu_", Bedrock: "tooluse_"}[d]
}

// codec writes answers in one dialect.
type codec struct {
	whole  func(a *Answer, r *Request) any
	stream func(a *Answer, r *Request) []frame
	// failure words an error, as an answer and as an event in a stream.
	failure func(f failure) (http.Header, any)
	event   func(f failure) frame
	ping    frame
	// pack gives a frame the stream's framing.
	pack        func(f frame) []byte
	contentType string
}

var codecs = map[Dialect]*codec{
	OpenAI:    &openaiCodec,
	Responses: &responsesCodec,
	Anthropic: &anthropicCodec,
	Gemini:    &geminiCodec,
	Bedrock:   &bedrockCodec,
}

// frame is one event of a stream.
type frame struct {
	name string // the event's name, where the dialect names them
	data []byte
	part part
}

// part is what an event is for.
type part int

const (
	opening  part = iota // before any content
	content              // adds to the answer
	closing              // finish reason, usage, ends of blocks
	terminal             // without it the stream is not whole
)

// failure is an error to be worded.
type failure struct {
	status  int
	message string
	// reason tells failures with the same status apart: "context_window", "content_policy", "quota",
	// "field".
	reason string
	wait   time.Duration // that the body asks for
	id     string        // of the request
}

type obj = map[string]any

func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("llmtest: " + err.Error()) // what the server writes is its own
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// packSSE frames server-sent events.
func packSSE(f frame) []byte {
	var b []byte
	if f.name != "" {
		b = append(append(append(b, "event: "...), f.name...), '\n')
	}
	if f.data == nil {
		return append(b, ": ping\n\n"...)
	}
	for line := range bytes.SplitSeq(f.data, []byte("\n")) {
		b = append(append(append(b, "data: "...), line...), '\n')
	}
	return append(b, '\n')
}

// object reads tool arguments for dialects that have them as JSON. What is no object is kept as text, so that a
// test of broken arguments arrives as such.
func object(arguments string) any {
	if json.Valid([]byte(arguments)) {
		return json.RawMessage(arguments)
	}
	return arguments
}

// route tells from method and path what is asked for. Any prefix before the API's own path is allowed.
func route(r *http.Request, body []byte) (*Request, bool) {
	req := &Request{Time: time.Now(), Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(), Body: body, Dialect: OpenAI}
	path := r.URL.EscapedPath()
	if first, rest, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/"); ok && rest != "" && providerName(first) {
		req.Provider = first
	}
	ends := func(suffix string) bool { return strings.HasSuffix(path, suffix) }
	post := r.Method == http.MethodPost
	switch {
	case post && ends("/chat/completions"):
		req.Operation = "completion"
		req.decodeChat()
	case post && ends("/messages/count_tokens"):
		req.Dialect, req.Operation = Anthropic, "count_tokens"
		req.decodeAnthropic()
	case post && ends("/messages"):
		req.Dialect, req.Operation = Anthropic, "completion"
		req.decodeAnthropic()
	case post && ends("/responses"):
		req.Dialect, req.Operation = Responses, "responses"
		req.decodeResponses()
	case post && ends("/completions"):
		req.Operation = "text_completion"
		req.Input = texts(req.get("prompt"))
		if len(req.Input) > 0 {
			req.add(llm.User(req.Input[0]))
		}
		req.usageWanted = req.get("stream_options.include_usage").Bool()
	case post && ends("/embeddings"):
		req.Operation, req.Input = "embedding", texts(req.get("input"))
	case post && ends("/moderations"):
		req.Operation, req.Input = "moderation", texts(req.get("input"))
	case post && ends("/images/generations"):
		req.Operation, req.Input = "image", texts(req.get("prompt"))
	case post && ends("/images/edits"):
		req.Operation = "image_edit"
	case post && ends("/images/variations"):
		req.Operation = "image_variation"
	case post && ends("/audio/speech"):
		req.Operation, req.Input = "speech", texts(req.get("input"))
	case post && ends("/audio/transcriptions"):
		req.Operation = "transcription"
	case post && ends("/audio/translations"):
		req.Operation = "translation"
	case strings.Contains(path, "/model/"):
		return req, req.routeBedrock(path)
	case strings.Contains(path, "/models/") && strings.Contains(path, ":"):
		return req, req.routeGemini(path)
	case !post && (ends("/models") || ends("/foundation-models")):
		req.Operation = "models"
		switch {
		case ends("/foundation-models"):
			req.Dialect = Bedrock
		case r.Header.Get("Anthropic-Version") != "":
			req.Dialect = Anthropic
		case r.Header.Get("X-Goog-Api-Key") != "" || strings.Contains(path, "/v1beta/"):
			req.Dialect = Gemini
		}
		return req, true
	default:
		return req, false
	}
	req.Model = req.get("model").String()
	req.Stream = req.get("stream").Bool() || req.get("stream_format").String() == "sse"
	req.readForm(r.Header.Get("Content-Type"))
	return req, true
}

func providerName(s string) bool {
	if s == "" || s == "v1" || s == "v1beta" {
		return false
	}
	for _, c := range s {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return s != "model" && s != "models" && s != "chat" && s != "audio" && s != "images" && s != "messages"
}

func (r *Request) routeBedrock(path string) bool {
	_, rest, _ := strings.Cut(path, "/model/")
	i := strings.LastIndexByte(rest, '/')
	if i < 0 {
		return false
	}
	r.Dialect, r.Model = Bedrock, rest[:i]
	if m, err := url.PathUnescape(r.Model); err == nil {
		r.Model = m
	}
	switch rest[i+1:] {
	case "converse":
		r.Operation = "completion"
	case "converse-stream":
		r.Operation, r.Stream = "completion", true
	case "count-tokens":
		r.Operation = "count_tokens"
	case "invoke":
		r.Operation = "embedding" // the only operation that InvokeModel serves here
		r.Input = texts(r.get("inputText"))
		r.Input = append(r.Input, texts(r.get("texts"))...)
		return true
	default:
		return false
	}
	r.decodeBedrock()
	return true
}

func (r *Request) routeGemini(path string) bool {
	_, rest, _ := strings.Cut(path, "/models/")
	model, method, _ := strings.Cut(rest, ":")
	r.Dialect, r.Model = Gemini, model
	if m, err := url.PathUnescape(model); err == nil {
		r.Model = m
	}
	switch method {
	case "generateContent":
		r.Operation = "completion"
	case "streamGenerateContent":
		r.Operation, r.Stream = "completion", true
	case "countTokens":
		r.Operation = "count_tokens"
	case "embedContent":
		r.Operation = "embedding"
		r.Input = []string{strings.Join(texts(r.get("content.parts")), "")}
		return true
	case "batchEmbedContents":
		r.Operation = "embedding"
		for _, e := range r.get("requests").Array() {
			r.Input = append(r.Input, strings.Join(texts(e.Get("content.parts")), ""))
		}
		return true
	default:
		return false
	}
	r.decodeGemini()
	return true
}
