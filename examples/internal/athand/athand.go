// Package athand finds a model for the examples to talk to, so that each of them runs as it is: a provider whose
// key is in the environment, else a model server on this machine, else a stand-in inside the program.
package athand

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/llmtest"
	_ "github.com/llm-go/llm/providers/all"
)

// small are models that are cheap enough for an example, in the order in which keys are looked for.
var small = []string{
	"openai/gpt-5-mini",
	"anthropic/claude-haiku-4-5",
	"gemini/gemini-2.5-flash",
	"groq/llama-3.3-70b-versatile",
	"mistral/mistral-small-latest",
	"openrouter/openai/gpt-5-mini",
	"deepseek/deepseek-chat",
	"xai/grok-4-fast-non-reasoning",
	"cerebras/gpt-oss-120b",
	"together_ai/openai/gpt-oss-20b",
	"fireworks_ai/accounts/fireworks/models/gpt-oss-20b",
}

// servers are where model servers of this machine listen: Ollama, LM Studio, llama.cpp, vLLM.
var servers = []string{"http://localhost:11434/v1", "http://localhost:1234/v1", "http://localhost:8080/v1", "http://localhost:8000/v1"}

// StandIn is the model name that asks for the stand-in, whatever else is at hand.
const StandIn = "llmtest"

// Model is one to talk to.
type Model struct {
	Client *llm.Client
	Name   string // for a request's Model
	// Server is the stand-in, if it is one.
	Server *llmtest.Server
}

// Find returns the wanted model, "provider/model", or the first at hand if wanted is "", and tells on out which it
// is and why. script is what the stand-in answers.
func Find(ctx context.Context, out io.Writer, wanted string, script ...llmtest.Answer) *Model {
	if wanted == StandIn {
		return standIn(script)
	}
	if wanted != "" {
		return &Model{Client: llm.Default(), Name: wanted}
	}
	for _, name := range small {
		provider, _, _ := strings.Cut(name, "/")
		p, known := llm.LookupProvider(provider)
		if !known {
			continue
		}
		for _, env := range p.KeyEnv {
			if os.Getenv(env) != "" {
				fmt.Fprintf(out, "Asking %s, because %s is set.\n\n", name, env)
				return &Model{Client: llm.Default(), Name: name}
			}
		}
	}
	for _, url := range servers {
		client := llm.New(llm.WithBaseURL(url))
		list, err := client.Models(ctx, &llm.ModelsRequest{Provider: "openai"}, llm.WithTimeout(time.Second), llm.WithMaxAttempts(1))
		if err == nil && len(list.Data) > 0 {
			name := "openai/" + list.Data[0].ID
			fmt.Fprintf(out, "Asking %s at %s.\n\n", list.Data[0].ID, url)
			return &Model{Client: client, Name: name}
		}
	}
	fmt.Fprintf(out, "There is no key in the environment (%s …) and no model server on this machine,\n"+
		"so a stand-in inside this program answers: what it says is scripted.\n\n", "OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, GROQ_API_KEY, MISTRAL_API_KEY")
	return standIn(script)
}

func standIn(script []llmtest.Answer) *Model {
	srv, err := llmtest.Start()
	if err != nil {
		log.Fatal(err)
	}
	srv.Reply(script...)
	return &Model{Client: srv.Client(), Name: "openai/stand-in", Server: srv}
}
