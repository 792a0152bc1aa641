package athand

import (
	"bytes"
	"context"
	"testing"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/llmtest"
	"github.com/stretchr/testify/require"
)

// without hides this machine's keys and model servers.
func without(t *testing.T) {
	for p := range llm.Providers() {
		for _, env := range append(p.KeyEnv, p.BaseURLEnv...) {
			t.Setenv(env, "")
		}
	}
	old := servers
	servers = nil
	t.Cleanup(func() { servers = old })
}

func say(t *testing.T, m *Model) string {
	resp, err := m.Client.Completion(t.Context(), &llm.CompletionRequest{Model: m.Name, Messages: []llm.Message{llm.User("Hi")}})
	require.NoError(t, err)
	return resp.Text()
}

func TestWhatIsAtHand(t *testing.T) {
	without(t)
	var out bytes.Buffer
	m := Find(context.Background(), &out, "", llmtest.Text("scripted"))
	require.Equal(t, "scripted", say(t, m))
	require.Contains(t, out.String(), "stand-in")

	local := llmtest.NewServer(t)
	local.Reply(llmtest.Text("local"))
	servers = []string{"http://127.0.0.1:1/v1", local.URL + "/v1"}
	out.Reset()
	require.Equal(t, "local", say(t, Find(context.Background(), &out, "")))
	require.Contains(t, out.String(), local.URL)
	for _, r := range local.Requests() {
		require.False(t, r.HasKey)
	}

	t.Setenv("MISTRAL_API_KEY", "k")
	out.Reset()
	require.Equal(t, "mistral/mistral-small-latest", Find(context.Background(), &out, "").Name)
	require.Contains(t, out.String(), "MISTRAL_API_KEY")
	t.Setenv("OPENAI_API_KEY", "k")
	require.Equal(t, "openai/gpt-5-mini", Find(context.Background(), &out, "").Name)

	require.Equal(t, "groq/x", Find(context.Background(), &out, "groq/x").Name)
	require.NotNil(t, Find(context.Background(), &out, StandIn).Server)
}

func TestSmallModelsAreOfKnownProviders(t *testing.T) {
	for _, name := range small {
		provider, _, _ := bytes.Cut([]byte(name), []byte("/"))
		p, ok := llm.LookupProvider(string(provider))
		require.True(t, ok, name)
		require.NotEmpty(t, p.KeyEnv, name)
		require.NotNil(t, p.Completion, name)
	}
}
