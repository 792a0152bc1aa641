// Quickstart asks one question of whatever model is at hand, and shows the answer while it arrives.
//
//	go run ./examples/quickstart
//	go run ./examples/quickstart -model anthropic/claude-haiku-4-5 "What is a channel?"
//
// It takes the first provider whose key is in the environment (OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY …),
// else a model server on this machine (Ollama, LM Studio, llama.cpp, vLLM), else a stand-in inside the program.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/examples/internal/athand"
	"github.com/llm-go/llm/llmtest"
)

func main() {
	log.SetFlags(0)
	wanted := flag.String("model", "", `"provider/model"; "llmtest" is the stand-in; default: what is at hand`)
	flag.Parse()
	question := strings.Join(flag.Args(), " ")
	if question == "" {
		question = "In one sentence: what is a goroutine?"
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	model := athand.Find(ctx, os.Stdout, *wanted, llmtest.Text("A goroutine is a function that the Go runtime runs beside others, cheap enough to have a million of them."))

	start := time.Now()
	stream, err := model.Client.CompletionStream(ctx, &llm.CompletionRequest{
		Model:    model.Name,
		Messages: []llm.Message{llm.User(question)},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("> %s\n", question)
	var usage *llm.Usage
	for chunk, err := range stream.All() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(chunk.Text())
		if chunk.Usage != nil {
			usage = chunk.Usage
		}
	}
	fmt.Printf("\n\n%s, %.2f s", stream.Meta().Model, time.Since(start).Seconds())
	if usage != nil {
		fmt.Printf(", %d tokens in, %d out", usage.PromptTokens, usage.CompletionTokens)
	}
	fmt.Println()
}
