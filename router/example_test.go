package router_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/llmtest"
	_ "github.com/llm-go/llm/providers/all"
	"github.com/llm-go/llm/router"
)

var (
	ctx        = context.Background()
	key1, key2 = llmtest.Key, llmtest.Key
	question   = []llm.Message{llm.User("What is the capital of France?")}
)

// The examples run as they are read: their providers are servers in this process.
func init() {
	srv := server(llmtest.Text("Paris."))
	for provider, prefix := range map[string]string{"openai": "OPENAI", "anthropic": "ANTHROPIC"} {
		os.Setenv(prefix+"_BASE_URL", srv.BaseURL(provider))
		os.Setenv(prefix+"_API_KEY", llmtest.Key)
	}
}

// server is a provider that gives these answers.
func server(answers ...llmtest.Answer) *llmtest.Server {
	srv, err := llmtest.Start()
	if err != nil {
		log.Fatal(err)
	}
	srv.Reply(answers...)
	return srv
}

// one makes a router and a client that uses it.
func one(c router.Config) (*router.Router, *llm.Client) {
	rt, err := router.New(c)
	if err != nil {
		log.Fatal(err)
	}
	return rt, llm.New(llm.WithMiddleware(rt.Middleware))
}

// Two keys of one provider and a second provider stand under one name, and another model for when all of them fail.
func ExampleNew() {
	rt, err := router.New(router.Config{
		Deployments: []router.Deployment{
			{Group: "chat", Model: "openai/gpt-4.1-mini", Keys: []string{key1, key2}, RPM: 500},
			{Group: "chat", Model: "anthropic/claude-haiku-4-5", RPM: 1000},
			{Group: "large", Model: "openai/gpt-4.1"},
		},
		Fallbacks: map[string][]string{"chat": {"large"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	client := llm.New(llm.WithMiddleware(rt.Middleware))

	resp, err := client.Completion(ctx, &llm.CompletionRequest{
		Model:    "chat",
		Messages: []llm.Message{llm.User("What is the capital of France?")},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Text())
	// Output: Paris.
}

// When a group fails, its fallbacks answer. The attempts of the answer tell the way.
func Example_fallbacks() {
	down, up := server(), server(llmtest.Text("Paris."))
	defer down.Close()
	defer up.Close()
	down.FaultAlways(llmtest.Status(503))

	_, client := one(router.Config{
		Deployments: []router.Deployment{
			{ID: "primary", Group: "chat", Model: "openai/gpt-4.1-mini", Options: down.Options()},
			{ID: "spare", Group: "small", Model: "anthropic/claude-haiku-4-5", Options: up.Options()},
		},
		Fallbacks: map[string][]string{"chat": {"small"}},
	})
	resp, err := client.Completion(ctx, &llm.CompletionRequest{Model: "chat", Messages: question})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Text())
	for _, a := range resp.Meta.Attempts {
		fmt.Println(a.Route.Deployment, a.Status, a.Route.Reason)
	}
	// Output:
	// Paris.
	// primary 503 shuffle
	// spare 200 fallback
}

// A key that is refused is left out alone: the call goes on with the next, and later calls do not try it again.
func Example_keys() {
	srv := server(llmtest.Text("Paris."))
	defer srv.Close()
	srv.Fault(llmtest.Status(401)) // for the key that comes first

	rt, client := one(router.Config{
		Deployments: []router.Deployment{
			{Group: "chat", Model: "openai/gpt-4.1-mini", Keys: []string{key1, key2}, Options: srv.Options()},
		},
	})
	for range 3 {
		resp, err := client.Completion(ctx, &llm.CompletionRequest{Model: "chat", Messages: question})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(resp.Text(), len(resp.Meta.Attempts))
	}
	d := rt.Snapshot().Groups[0].Deployments[0]
	fmt.Println(d.KeysOut, "of", d.Keys, "keys is out, and the deployment is", d.State)
	// Output:
	// Paris. 2
	// Paris. 1
	// Paris. 1
	// 1 of 2 keys is out, and the deployment is ready
}

// The calls of a session stay with the deployment that has their prompt in its cache.
func Example_session() {
	_, client := one(router.Config{
		Deployments: []router.Deployment{
			{ID: "east", Group: "chat", Model: "openai/gpt-4.1-mini"},
			{ID: "west", Group: "chat", Model: "openai/gpt-4.1-mini"},
			{ID: "north", Group: "chat", Model: "openai/gpt-4.1-mini"},
		},
	})
	var went []string
	for range 10 {
		resp, err := client.Completion(ctx, &llm.CompletionRequest{Model: "chat", Messages: question},
			router.WithSession("conversation-17"))
		if err != nil {
			log.Fatal(err)
		}
		went = append(went, resp.Meta.Attempts[0].Route.Deployment)
	}
	slices.Sort(went)
	fmt.Println(len(slices.Compact(went)), "deployment served the session")
	// Output: 1 deployment served the session
}

// Each user may make two calls a minute, whatever the deployments could take.
func Example_limits() {
	_, client := one(router.Config{
		Deployments: []router.Deployment{{Group: "chat", Model: "openai/gpt-4.1-mini", RPM: 1000}},
		Limits: func(call *llm.Call) []router.Limit {
			user, _ := call.Metadata()["user"].(string)
			return []router.Limit{{Key: "user:" + user, RPM: 2}}
		},
		Queue: router.Queue{Max: -1}, // refuse, and do not wait until there is room
	})
	for _, user := range []string{"ada", "ada", "ada", "bob"} {
		_, err := client.Completion(ctx, &llm.CompletionRequest{Model: "chat", Messages: question},
			llm.WithMetadata(map[string]any{"user": user}))
		var e *llm.Error
		switch {
		case err == nil:
			fmt.Println(user, "is answered")
		case errors.Is(err, llm.ErrRateLimit) && errors.As(err, &e):
			fmt.Println(user, "has to wait", e.RetryAfter.Round(time.Minute))
		default:
			log.Fatal(err)
		}
	}
	// Output:
	// ada is answered
	// ada is answered
	// ada has to wait 1m0s
	// bob is answered
}

// A strategy of one's own is a function over the deployments that can take the call.
func Example_custom() {
	nearest := router.Custom("nearest", func(candidates []router.Candidate) int {
		return max(0, slices.IndexFunc(candidates, func(c router.Candidate) bool { return strings.HasPrefix(c.Region, "eu-") }))
	})
	_, client := one(router.Config{
		Deployments: []router.Deployment{
			{ID: "east", Group: "chat", Model: "openai/gpt-4.1-mini", Region: "us-east-1"},
			{ID: "frankfurt", Group: "chat", Model: "openai/gpt-4.1-mini", Region: "eu-central-1"},
		},
		Strategy: nearest,
	})
	resp, err := client.Completion(ctx, &llm.CompletionRequest{Model: "chat", Messages: question})
	if err != nil {
		log.Fatal(err)
	}
	route := resp.Meta.Attempts[0].Route
	fmt.Println(route.Deployment, "by", route.Reason)
	// Output: frankfurt by nearest
}

// A call that is slow to begin is sent a second time, elsewhere, and the first answer is taken. What is slow is learnt
// from the calls before: there is no second before 20 of them.
func Example_hedge() {
	first, second := server(), server(llmtest.Text("Paris."))
	defer first.Close()
	defer second.Close()

	_, client := one(router.Config{
		Deployments: []router.Deployment{
			{ID: "first", Group: "chat", Model: "openai/gpt-4.1-mini", Options: first.Options()},
			{ID: "second", Group: "chat", Model: "openai/gpt-4.1-mini", Options: second.Options()},
		},
		Strategy: router.InOrder,
		Hedge:    &router.Hedge{MinDelay: 20 * time.Millisecond},
	})
	for range 30 {
		if _, err := client.Completion(ctx, &llm.CompletionRequest{Model: "chat", Messages: question}); err != nil {
			log.Fatal(err)
		}
	}
	first.Handle(func(llmtest.Request) llmtest.Answer { return llmtest.Answer{Text: "Lyon?", Latency: time.Minute} })

	resp, err := client.Completion(ctx, &llm.CompletionRequest{Model: "chat", Messages: question})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Text())
	// Output: Paris.
}

// A snapshot is how the router stands, for a page or a log. It prints as a table.
func ExampleRouter_Snapshot() {
	down, up := server(), server()
	defer down.Close()
	defer up.Close()
	down.FaultAlways(llmtest.Status(500))

	rt, client := one(router.Config{
		Deployments: []router.Deployment{
			{ID: "east", Group: "chat", Model: "openai/gpt-4.1-mini", Options: down.Options()},
			{ID: "west", Group: "chat", Model: "openai/gpt-4.1-mini", Options: up.Options()},
		},
		Strategy: router.InOrder,
	})
	for range 5 { // the third failure in a row puts east out
		if _, err := client.Completion(ctx, &llm.CompletionRequest{Model: "chat", Messages: question}); err != nil {
			log.Fatal(err)
		}
	}
	for _, g := range rt.Snapshot().Groups {
		for _, d := range g.Deployments {
			fmt.Println(g.Name, d.ID, d.State, d.Reason, d.Totals.Calls, "calls,", d.Totals.Failures, "failed")
		}
	}
	// Output:
	// chat east cooling server 3 calls, 3 failed
	// chat west ready  5 calls, 0 failed
}

// A stream that breaks off in the middle goes on at another deployment, if the call has agreed to that. A marker
// stands where the answer begins anew.
func ExampleWithResume() {
	first, second := server(llmtest.Answer{Chunks: []string{"One, ", "two, ", "three."}}), server(llmtest.Text("One, two, three."))
	defer first.Close()
	defer second.Close()
	first.Fault(llmtest.NoLastChunk) // the connection breaks after some words

	_, client := one(router.Config{
		Deployments: []router.Deployment{
			{ID: "first", Group: "chat", Model: "openai/gpt-4.1-mini", Options: first.Options()},
			{ID: "second", Group: "chat", Model: "openai/gpt-4.1-mini", Options: second.Options()},
		},
		Strategy: router.InOrder,
	})
	stream, err := client.CompletionStream(ctx, &llm.CompletionRequest{Model: "chat", Messages: []llm.Message{llm.User("Count to three.")}},
		router.WithResume(llm.MarkerRestart))
	if err != nil {
		log.Fatal(err)
	}
	answer := ""
	for chunk, err := range stream.All() {
		if err != nil {
			log.Fatal(err)
		}
		if chunk.Marker == llm.MarkerRestart {
			fmt.Println(answer, "…")
			answer = ""
		}
		answer += chunk.Text()
	}
	fmt.Println(answer)
	// Output:
	// One,  …
	// One, two, three.
}
