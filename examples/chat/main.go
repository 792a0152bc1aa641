// Chat is a conversation in the terminal, with any provider.
//
//	go run ./examples/chat -model gemini/gemini-2.5-flash
//
// Answers are shown while they arrive, with what they used, and what they cost where the provider says so. Ctrl-C stops
// an answer; /new begins anew; /quit, Ctrl-D, or Ctrl-C at the prompt, ends the program.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/examples/internal/athand"
)

func main() {
	wanted := flag.String("model", "", `"provider/model"; "llmtest" is the stand-in; default: what is at hand`)
	system := flag.String("system", "", "system message")
	flag.Parse()
	model := athand.Find(context.Background(), os.Stdout, *wanted)

	req := &llm.CompletionRequest{Model: model.Name}
	begin := func() {
		req.Messages = nil
		if *system != "" {
			req.Messages = append(req.Messages, llm.System(*system))
		}
	}
	begin()
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	for prompt(); in.Scan(); prompt() {
		line := strings.TrimSpace(in.Text())
		switch line {
		case "":
			continue
		case "/quit":
			return
		case "/new":
			begin()
			continue
		}
		req.Messages = append(req.Messages, llm.User(line))
		answer, err := ask(model.Client, req)
		if err != nil {
			fmt.Println("\n" + err.Error())
		}
		if answer == nil {
			req.Messages = req.Messages[:len(req.Messages)-1] // nothing came: the question can be asked again
			continue
		}
		req.Messages = append(req.Messages, *answer.Message())
		printUsage(answer)
	}
	fmt.Println()
}

func prompt() { fmt.Print("> ") }

// ask shows an answer while it arrives. Whatever came of it is returned, also beside an error.
func ask(client *llm.Client, req *llm.CompletionRequest) (*llm.CompletionResponse, error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	stream, err := client.CompletionStream(ctx, req)
	if err != nil {
		return nil, err
	}
	var answer llm.Accumulator
	thinking := false
	for chunk, err := range stream.All() {
		if errors.Is(err, context.Canceled) {
			fmt.Print(" [stopped]")
			break
		}
		if err != nil {
			return answer.Response(), err
		}
		answer.Add(chunk)
		if text := chunk.Reasoning(); text != "" {
			if !thinking {
				fmt.Print("(thinking) ")
			}
			thinking = true
			fmt.Print(text)
		}
		if text := chunk.Text(); text != "" {
			if thinking {
				fmt.Print("\n\n")
			}
			thinking = false
			fmt.Print(text)
		}
	}
	return answer.Response(), nil
}

func printUsage(r *llm.CompletionResponse) {
	u := r.Usage
	if u == nil {
		fmt.Print("\n\n")
		return
	}
	fmt.Printf("\n[%d tokens in", u.PromptTokens)
	if d := u.PromptTokensDetails; d != nil && d.CachedTokens > 0 {
		fmt.Printf(" (%d from the cache)", d.CachedTokens)
	}
	fmt.Printf(", %d out", u.CompletionTokens)
	if d := u.CompletionTokensDetails; d != nil && d.ReasoningTokens > 0 {
		fmt.Printf(" (%d of them thinking)", d.ReasoningTokens)
	}
	if u.Cost != "" {
		fmt.Printf(", $%s", u.Cost)
	}
	fmt.Print("]\n\n")
}
