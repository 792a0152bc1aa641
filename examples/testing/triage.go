// Package triage is an application that uses a model, and its tests are the example: see triage_test.go.
//
//	go test -v ./examples/testing
package triage

import (
	"context"
	"errors"
	"strings"

	"github.com/llm-go/llm"
	_ "github.com/llm-go/llm/providers/anthropic"
)

// Desk sorts letters to a shop.
type Desk struct {
	// Client is nil in production: the default client, with the key from the environment.
	Client *llm.Client
}

// ErrBusy is returned when the model cannot be asked now; the letter can be given again later.
var ErrBusy = errors.New("triage: try again later")

// Sort returns the department that a letter is for: "orders", "returns", or "people" when the model has no answer of
// these.
func (d *Desk) Sort(ctx context.Context, letter string) (string, error) {
	resp, err := d.Client.Completion(ctx, &llm.CompletionRequest{
		Model: "anthropic/claude-haiku-4-5",
		Messages: []llm.Message{
			llm.System("Say which department the letter is for: orders or returns. Answer with that word alone."),
			llm.User(letter),
		},
		MaxTokens: 10,
	})
	var e *llm.Error
	switch {
	case errors.As(err, &e) && e.Temporary:
		return "", ErrBusy
	case errors.Is(err, llm.ErrContentPolicy):
		return "people", nil
	case err != nil:
		return "", err
	}
	switch answer := strings.ToLower(strings.Trim(resp.Text(), " .\n")); answer {
	case "orders", "returns":
		return answer, nil
	}
	return "people", nil
}
