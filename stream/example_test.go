package stream_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/llm-go/llm/stream"
)

func ExampleSSE() {
	body := strings.NewReader(": keep-alive\n\n" +
		"event: delta\ndata: {\"text\":\"Hello\"}\n\n" +
		"data: [DONE]\n\n")
	events := stream.NewSSE(body, stream.DefaultLimit)
	for {
		e, err := events.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%q %s\n", e.Name, e.Data)
	}
	fmt.Println("comments:", events.Comments())
	// Output:
	// "delta" {"text":"Hello"}
	// "" [DONE]
	// comments: 1
}

func ExampleLines() {
	body := strings.NewReader("{\"response\":\"Hel\"}\n\n{\"response\":\"lo\"}\n{\"done\":tr")
	lines := stream.NewLines(body, 0)
	for {
		line, unterminated, err := lines.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(string(line), unterminated)
	}
	// Output:
	// {"response":"Hel"} false
	// {"response":"lo"} false
	// {"done":tr true
}

func ExampleAWS() {
	body := stream.AppendAWS(nil, stream.Message{
		Headers: []stream.Header{{Name: ":message-type", Value: "event"}, {Name: ":event-type", Value: "contentBlockDelta"}},
		Payload: []byte(`{"delta":{"text":"Hello"}}`),
	})
	cut := body[:len(body)-1]
	frames := stream.NewAWS(io.MultiReader(bytes.NewReader(body), bytes.NewReader(cut)), 0)
	for {
		m, err := frames.Next()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s %s\n", m.Header(":event-type"), m.Payload)
	}
	// Output:
	// contentBlockDelta {"delta":{"text":"Hello"}}
	// unexpected EOF
}
