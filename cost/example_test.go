package cost_test

import (
	"context"
	"fmt"
	"log"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/cost"
	"github.com/llm-go/llm/models"
)

func ExampleOf() {
	resp := &llm.CompletionResponse{ // as a client returns it
		Meta: llm.Meta{Provider: "anthropic", Model: "claude-opus-4-1"},
		Usage: &llm.Usage{PromptTokens: 3000, CompletionTokens: 500, PromptTokensDetails: &llm.PromptTokensDetails{
			CachedTokens: 1800, CacheCreationTokens: 200}},
	}
	bill, err := cost.Of(resp)
	if err != nil {
		log.Fatal(err) // cost.ErrPriceUnknown, if the catalogue has no price of the model
	}
	fmt.Println("$" + bill.Total.String()) // by bill.Prices, which has its source and date
	for _, item := range bill.Items {
		fmt.Println(item.N, item.Dimension, "at", "$"+item.Price.Amount.String(), "make", "$"+item.Amount.String())
	}
	// Output:
	// $0.05895
	// 1000 input at $15 make $0.015
	// 1800 cache_read at $1.5 make $0.0027
	// 200 cache_write at $18.75 make $0.00375
	// 500 output at $75 make $0.0375
}

func ExamplePricing_Middleware() {
	answer := &llm.CompletionResponse{
		Meta:  llm.Meta{Provider: "openai", Model: "gpt-4.1"},
		Usage: &llm.Usage{PromptTokens: 1000, CompletionTokens: 100},
	}
	provider := func(llm.Handler) llm.Handler { // stands in for a real one
		return func(context.Context, *llm.Call) (*llm.Result, error) { return &llm.Result{Response: answer}, nil }
	}

	pricing := &cost.Pricing{Adjust: func(string) cost.Factor { return cost.Percent(-10) }} // a contract's discount
	client := llm.New(llm.WithMiddleware(pricing.Middleware, provider))
	resp, err := client.Completion(context.Background(), &llm.CompletionRequest{
		Model: "openai/gpt-4.1", Messages: []llm.Message{llm.User("Why is the sky blue?")}})
	if err != nil {
		log.Fatal(err)
	}
	if bill, ok := cost.Get(&resp.Meta); ok {
		fmt.Println("$" + bill.Total.String())
	}
	// Output: $0.00252
}

func ExampleEstimate() {
	r, err := cost.Estimate(&llm.CompletionRequest{
		Model:     "openai/gpt-4.1",
		MaxTokens: 1000,
		Messages:  []llm.Message{llm.User("Why is the sky blue?")},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("at most a cent:", r.High <= models.Dollar/100 && !r.Open)
	// Output: at most a cent: true
}
