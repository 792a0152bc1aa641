package llm_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/llmtest"
	_ "github.com/llm-go/llm/providers/all"
)

var ctx = context.Background()

// The examples run as they are read: their providers are pointed, by the environment variables that callers have as
// well, at a server in this process.
func init() {
	srv, err := llmtest.Start()
	if err != nil {
		log.Fatal(err)
	}
	for provider, prefix := range map[string]string{"openai": "OPENAI", "anthropic": "ANTHROPIC"} {
		os.Setenv(prefix+"_BASE_URL", srv.BaseURL(provider))
		os.Setenv(prefix+"_API_KEY", llmtest.Key)
	}
	srv.Handle(func(r llmtest.Request) llmtest.Answer {
		result, called := r.ToolResult()
		switch text := r.LastUserText(); {
		case called:
			return llmtest.Text("Take an umbrella: " + result + ".")
		case strings.Contains(text, "umbrella"):
			return llmtest.ToolCall("weather", `{"city":"Oslo"}`)
		case strings.Contains(text, "capital"):
			return llmtest.Text("Paris.")
		case strings.Contains(text, "Count"):
			return llmtest.Text("One, two, three.")
		case strings.Contains(text, "planets"):
			return llmtest.Text(`{"value":[{"name":"Mercury","moons":0},{"name":"Earth","moons":1}]}`)
		case strings.Contains(text, "picture"):
			return llmtest.Text("A cat on a mat.")
		case strings.HasPrefix(text, "word"):
			return llmtest.Error(400, "This model's maximum context length is 400000 tokens. However, your messages resulted in 500000 tokens.")
		}
		return llmtest.Answer{}
	})
}

func ExampleCompletion() {
	resp, err := llm.Completion(ctx, &llm.CompletionRequest{
		Model:       "openai/gpt-4.1-mini",
		Messages:    []llm.Message{llm.System("Be brief."), llm.User("What is the capital of France?")},
		Temperature: new(0.0), // a pointer where zero means something
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Text())
	// Output: Paris.
}

func ExampleCompletionStream() {
	stream, err := llm.CompletionStream(ctx, &llm.CompletionRequest{
		Model:    "anthropic/claude-haiku-4-5",
		Messages: []llm.Message{llm.User("Count to three.")},
	})
	if err != nil {
		log.Fatal(err) // nothing was generated yet
	}
	for chunk, err := range stream.All() {
		if err != nil {
			log.Fatal(err) // what had come is in the *llm.Error's Partial
		}
		fmt.Print(chunk.Text())
	}
	// Output: One, two, three.
}

func ExampleRunTools() {
	type Place struct {
		City string `json:"city" jsonschema:"the city's name, without its country"`
	}
	weather := llm.NewTool("weather", "The weather of a city, now.",
		func(ctx context.Context, in Place) (string, error) { return in.City + " has rain", nil })

	run, err := llm.RunTools(ctx, &llm.CompletionRequest{
		Model:    "anthropic/claude-haiku-4-5",
		Messages: []llm.Message{llm.User("Do I need an umbrella in Oslo?")},
	}, llm.ToolLoop{Tools: []*llm.FuncTool{weather}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(run.Response.Text())
	// Output: Take an umbrella: Oslo has rain.
}

func ExampleCompletionAs() {
	type Planet struct {
		Name  string `json:"name"`
		Moons int    `json:"moons"`
	}
	planets, _, err := llm.CompletionAs[[]Planet](ctx, &llm.CompletionRequest{
		Model:    "openai/gpt-5-mini",
		Messages: []llm.Message{llm.User("Two planets and their moons.")},
	})
	if err != nil {
		log.Fatal(err) // llm.ErrSchema if the answer does not match the type
	}
	fmt.Println(planets)
	// Output: [{Mercury 0} {Earth 1}]
}

func ExampleImageDataPart() {
	png := []byte("\x89PNG\r\n\x1a\n…")
	resp, err := llm.Completion(ctx, &llm.CompletionRequest{
		Model:    "openai/gpt-5-mini",
		Messages: []llm.Message{llm.User("What is in this picture?", llm.ImageDataPart("image/png", png))},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Text())
	// Output: A cat on a mat.
}

func ExampleEmbedding() {
	resp, err := llm.Embedding(ctx, &llm.EmbeddingRequest{
		Model: "openai/text-embedding-3-small",
		Input: []string{"the cat sat on the mat", "a cat on a mat", "interest rates rose"},
	})
	if err != nil {
		log.Fatal(err)
	}
	near := func(a, b []float32) (sum float32) {
		for i := range a {
			sum += a[i] * b[i]
		}
		return sum
	}
	cat, mat, rates := resp.Data[0].Embedding, resp.Data[1].Embedding, resp.Data[2].Embedding
	fmt.Println(near(cat, mat) > near(cat, rates))
	// Output: true
}

func ExampleError() {
	resp, err := llm.Completion(ctx, &llm.CompletionRequest{
		Model:    "openai/gpt-5-mini",
		Messages: []llm.Message{llm.User(strings.Repeat("word ", 500_000))},
	},
		llm.WithTimeout(30*time.Second), // the whole call, retries and waits included
		llm.WithMaxAttempts(5))          // temporary failures are tried again
	var e *llm.Error
	switch {
	case err == nil:
		fmt.Println(resp.Text())
	case errors.Is(err, llm.ErrContextWindow):
		fmt.Println("shorten the prompt")
	case errors.Is(err, llm.ErrAuthentication):
		fmt.Println("check the key")
	case errors.As(err, &e) && e.Temporary:
		fmt.Println("try again later", e.RetryAfter)
	default:
		fmt.Println(err)
	}
	// Output: shorten the prompt
}

func Example_testing() {
	srv, err := llmtest.Start() // in a test: llmtest.NewServer(t)
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	srv.Fault(llmtest.Status(503)) // the first try fails, as if the host were overloaded
	srv.Reply(llmtest.Text("Hello, Ada."))

	client := srv.Client() // what the application is given instead of llm.Default()
	resp, err := client.Completion(ctx, &llm.CompletionRequest{
		Model:    "anthropic/claude-haiku-4-5",
		Messages: []llm.Message{llm.User("Greet Ada.")},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Text(), len(srv.Requests()), "requests")
	// Output: Hello, Ada. 2 requests
}
