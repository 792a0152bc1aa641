package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
)

// A Case is one job that every contestant is given.
type Case struct {
	Name     string // for flags
	Title    string // for people
	Key      string // the answer served
	Op       func(*Ops) Op
	In       *Input
	Want     *Want
	Parallel int  // calls in flight; 0: one
	First    bool // the figure is the delay of the first chunk, not of the call
	Chunks   int  // streams: content chunks
	// Goal is the most that this library's ratio to the floor may be; 0: none was set.
	Goal float64
}

var cases = sync.OnceValue(func() []*Case {
	short := []Turn{{"system", "Be brief."}, {"user", "What is a stream of tokens, and why is the first one late?"}}
	weather := map[string]any{
		"type":                 "object",
		"properties":           map[string]any{"query": map[string]any{"type": "string", "description": "what to look for"}},
		"required":             []any{"query"},
		"additionalProperties": false,
	}
	tools := []Tool{
		{"get_weather", "The weather at a place, now and for three days.", weather},
		{"search_documents", "Full-text search over the handbook.", weather},
	}
	long := []Turn{{"system", "Be brief."}}
	for i := range 39 {
		long = append(long, Turn{[]string{"user", "assistant"}[i%2], prose(uint64(100+i), 100<<10/39)})
	}
	texts := make([]string, embedCount)
	for i := range texts {
		texts[i] = prose(uint64(200+i), 40)
	}

	chat := func(o *Ops) Op { return o.Chat }
	stream := func(o *Ops) Op { return o.ChatStream }
	all := []*Case{
		{Name: "chat-1k", Title: "chat, 1 KB answer", Key: "chat-1k", Op: chat, Goal: 1.4},
		{Name: "chat-1k-256", Title: "the same, 256 in parallel", Key: "chat-1k", Op: chat, Parallel: 256},
		{Name: "chat-100k", Title: "chat, 100 KB answer", Key: "chat-100k", Op: chat, Goal: 5},
		{Name: "request-100k", Title: "chat, 100 KB request of 40 messages", Key: "chat-1k", Op: chat, In: &Input{Turns: long}, Goal: 1.8},
		{Name: "stream-1k", Title: "stream of 1,000 chunks", Key: "stream-1k", Op: stream, Chunks: 1000, Goal: 4.5},
		{Name: "stream-10k", Title: "stream of 10,000 chunks", Key: "stream-10k", Op: stream, Chunks: 10000},
		{Name: "tools", Title: "stream of 4 tool calls, 200 fragments", Key: "tools", Op: stream, Chunks: 200, In: &Input{Turns: short, Tools: tools}, Goal: 4},
		{Name: "embed-base64", Title: "embeddings, 100 x 1536, as base64", Key: "embed-base64", Op: func(o *Ops) Op { return o.EmbedBase64 }, In: &Input{Texts: texts}, Goal: 4.5},
		{Name: "embed-float", Title: "embeddings, 100 x 1536, as numbers", Key: "embed", Op: func(o *Ops) Op { return o.Embed }, In: &Input{Texts: texts}},
		{Name: "anthropic", Title: "Anthropic, 1 KB answer", Key: "anthropic", Op: func(o *Ops) Op { return o.Anthropic }, Goal: 1.4},
		{Name: "anthropic-stream", Title: "Anthropic, stream of 1,000 chunks", Key: "anthropic-stream", Op: func(o *Ops) Op { return o.AnthropicStream }, Chunks: 1000, Goal: 4.5},
		{Name: "gemini", Title: "Gemini, 1 KB answer", Key: "gemini", Op: func(o *Ops) Op { return o.Gemini }, Goal: 1.4},
		{Name: "gemini-stream", Title: "Gemini, stream of 1,000 chunks", Key: "gemini-stream", Op: func(o *Ops) Op { return o.GeminiStream }, Chunks: 1000, Goal: 4.5},
		{Name: "first-chunk", Title: "delay of a stream's first chunk", Key: "first-chunk", Op: stream, Chunks: 32, First: true, Goal: 1.15},
	}
	for _, c := range all {
		if c.In == nil {
			c.In = &Input{Turns: short}
		}
		c.Want = prepared().want[c.Key]
		complete(c)
	}
	return all
})

// holdCase is the request of the open streams.
func holdCase() *Case {
	c := &Case{Name: "hold", Key: "hold", Op: func(o *Ops) Op { return o.ChatStream }, Chunks: 4, In: &Input{Turns: []Turn{{"user", "hi"}}}}
	complete(c)
	return c
}

// complete fills in what follows from the vendor: model, path, and the floor's ready body.
func complete(c *Case) {
	in := c.In
	in.Temperature, in.MaxTokens = 0.2, 4096
	var request any
	switch {
	case strings.HasPrefix(c.Name, "anthropic"):
		in.Model, in.Path = "claude-sonnet-4-5", "/v1/messages"
		request = newAnthropicRequest(in, c.Chunks > 0)
	case strings.HasPrefix(c.Name, "gemini"):
		in.Model, in.Path = "gemini-2.5-flash", "/v1beta/models/gemini-2.5-flash:generateContent"
		if c.Chunks > 0 {
			in.Path = "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
		}
		request = newGeminiRequest(in)
	case in.Texts != nil:
		in.Model, in.Path = "text-embedding-3-small", "/v1/embeddings"
		format := ""
		if c.Name == "embed-base64" {
			format = "base64"
		}
		request = newEmbedRequest(in, format)
	default:
		in.Model, in.Path = "gpt-4o", "/v1/chat/completions"
		request = newChatRequest(in, c.Chunks > 0)
	}
	var err error
	if in.Ready, err = json.Marshal(request); err != nil {
		panic(fmt.Sprintf("case %s: %v", c.Name, err)) // plain structs always encode
	}
}
