package main

import (
	"context"
	"errors"
	"io"

	"github.com/sashabaranov/go-openai"
)

func openGoOpenAI(t Target) (Ops, error) {
	config := openai.DefaultConfig("k")
	config.BaseURL, config.HTTPClient = t.URL+"/v1", t.HTTP
	client := openai.NewClientWithConfig(config)
	request := func(in *Input) openai.ChatCompletionRequest {
		r := openai.ChatCompletionRequest{Model: in.Model, Temperature: float32(in.Temperature), MaxTokens: in.MaxTokens}
		for _, m := range in.Turns {
			r.Messages = append(r.Messages, openai.ChatCompletionMessage{Role: m.Role, Content: m.Text})
		}
		for _, f := range in.Tools {
			r.Tools = append(r.Tools, openai.Tool{Type: openai.ToolTypeFunction, Function: &openai.FunctionDefinition{
				Name: f.Name, Description: f.Description, Parameters: f.Schema,
			}})
		}
		return r
	}
	embed := func(format openai.EmbeddingEncodingFormat) Op {
		return func(ctx context.Context, in *Input, out *Output) error {
			r, err := client.CreateEmbeddings(ctx, openai.EmbeddingRequest{
				Model: openai.EmbeddingModel(in.Model), Input: in.Texts, EncodingFormat: format,
			})
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
		Chat: func(ctx context.Context, in *Input, out *Output) error {
			r, err := client.CreateChatCompletion(ctx, request(in))
			if err != nil {
				return err
			}
			out.Text = r.Choices[0].Message.Content
			return nil
		},
		ChatStream: func(ctx context.Context, in *Input, out *Output) error {
			req := request(in)
			req.StreamOptions = &openai.StreamOptions{IncludeUsage: true}
			s, err := client.CreateChatCompletionStream(ctx, req)
			if err != nil {
				return err
			}
			defer s.Close()
			for {
				c, err := s.Recv()
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err != nil {
					return err
				}
				for i := range c.Choices {
					d := &c.Choices[i].Delta
					out.AddText(d.Content)
					for _, tc := range d.ToolCalls {
						out.AddCall(*tc.Index, tc.Function.Name, tc.Function.Arguments)
					}
				}
			}
		},
		Embed:       embed(""),
		EmbedBase64: embed(openai.EmbeddingEncodingFormatBase64),
	}, nil
}
