// Responses makes calls in the form of OpenAI's Responses API. Every chat provider answers them: where the API is not
// native, the call is translated to a completion and back.
//
//	go run ./examples/responses -model anthropic/claude-haiku-4-5
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/examples/internal/athand"
	"github.com/llm-go/llm/llmtest"
)

func main() {
	log.SetFlags(0)
	wanted := flag.String("model", "", `"provider/model"; "llmtest" is the stand-in; default: what is at hand`)
	flag.Parse()
	ctx := context.Background()
	model := athand.Find(ctx, os.Stdout, *wanted, llmtest.Text("Paris."), llmtest.Text("About two million people live there."))

	req := &llm.ResponsesRequest{
		Model:        model.Name,
		Instructions: "Answer in one short sentence.",
		Input:        []llm.ResponsesItem{llm.InputText("What is the capital of France?")},
		Store:        new(false), // keep nothing at the provider: the conversation is ours
	}
	first, err := model.Client.Responses(ctx, req)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(first.OutputText())

	// The answer's items go back as they came, reasoning included.
	req.Input = append(req.Input, first.Output...)
	req.Input = append(req.Input, llm.InputText("How many people live there?"))
	stream, err := model.Client.ResponsesStream(ctx, req)
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range stream.All() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(event.TextDelta())
	}
	fmt.Println()
}
