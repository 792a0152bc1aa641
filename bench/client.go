package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"
)

// A Contestant is one way of calling a model.
type Contestant struct {
	Name   string // column head
	Module string // module path, for its version in the report; empty for the standard library
	Open   func(Target) (Ops, error)
}

// contestants are measured in this order; the first is the floor to which all are compared.
// The adapter of this library adds itself from llm.go.
var contestants = []Contestant{
	{Name: "net/http", Open: openFloor},
	{Name: "net/http+json", Open: openPlain},
	{Name: "openai-go", Module: "github.com/openai/openai-go/v3", Open: openOpenAIGo},
	{Name: "go-openai", Module: "github.com/sashabaranov/go-openai", Open: openGoOpenAI},
	{Name: "any-llm-go", Module: "github.com/mozilla-ai/any-llm-go", Open: openAnyLLM},
	{Name: "langchaingo", Module: "github.com/tmc/langchaingo", Open: openLangchain},
}

// libraryName is the Contestant name of this library.
const libraryName = "llm"

// A Target is where calls go. A vendor's own path ("/v1/chat/completions", "/v1/messages",
// "/v1beta/models/…") follows URL.
type Target struct {
	URL    string
	HTTP   *http.Client
	Socket bool // false: HTTP answers from memory, and nothing listens at URL
}

// An Op makes one call and hands all of the answer to out.
type Op func(ctx context.Context, in *Input, out *Output) error

// Ops are what a contestant can do; nil is not supported.
type Ops struct {
	Chat            Op // OpenAI chat completions
	ChatStream      Op
	Embed           Op // OpenAI embeddings, asked for and answered as lists of numbers
	EmbedBase64     Op // the same asked for as base64
	Anthropic       Op // Anthropic messages
	AnthropicStream Op
	Gemini          Op // Gemini generateContent
	GeminiStream    Op
}

// Input is a request before any library's types: each call builds its own typed request of it.
type Input struct {
	Model       string
	Turns       []Turn
	Temperature float64
	MaxTokens   int
	Tools       []Tool
	Texts       []string // embeddings
	Ready       []byte   // the same request encoded beforehand: only the floor sends it
	Path        string   // the vendor's path: only the floor and net/http+json need it
}

// A Turn is one message.
type Turn struct{ Role, Text string }

// A Tool is a function offered to the model.
type Tool struct {
	Name, Description string
	Schema            map[string]any
}

// An Output collects an answer. It is used again by the next call, so that collecting allocates nothing.
type Output struct {
	Text    string // unary answer
	Vectors int
	Raw     int // floor: body bytes of a unary answer, data lines of a stream
	Chunks  int // streams: chunks with text or tool arguments

	start   time.Time
	first   time.Duration // from start to the first chunk with content
	onFirst func()        // nil, or called once at that chunk
	text    []byte
	calls   []call
	probe   float64 // sum of each vector's diagonal element
}

type call struct {
	name string
	args []byte
}

func (o *Output) begin() {
	o.Text, o.Vectors, o.Raw, o.Chunks, o.probe = "", 0, 0, 0, 0
	o.text, o.calls, o.first = o.text[:0], o.calls[:0], 0
	o.start = time.Now()
}

// AddText takes a piece of streamed text.
func (o *Output) AddText(s string) {
	if s == "" {
		return
	}
	o.mark()
	o.text = append(o.text, s...)
}

// AddCall takes a piece of a streamed tool call: its name with the first piece, then its arguments.
func (o *Output) AddCall(index int, name, args string) {
	o.mark()
	for len(o.calls) <= index {
		if len(o.calls) < cap(o.calls) { // keep the buffer of the call before
			o.calls = o.calls[:len(o.calls)+1]
			c := &o.calls[len(o.calls)-1]
			c.name, c.args = "", c.args[:0]
		} else {
			o.calls = append(o.calls, call{})
		}
	}
	c := &o.calls[index]
	c.name += name
	c.args = append(c.args, args...)
}

// AddVector takes the i-th embedding: its length, and its element at i.
func (o *Output) AddVector(n int, diagonal float64) {
	if n == embedDims {
		o.Vectors++
	}
	o.probe += diagonal
}

func (o *Output) mark() {
	o.Chunks++
	if o.Chunks == 1 {
		o.first = time.Since(o.start)
		if o.onFirst != nil {
			o.onFirst()
		}
	}
}

// Want is what a call must have delivered. All of it is compared after each call: a contestant that skips work fails.
type Want struct {
	Text    string
	Stream  bool
	Calls   []wantCall
	Vectors int
	Probe   float64
	Raw     int // floor only
}

type wantCall struct{ Name, Args string }

func (w *Want) check(o *Output, floor bool) error {
	if floor {
		if o.Raw != w.Raw {
			return fmt.Errorf("got %d bytes or lines, want %d", o.Raw, w.Raw)
		}
		return nil
	}
	if w.Stream {
		if string(o.text) != w.Text {
			return fmt.Errorf("streamed text differs: got %d bytes, want %d", len(o.text), len(w.Text))
		}
	} else if o.Text != w.Text {
		return fmt.Errorf("text differs: got %d bytes, want %d", len(o.Text), len(w.Text))
	}
	if len(o.calls) != len(w.Calls) {
		return fmt.Errorf("got %d tool calls, want %d", len(o.calls), len(w.Calls))
	}
	for i, c := range w.Calls {
		if o.calls[i].name != c.Name || string(o.calls[i].args) != c.Args {
			return fmt.Errorf("tool call %d differs: %s with %d bytes of arguments, want %s with %d", i, o.calls[i].name, len(o.calls[i].args), c.Name, len(c.Args))
		}
	}
	if o.Vectors != w.Vectors || math.Abs(o.probe-w.Probe) > 1e-4 {
		return fmt.Errorf("got %d vectors (probe %v), want %d (probe %v)", o.Vectors, o.probe, w.Vectors, w.Probe)
	}
	return nil
}

// newTransport gives each contestant its own connections, with the same settings.
func newTransport() *http.Transport {
	return &http.Transport{MaxIdleConns: 0, MaxIdleConnsPerHost: 512, IdleConnTimeout: time.Minute}
}

// statusError keeps the floor and net/http+json from taking an error page for an answer.
func statusError(r *http.Response) error {
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", strings.TrimSpace(r.Status))
	}
	return nil
}
