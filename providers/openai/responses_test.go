package openai

import (
	"testing"

	"github.com/llm-go/llm/providers/providertest"
)

// A host that has chat completions alone answers Responses by the library's bridge.
func TestResponsesOverChat(t *testing.T) {
	providertest.Run(t, New(Host{Name: "chatty", BaseURL: "https://chatty.test/v1", KeyEnv: []string{"CHATTY_API_KEY"}, Ops: "completion",
		Quirks: Quirks{Accept: "developer"}}), "testdata/over_chat")
}
