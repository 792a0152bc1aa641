package main

import (
	"context"

	"github.com/mozilla-ai/any-llm-go/config"
	"github.com/mozilla-ai/any-llm-go/providers"
	"github.com/mozilla-ai/any-llm-go/providers/anthropic"
	"github.com/mozilla-ai/any-llm-go/providers/gemini"
	"github.com/mozilla-ai/any-llm-go/providers/openai"
	"google.golang.org/genai"
)

func openAnyLLM(t Target) (Ops, error) {
	oa, err := openai.New(config.WithAPIKey("k"), config.WithBaseURL(t.URL+"/v1/"), config.WithHTTPClient(t.HTTP))
	if err != nil {
		return Ops{}, err
	}
	ops := Ops{
		Chat:       anyLLMCall(oa),
		ChatStream: anyLLMStream(oa),
		Embed: func(ctx context.Context, in *Input, out *Output) error {
			r, err := oa.Embedding(ctx, providers.EmbeddingParams{Model: in.Model, Input: in.Texts})
			if err != nil {
				return err
			}
			for i, d := range r.Data {
				out.AddVector(len(d.Embedding), d.Embedding[i])
			}
			return nil
		},
	}
	if t.Socket { // its Anthropic provider takes no HTTP client
		an, err := anthropic.New(config.WithAPIKey("k"), config.WithBaseURL(t.URL+"/"))
		if err != nil {
			return Ops{}, err
		}
		ops.Anthropic, ops.AnthropicStream = anyLLMCall(an), anyLLMStream(an)
	}
	// Its Gemini provider takes no base URL; the SDK under it does.
	genai.SetDefaultBaseURLs(genai.BaseURLParameters{GeminiURL: t.URL + "/"})
	ge, err := gemini.New(config.WithAPIKey("k"), config.WithHTTPClient(t.HTTP))
	if err != nil {
		return Ops{}, err
	}
	ops.Gemini, ops.GeminiStream = anyLLMCall(ge), anyLLMStream(ge)
	return ops, nil
}

func anyLLMParams(in *Input) providers.CompletionParams {
	p := providers.CompletionParams{Model: in.Model, Temperature: new(in.Temperature)}
	if in.MaxTokens > 0 {
		p.MaxTokens = new(in.MaxTokens)
	}
	for _, m := range in.Turns {
		p.Messages = append(p.Messages, providers.Message{Role: m.Role, Content: m.Text})
	}
	for _, f := range in.Tools {
		p.Tools = append(p.Tools, providers.Tool{Type: "function", Function: providers.Function{
			Name: f.Name, Description: f.Description, Parameters: f.Schema,
		}})
	}
	return p
}

func anyLLMCall(p providers.Provider) Op {
	return func(ctx context.Context, in *Input, out *Output) error {
		r, err := p.Completion(ctx, anyLLMParams(in))
		if err != nil {
			return err
		}
		out.Text = r.Choices[0].Message.ContentString()
		return nil
	}
}

func anyLLMStream(p providers.Provider) Op {
	return func(ctx context.Context, in *Input, out *Output) error {
		params := anyLLMParams(in)
		params.Stream, params.StreamOptions = true, &providers.StreamOptions{IncludeUsage: true}
		chunks, errs := p.CompletionStream(ctx, params)
		call := -1
		for c := range chunks {
			for i := range c.Choices {
				d := &c.Choices[i].Delta
				out.AddText(d.Content)
				for _, tc := range d.ToolCalls {
					if tc.ID != "" { // it has no index: a call begins where an id comes
						call++
					}
					out.AddCall(call, tc.Function.Name, tc.Function.Arguments)
				}
			}
		}
		return <-errs
	}
}
