package llmtest_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/llmtest"
	_ "github.com/llm-go/llm/providers/anthropic"
	_ "github.com/llm-go/llm/providers/openai"
)

// greet is the application. In its tests NewServer(t) takes the place of Start and Close.
func greet(c *llm.Client, name string) string {
	resp, err := c.Completion(context.Background(), &llm.CompletionRequest{
		Model:    "anthropic/claude-sonnet-4-5",
		Messages: []llm.Message{llm.User("Greet " + name + ".")},
	})
	if err != nil {
		return "Hello!" // there is always something to say
	}
	return resp.Text()
}

func Example() {
	srv, err := llmtest.Start()
	if err != nil {
		panic(err)
	}
	defer srv.Close()

	srv.Reply(llmtest.Text("Good morning, Ada."))
	fmt.Println(greet(srv.Client(), "Ada"))
	fmt.Println(srv.Requests()[0].LastUserText())
	// Output:
	// Good morning, Ada.
	// Greet Ada.
}

// What the application does when its provider has a bad day.
func ExampleServer_Fault() {
	srv, err := llmtest.Start()
	if err != nil {
		panic(err)
	}
	defer srv.Close()

	srv.FaultAlways(llmtest.Status(529)) // overloaded
	fmt.Println(greet(srv.Client(llm.WithMaxAttempts(1)), "Ada"))

	// A stream that breaks in the middle: what had come is on the error.
	srv.FaultAlways("")
	srv.Reply(llmtest.Answer{Chunks: []string{"One, ", "two, ", "three."}})
	srv.Fault(llmtest.NoLastChunk)
	s, err := srv.Client().CompletionStream(context.Background(), &llm.CompletionRequest{
		Model: "openai/gpt-4o-mini", Messages: []llm.Message{llm.User("Count.")}})
	if err != nil {
		panic(err)
	}
	_, err = llm.Collect(s)
	var e *llm.Error
	fmt.Println(errors.Is(err, llm.ErrTruncated), errors.As(err, &e) && e.Partial != nil)
	fmt.Printf("%q\n", e.Partial.Text())
	// Output:
	// Hello!
	// true true
	// "One, "
}

// What goes wrong below HTTP: here a host that is being restarted, whose certificate has ended after that.
func ExampleStartTLS() {
	srv, err := llmtest.StartTLS() // in a test: llmtest.NewTLSServer(t)
	if err != nil {
		panic(err)
	}
	defer srv.Close()
	c := srv.Client(llm.WithBackoff(llm.Backoff{Initial: time.Millisecond, Max: time.Millisecond}))

	srv.Fault(llmtest.Refused, llmtest.GoAway)
	fmt.Println(greet(c, "Ada"))
	srv.Fault(llmtest.TLSExpired)
	_, err = c.Completion(context.Background(), &llm.CompletionRequest{Model: "openai/gpt-4o-mini", Messages: []llm.Message{llm.User("Hi")}})
	fmt.Println(errors.Is(err, llm.ErrTLS))
	// Output:
	// You said: Greet Ada.
	// true
}

// Any client can be sent to the server; the one of the kit knows its certificate, and the faults on the way to it.
func ExampleServer_HTTPClient() {
	srv, err := llmtest.StartTLS()
	if err != nil {
		panic(err)
	}
	defer srv.Close()
	srv.Fault(llmtest.NameNotFound)
	for range 2 {
		resp, err := srv.HTTPClient().Get(srv.URL + "/v1/models")
		if err != nil {
			var dns *net.DNSError
			fmt.Println("no such host:", errors.As(err, &dns) && dns.IsNotFound)
			continue
		}
		fmt.Println(resp.Status, resp.Proto)
		resp.Body.Close()
	}
	// Output:
	// no such host: true
	// 200 OK HTTP/2.0
}

// Answers made from the request, here from the result of the tool that the model called.
func ExampleServer_Handle() {
	srv, err := llmtest.Start()
	if err != nil {
		panic(err)
	}
	defer srv.Close()
	srv.Handle(func(r llmtest.Request) llmtest.Answer {
		if weather, ok := r.ToolResult(); ok {
			return llmtest.Text("In Paris it is " + weather + ".")
		}
		return llmtest.ToolCall("get_weather", `{"city":"Paris"}`)
	})

	ctx, c := context.Background(), srv.Client()
	req := &llm.CompletionRequest{
		Model:    "openai/gpt-4o-mini",
		Messages: []llm.Message{llm.User("What is the weather in Paris?")},
		Tools:    []llm.Tool{{Function: &llm.FunctionTool{Name: "get_weather"}}},
	}
	resp, err := c.Completion(ctx, req)
	if err != nil {
		panic(err)
	}
	call := resp.ToolCalls()[0]
	fmt.Println(call.Function.Name, call.Function.Arguments)
	req.Messages = append(req.Messages, *resp.Message(), llm.ToolResult(call.ID, "18 °C"))
	if resp, err = c.Completion(ctx, req); err != nil {
		panic(err)
	}
	fmt.Println(resp.Text())
	// Output:
	// get_weather {"city":"Paris"}
	// In Paris it is 18 °C.
}

// A live exchange, kept without its secrets and replayed without a network. In a test [llmtest.Tape] does both.
func ExampleRecorder() {
	srv, err := llmtest.Start() // stands for the real host
	if err != nil {
		panic(err)
	}
	srv.Reply(llmtest.Text("Good morning, Ada."))
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "greeting.txtar")

	rec := llmtest.NewRecorder(nil)
	greet(srv.Client(llm.WithHTTPClient(&http.Client{Transport: rec})), "Ada")
	if err := rec.Save(file); err != nil {
		panic(err)
	}
	srv.Close() // from here on there is no host

	tape, err := llmtest.Replay(file)
	if err != nil {
		panic(err)
	}
	fmt.Println(greet(srv.Client(llm.WithHTTPClient(&http.Client{Transport: tape})), "Ada"))
	data, err := os.ReadFile(file)
	fmt.Println(err == nil && strings.Contains(string(data), llmtest.Key))
	// Output:
	// Good morning, Ada.
	// false
}
