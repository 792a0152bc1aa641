// Tools lets a model call Go functions until it can answer.
//
//	go run ./examples/tools -model openai/gpt-5-mini "What should I wear in Bern today?"
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/examples/internal/athand"
	"github.com/llm-go/llm/llmtest"
)

// Place is what the model fills in; the schema that it sees is made from this type.
type Place struct {
	City string `json:"city" jsonschema:"the city's name, without its country"`
}

// Weather is what it gets back, as JSON.
type Weather struct {
	Celsius float64 `json:"celsius"`
	Sky     string  `json:"sky"`
}

func weather(_ context.Context, in Place) (Weather, error) {
	switch in.City {
	case "Bern":
		return Weather{Celsius: 21.5, Sky: "clear"}, nil
	case "Oslo":
		return Weather{Celsius: 9, Sky: "rain"}, nil
	}
	return Weather{}, errors.New("there is no weather station in " + in.City) // the model is told, and may try another city
}

func clock(_ context.Context, _ struct{}) (string, error) {
	return time.Now().Format("Monday 15:04"), nil
}

func main() {
	log.SetFlags(0)
	wanted := flag.String("model", "", `"provider/model"; "llmtest" is the stand-in; default: what is at hand`)
	flag.Parse()
	question := strings.Join(flag.Args(), " ")
	if question == "" {
		question = "Do I need an umbrella in Bern?"
	}
	ctx := context.Background()
	model := athand.Find(ctx, os.Stdout, *wanted,
		llmtest.ToolCall("weather", `{"city":"Bern"}`),
		llmtest.Text("No: the sky over Bern is clear, at 21.5 °C."))

	fmt.Printf("> %s\n", question)
	run, err := model.Client.RunTools(ctx, &llm.CompletionRequest{
		Model:    model.Name,
		Messages: []llm.Message{llm.User(question)},
	}, llm.ToolLoop{
		Tools: []*llm.FuncTool{
			llm.NewTool("weather", "The weather of a city, now.", weather),
			llm.NewTool("clock", "The day and the time.", clock),
		},
		MaxRounds: 5,
		Approve: func(_ context.Context, call llm.ToolCall) error { // an error here refuses the call
			fmt.Printf("calls %s(%s)\n", call.Function.Name, call.Function.Arguments)
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n\n%d rounds, %d tokens\n", run.Response.Text(), run.Rounds, run.Usage.TotalTokens)
}
