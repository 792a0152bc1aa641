package tokens

import (
	"context"
	"errors"

	"github.com/llm-go/llm"
)

// Exact asks the provider how many tokens the input has, where it offers that ([llm.Client.CountTokens]); its answer
// costs a call, but no tokens. Where it does not, the count is [Request]'s; Source says which one it is. A call that
// fails for another reason is an error, beside which the estimate is returned.
//
// ResponseFormat is no part of what providers count. client may be nil, for the default one.
func Exact(ctx context.Context, client *llm.Client, req *llm.CompletionRequest, opts ...llm.Option) (Count, error) {
	if req == nil {
		return Count{}, llm.InvalidRequest("request", "the request is nil")
	}
	if client == nil {
		client = llm.Default()
	}
	resp, err := client.CountTokens(ctx, &llm.CountTokensRequest{
		Model: req.Model, Messages: req.Messages, Tools: req.Tools, ToolChoice: req.ToolChoice, Thinking: req.Thinking,
	}, opts...)
	if err == nil {
		n := resp.InputTokens
		return Count{Tokens: n, Low: n, High: n, Source: SourceProvider}, nil
	}
	if errors.Is(err, llm.ErrUnsupported) {
		err = nil
	}
	return Request(req), err
}
