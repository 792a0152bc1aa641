package main

import (
	"context"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

func openOpenAIGo(t Target) (Ops, error) {
	client := openai.NewClient(option.WithBaseURL(t.URL+"/v1/"), option.WithAPIKey("k"), option.WithHTTPClient(t.HTTP))
	params := func(in *Input) openai.ChatCompletionNewParams {
		p := openai.ChatCompletionNewParams{Model: in.Model, Temperature: openai.Float(in.Temperature)}
		if in.MaxTokens > 0 {
			p.MaxTokens = openai.Int(int64(in.MaxTokens))
		}
		for _, m := range in.Turns {
			switch m.Role {
			case "system":
				p.Messages = append(p.Messages, openai.SystemMessage(m.Text))
			case "assistant":
				p.Messages = append(p.Messages, openai.AssistantMessage(m.Text))
			default:
				p.Messages = append(p.Messages, openai.UserMessage(m.Text))
			}
		}
		for _, f := range in.Tools {
			p.Tools = append(p.Tools, openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
				Name: f.Name, Description: openai.String(f.Description), Parameters: f.Schema,
			}))
		}
		return p
	}
	return Ops{
		Chat: func(ctx context.Context, in *Input, out *Output) error {
			r, err := client.Chat.Completions.New(ctx, params(in))
			if err != nil {
				return err
			}
			out.Text = r.Choices[0].Message.Content
			return nil
		},
		ChatStream: func(ctx context.Context, in *Input, out *Output) error {
			p := params(in)
			p.StreamOptions.IncludeUsage = openai.Bool(true)
			s := client.Chat.Completions.NewStreaming(ctx, p)
			defer s.Close()
			for s.Next() {
				c := s.Current()
				for i := range c.Choices {
					d := &c.Choices[i].Delta
					out.AddText(d.Content)
					for _, tc := range d.ToolCalls {
						out.AddCall(int(tc.Index), tc.Function.Name, tc.Function.Arguments)
					}
				}
			}
			return s.Err()
		},
		Embed: func(ctx context.Context, in *Input, out *Output) error {
			r, err := client.Embeddings.New(ctx, openai.EmbeddingNewParams{
				Model: in.Model, Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: in.Texts},
			})
			if err != nil {
				return err
			}
			for i, d := range r.Data {
				out.AddVector(len(d.Embedding), d.Embedding[i])
			}
			return nil
		},
	}, nil
}
