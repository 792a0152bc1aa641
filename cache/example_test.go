package cache_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/cache"
	"github.com/llm-go/llm/llmtest"
	_ "github.com/llm-go/llm/providers/all"
)

var (
	ctx      = context.Background()
	question = &llm.CompletionRequest{Model: "openai/gpt-4.1-mini", Messages: []llm.Message{llm.User("What is the capital of France?")}}
)

// server is a provider in this process, so that the examples run as they are read.
func server(answers ...llmtest.Answer) *llmtest.Server {
	srv, err := llmtest.Start()
	if err != nil {
		log.Fatal(err)
	}
	srv.Reply(answers...)
	os.Setenv("OPENAI_BASE_URL", srv.BaseURL("openai"))
	os.Setenv("OPENAI_API_KEY", llmtest.Key)
	return srv
}

// The second call is answered from memory, as a stream because it asks for one.
func Example() {
	srv := server(llmtest.Text("Paris."))
	defer srv.Close()

	c, err := cache.New(cache.Config{TTL: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	client := llm.New(llm.WithMiddleware(c.Middleware))

	resp, err := client.Completion(ctx, question)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Text(), resp.Meta.Cache != nil)

	s, err := client.CompletionStream(ctx, question)
	if err != nil {
		log.Fatal(err)
	}
	for chunk, err := range s.All() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(chunk.Text())
	}
	fmt.Println("", s.Meta().Cache != nil)
	fmt.Println(len(srv.Requests()), "request")
	// Output:
	// Paris. false
	// Paris. true
	// 1 request
}

// Calls say how old an answer may be, how long it is kept, and whether the cache has a part in them at all.
func Example_options() {
	srv := server(llmtest.Text("one"), llmtest.Text("two"), llmtest.Text("three"))
	defer srv.Close()
	c, err := cache.New(cache.Config{})
	if err != nil {
		log.Fatal(err)
	}
	client := llm.New(llm.WithMiddleware(c.Middleware))
	say := func(opts ...llm.Option) {
		resp, err := client.Completion(ctx, question, opts...)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(resp.Text())
	}

	say(cache.WithTTL(24 * time.Hour))
	say(cache.MaxAge(time.Minute))
	say(cache.NoCache())                   // a fresh answer, in the place of the old one
	say(cache.NoCache(), cache.NoStore())  // as if there were no cache
	say(cache.WithNamespace("experiment")) // another place
	say()
	// Output:
	// one
	// one
	// two
	// three
	// three
	// two
}

// The answers of one tenant are not given to another.
func ExampleConfig_tenant() {
	srv := server(llmtest.Text("for Ada"), llmtest.Text("for Bob"))
	defer srv.Close()
	c, err := cache.New(cache.Config{
		Tenant: func(call *llm.Call) string { team, _ := call.Metadata()["team"].(string); return team },
	})
	if err != nil {
		log.Fatal(err)
	}
	client := llm.New(llm.WithMiddleware(c.Middleware))
	for _, team := range []string{"ada", "bob", "ada"} {
		resp, err := client.Completion(ctx, question, llm.WithMetadata(map[string]any{"team": team}))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(resp.Text())
	}
	// Output:
	// for Ada
	// for Bob
	// for Ada
}

// Answers on disk outlive the program.
func ExampleOpenDisk() {
	srv := server(llmtest.Text("Paris."))
	defer srv.Close()
	dir, err := os.MkdirTemp("", "answers")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	for range 2 { // as two runs of a program would
		store, err := cache.OpenDisk(cache.DiskConfig{Dir: dir, MaxBytes: 100 << 20})
		if err != nil {
			log.Fatal(err)
		}
		c, err := cache.New(cache.Config{Store: store})
		if err != nil {
			log.Fatal(err)
		}
		resp, err := llm.New(llm.WithMiddleware(c.Middleware)).Completion(ctx, question)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(resp.Text())
	}
	fmt.Println(len(srv.Requests()), "request")
	// Output:
	// Paris.
	// Paris.
	// 1 request
}

// A question that means the same gets the same answer. The vectors come from a model.
func ExampleSemantic() {
	srv := server(llmtest.Text("Paris."))
	defer srv.Close()
	c, err := cache.New(cache.Config{
		Semantic: &cache.Semantic{
			Embed:     cache.Embedder(llm.Default(), "openai/text-embedding-3-small"),
			Threshold: 0.9,
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	client := llm.New(llm.WithMiddleware(c.Middleware))
	resp, err := client.Completion(ctx, question)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Text())
	// Output: Paris.
}

// Long prompts are marked for the provider's own cache, where that pays.
func ExamplePromptCaching() {
	srv := server(llmtest.Text("Noted."))
	defer srv.Close()
	client := llm.New(llm.WithMiddleware(cache.PromptCaching{TTL: "1h"}.Middleware),
		llm.WithBaseURL(srv.BaseURL("anthropic")), llm.WithAPIKey(llmtest.Key))
	handbook := strings.Repeat("All that the assistant must know. ", 200)
	_, err := client.Completion(ctx, &llm.CompletionRequest{
		Model:    "anthropic/claude-sonnet-4-5",
		Messages: []llm.Message{llm.System(handbook), llm.User("Is there a rule about holidays?")},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.Count(string(srv.Requests()[0].Body), `"cache_control":{"type":"ephemeral","ttl":"1h"}`), "mark")
	// Output: 1 mark
}
