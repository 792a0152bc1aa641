package main

import (
	"context"

	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/anthropic"
	"github.com/tmc/langchaingo/llms/openai"
)

// openLangchain leaves Gemini out: that package stands on the gRPC-generated clients of Google's cloud, speaks
// another framing than alt=sse, and would be most of what this program compiles.
func openLangchain(t Target) (Ops, error) {
	oa, err := openai.New(openai.WithToken("k"), openai.WithBaseURL(t.URL+"/v1"), openai.WithHTTPClient(t.HTTP),
		openai.WithModel("gpt-4o"), openai.WithEmbeddingModel("text-embedding-3-small"))
	if err != nil {
		return Ops{}, err
	}
	an, err := anthropic.New(anthropic.WithToken("k"), anthropic.WithBaseURL(t.URL+"/v1"), anthropic.WithHTTPClient(t.HTTP))
	if err != nil {
		return Ops{}, err
	}
	return Ops{
		Chat:       langchainCall(oa),
		ChatStream: langchainStream(oa),
		Embed: func(ctx context.Context, in *Input, out *Output) error {
			vs, err := oa.CreateEmbedding(ctx, in.Texts)
			if err != nil {
				return err
			}
			for i, v := range vs {
				out.AddVector(len(v), float64(v[i]))
			}
			return nil
		},
		Anthropic:       langchainCall(an),
		AnthropicStream: langchainStream(an),
	}, nil
}

func langchainInput(in *Input) ([]llms.MessageContent, []llms.CallOption) {
	msgs := make([]llms.MessageContent, 0, len(in.Turns))
	for _, m := range in.Turns {
		role := llms.ChatMessageTypeHuman
		switch m.Role {
		case "system":
			role = llms.ChatMessageTypeSystem
		case "assistant":
			role = llms.ChatMessageTypeAI
		}
		msgs = append(msgs, llms.TextParts(role, m.Text))
	}
	opts := []llms.CallOption{llms.WithModel(in.Model), llms.WithTemperature(in.Temperature), llms.WithMaxTokens(in.MaxTokens)}
	var tools []llms.Tool
	for _, f := range in.Tools {
		tools = append(tools, llms.Tool{Type: "function", Function: &llms.FunctionDefinition{
			Name: f.Name, Description: f.Description, Parameters: f.Schema,
		}})
	}
	if tools != nil {
		opts = append(opts, llms.WithTools(tools))
	}
	return msgs, opts
}

func langchainCall(m llms.Model) Op {
	return func(ctx context.Context, in *Input, out *Output) error {
		msgs, opts := langchainInput(in)
		r, err := m.GenerateContent(ctx, msgs, opts...)
		if err != nil {
			return err
		}
		out.Text = r.Choices[0].Content
		return nil
	}
}

func langchainStream(m llms.Model) Op {
	return func(ctx context.Context, in *Input, out *Output) error {
		msgs, opts := langchainInput(in)
		r, err := m.GenerateContent(ctx, msgs, append(opts, llms.WithStreamingFunc(func(_ context.Context, chunk []byte) error {
			if len(in.Tools) == 0 { // with tools a chunk is the delta's JSON; the calls are folded below
				out.AddText(string(chunk))
			}
			return nil
		}))...)
		if err != nil {
			return err
		}
		for i, c := range r.Choices[0].ToolCalls {
			out.AddCall(i, c.FunctionCall.Name, c.FunctionCall.Arguments)
		}
		return nil
	}
}
