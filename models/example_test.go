package models_test

import (
	"fmt"
	"math/bits"
	"strings"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/models"
)

func ExampleLookup() {
	m, ok := models.Lookup("anthropic/claude-haiku-4-5")
	fmt.Println(ok, m.Mode, m.ContextWindow, m.MaxOutputTokens)
	tools, known := m.Supports(models.Tools)
	fmt.Println(tools, known)

	// A model that is not in the catalogue can be called, but nothing is known of it.
	_, ok = models.Lookup("myhost/my-model")
	fmt.Println(ok)
	// Output:
	// true chat 200000 64000
	// true true
	// false
}

// What 150,000 tokens of input and 2,000 of output cost.
func ExampleModel_PriceAt() {
	m, _ := models.Lookup("gemini/gemini-2.5-pro")
	list, ok := m.PriceAt(time.Date(2026, 9, 22, 0, 0, 0, 0, time.UTC), models.Standard, "")
	if !ok {
		return // the price is unknown, which is not the same as free
	}
	const input, output = 150_000, 2_000
	var sum models.Amount
	for d, n := range map[models.Dimension]uint64{models.Input: input, models.Output: output} {
		p, ok := list.Find(d, "", input)
		if !ok {
			return
		}
		hi, lo := bits.Mul64(uint64(p.Amount), n) // the product may need more than 64 bits
		quotient, _ := bits.Div64(hi, lo, uint64(p.Unit.Size()))
		sum += models.Amount(quotient)
	}
	fmt.Println("$" + sum.String())
	// Output: $0.2075
}

func ExampleLoad() {
	defer models.SetDefault(nil) // for the other examples
	err := models.Load(strings.NewReader(`{"models": {"myhost/my-model": {
		"mode": "chat", "context_window": 32000,
		"prices": [{"source": "the contract", "prices": [
			{"of": "input", "usd": "0.20"}, {"of": "output", "usd": "0.80"}]}]}}}`))
	m, ok := models.Lookup("myhost/my-model")
	fmt.Println(err, ok, m.ContextWindow)
	err = models.Load(strings.NewReader(`{"models": {"myhost/my-model": {"prices": [{"prices": [{"of": "input", "usd": "a lot"}]}]}}}`))
	fmt.Println(err)
	// Output:
	// <nil> true 32000
	// models: "myhost/my-model": the amount "a lot": not a decimal number
}

func ExampleInfer() {
	fmt.Println(models.Infer("claude-opus-4-7"))
	fmt.Println(models.Infer("my-model"))
	// Output:
	// anthropic true
	//  false
}

// A deployment with a name and a price of its own.
func ExampleWith() {
	m := &models.Model{ID: "azure/our-deployment", MaxOutputTokens: 4096}
	client := llm.New(llm.WithModel("azure/our-deployment"), models.With(m))
	_ = client
}

func ExampleList() {
	n := 0
	for range models.List(models.Filter{Provider: "openai", Mode: models.ModeEmbedding}) {
		n++
	}
	fmt.Println(n > 2)
	// Output: true
}
