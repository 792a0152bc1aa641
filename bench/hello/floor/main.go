// The smallest program that makes a chat call with the standard library alone.
package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
)

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

func main() {
	body, err := json.Marshal(map[string]any{"model": "gpt-4o", "messages": []message{{"user", "hi"}}})
	if err != nil {
		fail(err)
	}
	req, err := http.NewRequest(http.MethodPost, os.Args[1]+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		fail(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer k")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fail(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Choices []struct {
			Message message `json:"message"`
		} `json:"choices"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		fail(err)
	}
	slog.Info("answer", "text", answer.Choices[0].Message.Content)
}

func fail(err error) {
	slog.Error("failed", "err", err)
	os.Exit(1)
}
