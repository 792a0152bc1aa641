// Custom-provider adds a provider that the library does not know, in under 60 lines: see provider.go. Retries,
// timeouts, errors, streams that prove their end, callbacks: all of it works as for the built-in ones.
//
//	go run ./examples/custom-provider
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/llm-go/llm"
)

func main() {
	log.SetFlags(0)
	host := httptest.NewServer(http.HandlerFunc(serve))
	defer host.Close()
	client := llm.New(llm.WithProvider(parrot), llm.WithBaseURL(host.URL), llm.WithAPIKey("seeds"))
	req := &llm.CompletionRequest{Model: "parrot/ara", Messages: []llm.Message{llm.User("Polly wants a cracker")}}
	ctx := context.Background()

	resp, err := client.Completion(ctx, req)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Text())

	stream, err := client.CompletionStream(ctx, req)
	if err != nil {
		log.Fatal(err)
	}
	for chunk, err := range stream.All() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(chunk.Text())
	}
	fmt.Println()
}
