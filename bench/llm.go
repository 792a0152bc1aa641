package main

import (
	"context"

	"github.com/llm-go/llm"
	_ "github.com/llm-go/llm/providers/anthropic"
	_ "github.com/llm-go/llm/providers/gemini"
	_ "github.com/llm-go/llm/providers/openai"
)

func init() {
	contestants = append(contestants, Contestant{Name: libraryName, Open: openLLM})
}

// The part of the path that each provider counts to its base URL.
const (
	openAIBase    = "/v1"
	anthropicBase = ""
	geminiBase    = "/v1beta"
)

func openLLM(t Target) (Ops, error) {
	client := func(base string) *llm.Client {
		return llm.New(llm.WithBaseURL(t.URL+base), llm.WithAPIKey("k"), llm.WithHTTPClient(t.HTTP))
	}
	oa, an, ge := client(openAIBase), client(anthropicBase), client(geminiBase)
	embed := func(extra llm.Extra) Op {
		return func(ctx context.Context, in *Input, out *Output) error {
			r, err := oa.Embedding(ctx, &llm.EmbeddingRequest{Model: "openai/" + in.Model, Input: in.Texts, Extra: extra})
			if err != nil {
				return err
			}
			for i, d := range r.Data {
				out.AddVector(len(d.Embedding), float64(d.Embedding[i]))
			}
			return nil
		}
	}
	return Ops{
		Chat:            llmCall(oa, "openai/"),
		ChatStream:      llmStream(oa, "openai/"),
		Embed:           embed(llm.Extra{"encoding_format": "float"}),
		EmbedBase64:     embed(nil), // what it asks for by itself
		Anthropic:       llmCall(an, "anthropic/"),
		AnthropicStream: llmStream(an, "anthropic/"),
		Gemini:          llmCall(ge, "gemini/"),
		GeminiStream:    llmStream(ge, "gemini/"),
	}, nil
}

func llmRequest(provider string, in *Input) *llm.CompletionRequest {
	r := &llm.CompletionRequest{
		Model: provider + in.Model, Temperature: new(in.Temperature), MaxTokens: in.MaxTokens,
		Messages: make([]llm.Message, 0, len(in.Turns)),
	}
	for _, m := range in.Turns {
		switch m.Role {
		case "system":
			r.Messages = append(r.Messages, llm.System(m.Text))
		case "assistant":
			r.Messages = append(r.Messages, llm.Assistant(m.Text))
		default:
			r.Messages = append(r.Messages, llm.User(m.Text))
		}
	}
	for _, f := range in.Tools {
		r.Tools = append(r.Tools, llm.Tool{Type: "function", Function: &llm.FunctionTool{
			Name: f.Name, Description: f.Description, Parameters: f.Schema,
		}})
	}
	return r
}

func llmCall(c *llm.Client, provider string) Op {
	return func(ctx context.Context, in *Input, out *Output) error {
		r, err := c.Completion(ctx, llmRequest(provider, in))
		if err != nil {
			return err
		}
		out.Text = r.Text()
		return nil
	}
}

func llmStream(c *llm.Client, provider string) Op {
	return func(ctx context.Context, in *Input, out *Output) error {
		s, err := c.CompletionStream(ctx, llmRequest(provider, in))
		if err != nil {
			return err
		}
		for chunk, err := range s.All() {
			if err != nil {
				return err
			}
			for i := range chunk.Choices {
				d := &chunk.Choices[i].Delta
				out.AddText(d.Content)
				for j := range d.ToolCalls {
					f := &d.ToolCalls[j]
					out.AddCall(f.Index, f.Function.Name, f.Function.Arguments)
				}
			}
		}
		return nil
	}
}
