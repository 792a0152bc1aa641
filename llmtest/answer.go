package llmtest

import (
	"strings"
	"time"
	"unicode"

	"github.com/llm-go/llm"
)

// Answer is what the server says, for any of the APIs that it speaks. The zero Answer is the server's own: see
// [Server.Reply].
type Answer struct {
	// Text is what the model says.
	Text string
	// Reasoning is what it thinks before. Where the API signs thinking, Signature is the signature; one is made up
	// if it is "".
	Reasoning string
	Signature string
	// ToolCalls are the tools that it wants called. An ID is made up where it is "".
	ToolCalls []llm.ToolCall
	// FinishReason is why the answer ends: "" is "tool_calls" if there are any, and "stop" if not.
	FinishReason llm.FinishReason
	// Usage is what it cost, in this library's sense (see [llm.Usage]). nil: words are counted as tokens.
	Usage *llm.Usage
	// Model is the name that the answer bears; "" is the one that was asked for. ID is made up if it is "".
	Model, ID string

	// Chunks are the pieces in which Text is streamed. nil: word by word. If Text is "" they are the text.
	Chunks []string
	// Latency is the time until the first byte, ChunkDelay the time before each piece of a stream.
	Latency, ChunkDelay time.Duration
	// Header is added to the answer's.
	Header map[string]string

	// Status makes the answer an error if it is 400 or above: with Text as its message, in the API's own form. See [Error].
	Status int
	// Body is sent as it is, with Status (0: 200), instead of everything else; ContentType "" is JSON.
	Body        []byte
	ContentType string
	// Fault is what goes wrong with this answer.
	Fault Fault

	// Vectors, Images, Audio, Flagged, Tokens and Models are for the operations that answer with them. What is
	// not set is made up: vectors from the texts, an image of one pixel, a moment of silence.
	Vectors [][]float32
	Images  [][]byte // PNG
	Audio   []byte
	Flagged bool     // of a moderation
	Tokens  int      // of a token count
	Models  []string // of a list of models
}

// Text is an answer in words.
func Text(text string) Answer { return Answer{Text: text} }

// ToolCall is an answer that calls one tool. arguments is a JSON object. For several calls, or a text before
// them, fill in [Answer] ToolCalls.
func ToolCall(name, arguments string) Answer {
	return Answer{ToolCalls: []llm.ToolCall{{Type: "function", Function: llm.FunctionCall{Name: name, Arguments: arguments}}}}
}

// Error is an error with an HTTP status, as the API words it.
func Error(status int, message string) Answer { return Answer{Status: status, Text: message} }

// isZero: such an answer leaves it to the server.
func (a *Answer) isZero() bool {
	return a.Text == "" && a.Reasoning == "" && a.ToolCalls == nil && a.Chunks == nil && a.Status == 0 && a.Body == nil &&
		a.Vectors == nil && a.Images == nil && a.Audio == nil && !a.Flagged && a.Tokens == 0 && a.Models == nil && a.FinishReason == ""
}

// complete fills in what the script left open.
func (a Answer) complete(r *Request, id func(prefix string) string) *Answer {
	if a.Text == "" {
		a.Text = strings.Join(a.Chunks, "")
	} else if strings.Join(a.Chunks, "") != a.Text {
		a.Chunks = words(a.Text)
	}
	if a.Model == "" {
		a.Model = r.Model
	}
	if a.ID == "" {
		a.ID = id(r.Dialect.answerPrefix())
	}
	calls := make([]llm.ToolCall, len(a.ToolCalls))
	for i, c := range a.ToolCalls {
		c.Index = i
		if c.ID == "" {
			c.ID = id(r.Dialect.callPrefix())
		}
		if strings.TrimSpace(c.Function.Arguments) == "" {
			c.Function.Arguments = "{}"
		}
		calls[i] = c
	}
	a.ToolCalls = calls
	if a.FinishReason == "" {
		a.FinishReason = llm.FinishStop
		if len(calls) > 0 {
			a.FinishReason = llm.FinishToolCalls
		}
	}
	if a.Reasoning != "" && a.Signature == "" {
		a.Signature = "c2lnbmVkIGJ5IGxsbXRlc3Q=" // base64, as the real ones are
	}
	if a.Usage == nil {
		a.Usage = a.count(r)
	}
	if a.Usage.TotalTokens == 0 {
		u := *a.Usage
		u.TotalTokens = u.PromptTokens + u.CompletionTokens
		a.Usage = &u
	}
	return &a
}

// count takes a word for a token.
func (a *Answer) count(r *Request) *llm.Usage {
	u := &llm.Usage{PromptTokens: r.tokens(), CompletionTokens: len(strings.Fields(a.Text))}
	for _, c := range a.ToolCalls {
		u.CompletionTokens += 1 + len(strings.Fields(c.Function.Arguments))
	}
	if n := len(strings.Fields(a.Reasoning)); n > 0 {
		u.CompletionTokens += n
		u.CompletionTokensDetails = &llm.CompletionTokensDetails{ReasoningTokens: n}
	}
	return u
}

// words cuts a text before each word; joined again they are the text.
func words(text string) []string {
	var list []string
	start, inWord := 0, false
	for i, r := range text {
		space := unicode.IsSpace(r)
		if space && inWord {
			list, start = append(list, text[start:i]), i
		}
		inWord = !space
	}
	if start < len(text) {
		list = append(list, text[start:])
	}
	return list
}

// pieces cuts tool arguments as models send them: anywhere, but not within a rune.
func pieces(text string) []string {
	const size = 12
	var list []string
	start := 0
	for i := range text {
		if i-start >= size {
			list, start = append(list, text[start:i]), i
		}
	}
	return append(list, text[start:])
}

func reasoningTokens(u *llm.Usage) int {
	if u.CompletionTokensDetails == nil {
		return 0
	}
	return u.CompletionTokensDetails.ReasoningTokens
}

func cachedTokens(u *llm.Usage) (read, written int) {
	if u.PromptTokensDetails == nil {
		return 0, 0
	}
	return u.PromptTokensDetails.CachedTokens, u.PromptTokensDetails.CacheCreationTokens
}
