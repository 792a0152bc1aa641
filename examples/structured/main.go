// Structured asks for an answer of a Go type.
//
//	go run ./examples/structured -model mistral/mistral-small-latest "pancakes for two"
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/examples/internal/athand"
	"github.com/llm-go/llm/llmtest"
)

// Recipe is the answer's form: a JSON Schema is made from it, and the answer is checked against it.
type Recipe struct {
	Name        string       `json:"name"`
	Minutes     int          `json:"minutes" jsonschema:"from start to table"`
	Ingredients []Ingredient `json:"ingredients"`
	Steps       []string     `json:"steps"`
}

// Ingredient is a part of it.
type Ingredient struct {
	What  string  `json:"what"`
	Grams float64 `json:"grams"`
}

func main() {
	log.SetFlags(0)
	wanted := flag.String("model", "", `"provider/model"; "llmtest" is the stand-in; default: what is at hand`)
	flag.Parse()
	dish := strings.Join(flag.Args(), " ")
	if dish == "" {
		dish = "pancakes"
	}
	ctx := context.Background()
	model := athand.Find(ctx, os.Stdout, *wanted, llmtest.Text(`{"name":"Pancakes","minutes":25,
		"ingredients":[{"what":"flour","grams":200},{"what":"milk","grams":300},{"what":"eggs","grams":110}],
		"steps":["Whisk.","Rest for ten minutes.","Fry."]}`))

	recipe, resp, err := llm.CompletionAs[Recipe](ctx, &llm.CompletionRequest{
		Model:    model.Name,
		Messages: []llm.Message{llm.User("A recipe for " + dish + ".")},
	}, llm.WithClient(model.Client), llm.WithRepair()) // an answer that does not match is asked for once more
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, %d minutes\n", recipe.Name, recipe.Minutes)
	for _, i := range recipe.Ingredients {
		fmt.Printf("  %4.0f g %s\n", i.Grams, i.What)
	}
	for i, step := range recipe.Steps {
		fmt.Printf("%d. %s\n", i+1, step)
	}
	for _, w := range resp.Meta.Warnings { // constraints that the provider's schema form cannot say
		fmt.Println("warning:", w.Param, w.Message)
	}
}
