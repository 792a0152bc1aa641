package yaml_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/contrib/yaml"
	"github.com/llm-go/llm/llmtest"
)

var ctx = context.Background()

// The example runs as it is read: its providers are a server in this process.
func init() {
	srv, err := llmtest.Start()
	if err != nil {
		log.Fatal(err)
	}
	srv.Reply(llmtest.Text("Paris."))
	for provider, prefix := range map[string]string{"openai": "OPENAI", "anthropic": "ANTHROPIC"} {
		os.Setenv(prefix+"_BASE_URL", srv.BaseURL(provider))
		os.Setenv(prefix+"_API_KEY", llmtest.Key)
	}
}

func ExampleLoad() {
	conf, err := yaml.Load("litellm.yaml")
	if err != nil {
		log.Fatal(err) // with the line of the file, and never with a key
	}
	for _, note := range conf.Notes {
		fmt.Println(note) // what has no counterpart here
	}
	client, _, err := conf.Client()
	if err != nil {
		log.Fatal(err)
	}
	resp, err := client.Completion(ctx, &llm.CompletionRequest{
		Model:    "chat", // a model_name of the file
		Messages: []llm.Message{llm.User("What is the capital of France?")},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Text())
	// Output:
	// litellm.yaml:24: general_settings.master_key: there is no proxy here: this setting has no counterpart
	// Paris.
}
