// The smallest program that makes a chat call with this library and one provider.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/llm-go/llm"
	_ "github.com/llm-go/llm/providers/openai"
)

func main() {
	resp, err := llm.Completion(context.Background(),
		&llm.CompletionRequest{Model: "openai/gpt-4o", Messages: []llm.Message{llm.User("hi")}},
		llm.WithBaseURL(os.Args[1]+"/v1"), llm.WithAPIKey("k"))
	if err != nil {
		slog.Error("failed", "err", err)
		os.Exit(1)
	}
	slog.Info("answer", "text", resp.Text())
}
