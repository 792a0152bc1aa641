package tokens_test

import (
	"fmt"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/tokens"
)

func ExampleEstimate() {
	fmt.Println(tokens.Estimate("The night train to Aberdeen leaves at a quarter past nine."))
	// Output: 13
}

func ExampleRequest() {
	n := tokens.Request(&llm.CompletionRequest{
		Model:    "openai/gpt-4o",
		Messages: []llm.Message{llm.System("Be brief."), llm.User("What is the capital of Norway?")},
	})
	fmt.Println(n.Tokens, n.Low <= n.Tokens, n.Tokens <= n.High, n.Source)
	// Output: 21 true true estimate
}

func ExampleTrim() {
	req := &llm.CompletionRequest{Messages: []llm.Message{
		llm.System("You are a patient teacher."),
		llm.User("What is a prime number?"), llm.Assistant("A number with exactly two divisors."),
		llm.User("Is 91 prime?"), llm.Assistant("No, it is 7 times 13."),
		llm.User("And 97?"),
	}}
	small, report, err := tokens.Trim(req, 45, tokens.TrimOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range small.Messages {
		fmt.Println(m.Role, m.Content.Text())
	}
	fmt.Println("dropped:", report.Dropped)
	// Output:
	// system You are a patient teacher.
	// user Is 91 prime?
	// assistant No, it is 7 times 13.
	// user And 97?
	// dropped: [1 2]
}
