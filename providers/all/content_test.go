package all

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llm-go/llm"
)

// caught is a transport that keeps what is sent, and answers nothing.
type caught struct{ body string }

func (c *caught) RoundTrip(r *http.Request) (*http.Response, error) {
	b, _ := io.ReadAll(r.Body)
	c.body = string(b)
	return nil, errors.New("nobody is here")
}

const canary = "canary-3fa9"

// A part's canary is what it is about: its text, its URL, its data or its id.
func contentKinds() map[string]llm.Part {
	data := []byte("%PDF-1.4 " + canary + " of this part")
	pdf := llm.FilePart("report.pdf", "application/pdf", data)
	pdf.File.Filename = "report.pdf"
	return map[string]llm.Part{
		"text":       llm.TextPart("The " + canary + "."),
		"refusal":    {Type: "refusal", Refusal: "Not the " + canary + "."},
		"image url":  llm.ImagePart("https://a.example/" + canary + ".png"),
		"image data": llm.ImageDataPart("image/png", data),
		"audio":      llm.AudioPart("wav", data),
		"file data":  pdf,
		"text file":  llm.FilePart("notes.txt", "text/plain", data),
		"file id":    llm.FileIDPart("file-" + canary),
		"file url":   {Type: "file", File: &llm.File{FileURL: "https://a.example/" + canary + ".pdf"}},
		"video url":  llm.VideoPart("https://a.example/" + canary + ".mp4"),
		"video data": llm.VideoPart(llm.DataURL("video/mp4", data)),
		"unknown":    {Type: "x_new", Extra: llm.Extra{"x": canary}},
	}
}

func contentPositions(p llm.Part) map[string][]llm.Message {
	with := func(role llm.Role) llm.Message {
		return llm.Message{Role: role, Content: llm.Content{llm.TextPart("Here."), p}}
	}
	call := llm.Message{Role: llm.RoleAssistant, ToolCalls: []llm.ToolCall{{ID: "call_123456789", Type: "function",
		Function: llm.FunctionCall{Name: "look", Arguments: `{}`}}}}
	result := with(llm.RoleTool)
	result.ToolCallID = "call_123456789"
	alone := result
	alone.Content = llm.Content{p}
	return map[string][]llm.Message{
		"user":              {with(llm.RoleUser)},
		"system":            {with(llm.RoleSystem), llm.User("Hi.")},
		"developer":         {with(llm.RoleDeveloper), llm.User("Hi.")},
		"system within":     {llm.User("Hi."), llm.Assistant("Yes?"), with(llm.RoleSystem), llm.User("So.")},
		"assistant":         {llm.User("Hi."), with(llm.RoleAssistant), llm.User("So.")},
		"tool result":       {llm.User("Hi."), call, result},
		"tool result alone": {llm.User("Hi."), call, alone, llm.User("So.")},
	}
}

// TestContentIsNeverLost: each kind of content in each position at each provider is on the wire, an error, or a warning.
func TestContentIsNeverLost(t *testing.T) {
	models := []string{"replicate/meta/meta-llama-3-8b-instruct", "openai/gpt-5", "groq/llama-3.3-70b", "openrouter/x/y", "ollama/llama3.2",
		"xai/grok-4", "bedrock/anthropic.claude-sonnet-4-5-v1:0"}
	for _, p := range places {
		models = append(models, p.model)
	}
	encoded := base64.StdEncoding.EncodeToString([]byte("%PDF-1.4 " + canary + " of this part"))
	tried, sent := 0, 0
	for _, model := range models {
		name, _, _ := strings.Cut(model, "/")
		_, ok := llm.LookupProvider(name)
		require.True(t, ok, model)
		for kind, part := range contentKinds() {
			for position, messages := range contentPositions(part) {
				for _, drop := range []bool{false, true} {
					host := &caught{}
					var warnings int
					opts := []llm.Option{llm.WithoutEnv(), llm.WithAPIKey("key"), llm.WithMaxAttempts(1), llm.WithHTTPClient(&http.Client{Transport: host}),
						llm.WithSetting("AWS_REGION", "us-east-1"), llm.WithSetting("AWS_ACCESS_KEY_ID", "id"), llm.WithSetting("AWS_SECRET_ACCESS_KEY", "secret"),
						llm.WithCallback(llm.Callback{OnFailure: func(_ context.Context, _ *llm.Call, o *llm.Outcome) {
							for _, w := range o.Meta.Warnings {
								if strings.HasPrefix(w.Param, "messages[") {
									warnings++
								}
							}
						}})}
					if drop {
						opts = append(opts, llm.WithDropParams())
					}
					req := &llm.CompletionRequest{Model: model, Messages: messages}
					if strings.HasPrefix(position, "tool") {
						req.Tools = []llm.Tool{{Function: &llm.FunctionTool{Name: "look"}}}
					}
					_, err := llm.Completion(t.Context(), req, opts...)
					what := fmt.Sprintf("%s: %s in %s (dropping %v)", model, kind, position, drop)
					require.Error(t, err, what)
					tried++
					if host.body == "" {
						var e *llm.Error
						require.ErrorAs(t, err, &e, what)
						require.Contains(t, []llm.ErrorKind{llm.ErrInvalidRequest, llm.ErrUnsupportedParam, llm.ErrUnsupported}, e.Kind, "%s: %v", what, err)
						require.False(t, kind == "text" && position != "tool result" && position != "tool result alone", "%s: %v", what, err)
						require.NotContains(t, e.Error(), canary, "%s: content is in the error", what)
						continue
					}
					if !strings.Contains(host.body, canary) && !strings.Contains(host.body, encoded) {
						if warnings == 0 {
							t.Errorf("%s: neither sent nor refused nor warned of:\n%.400s", what, host.body)
						}
						continue
					}
					sent++
				}
			}
		}
	}
	require.Greater(t, sent, tried/4, "hardly any content is sent")
	t.Logf("%d of %d are sent", sent, tried)
}
