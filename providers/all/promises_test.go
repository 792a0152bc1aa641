package all

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llm-go/llm"
)

// ask encodes a request for a model, and returns the body and the warnings.
func encoded(t *testing.T, model string, req *llm.CompletionRequest) (string, []llm.Warning) {
	t.Helper()
	c := &caught{}
	var warnings []llm.Warning
	r := *req
	r.Model = model
	_, err := llm.Completion(t.Context(), &r, llm.WithoutEnv(), llm.WithAPIKey("k"), llm.WithSetting("AWS_REGION", "us-east-1"),
		llm.WithSetting("AWS_ACCESS_KEY_ID", "id"), llm.WithSetting("AWS_SECRET_ACCESS_KEY", "secret"), llm.WithDropParams(),
		llm.WithMaxAttempts(1), llm.WithHTTPClient(&http.Client{Transport: c}), llm.WithCallback(llm.Callback{
			OnFailure: func(_ context.Context, _ *llm.Call, o *llm.Outcome) { warnings = o.Meta.Warnings },
		}))
	require.ErrorIs(t, err, llm.ErrConnection, "it must get as far as being sent")
	return c.body, warnings
}

// TestCacheMarksReachTheirDialects: marks on system, tools, messages and tool results are on the wire, in the dialect's
// own form, or a warning.
func TestCacheMarksReachTheirDialects(t *testing.T) {
	hour := &llm.CacheControl{Type: "ephemeral", TTL: "1h"}
	system := llm.System("You are a librarian.")
	system.Content[0].CacheControl = hour
	user := llm.User("Look.")
	user.CacheControl = hour
	result := llm.ToolResult("call_123456789", "Found.")
	result.Content[0].CacheControl = hour
	req := &llm.CompletionRequest{
		Messages: []llm.Message{system, user, {Role: llm.RoleAssistant, ToolCalls: []llm.ToolCall{{ID: "call_123456789", Type: "function",
			Function: llm.FunctionCall{Name: "look", Arguments: `{}`}}}}, result},
		Tools: []llm.Tool{{Type: "function", CacheControl: hour, Function: &llm.FunctionTool{Name: "look",
			Parameters: map[string]any{"type": "object", "properties": map[string]any{}}}}},
	}
	for model, mark := range map[string]string{
		"anthropic/claude-sonnet-4-5":                       `"cache_control":{"type":"ephemeral","ttl":"1h"}`,
		"bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0": `"cachePoint":{"type":"default","ttl":"1h"}`,
		"openrouter/anthropic/claude-sonnet-4.5":            `"cache_control":{"type":"ephemeral","ttl":"1h"}`,
		"openai/gpt-4.1":                                    "",
		"gemini/gemini-2.5-flash":                           "",
		"mistral/mistral-large-latest":                      "",
	} {
		t.Run(strings.ReplaceAll(model, "/", " "), func(t *testing.T) {
			body, warnings := encoded(t, model, req)
			if mark != "" {
				require.Equal(t, 4, strings.Count(body, mark), body)
				require.Empty(t, warnings)
				return
			}
			require.NotContains(t, body, "cache_control")
			require.NotEmpty(t, warnings)
		})
	}
}

// TestSchemaConstraintsAreNeverLost: what a dialect's form of a schema cannot say is a warning that names it.
func TestSchemaConstraintsAreNeverLost(t *testing.T) {
	const schema = `{"type":"object","properties":{
		"a":{"type":"string","minLength":2},"b":{"type":"string","maxLength":9},"c":{"type":"string","pattern":"^x"},
		"d":{"type":"integer","minimum":1},"e":{"type":"number","exclusiveMaximum":5},"f":{"type":"number","multipleOf":0.5},
		"g":{"type":"array","items":{"type":"string"},"minItems":1},"h":{"type":"array","items":{"type":"string"},"uniqueItems":true},
		"i":{"type":"object","properties":{"x":{"type":"string"}},"required":["x"],"additionalProperties":false,"minProperties":1},
		"j":{"type":"string","format":"date-time"},"k":{"oneOf":[{"type":"string"},{"type":"integer"}]}},
		"required":["a","b","c","d","e","f","g","h","i","j","k"],"additionalProperties":false}`
	keywords := []string{"minLength", "maxLength", "pattern", "minimum", "exclusiveMaximum", "multipleOf", "minItems", "uniqueItems", "minProperties", "format", "oneOf"}
	req := &llm.CompletionRequest{Messages: []llm.Message{llm.User("Fill it in.")}, ResponseFormat: &llm.ResponseFormat{Type: "json_schema",
		JSONSchema: &llm.JSONSchema{Name: "form", Schema: json.RawMessage(schema), Strict: new(true)}}}
	for _, model := range []string{"openai/gpt-4.1", "openai/responses/gpt-4.1", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash",
		"gemini/gemini-2.0-flash", "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0", "groq/openai/gpt-oss-120b", "mistral/mistral-large-latest"} {
		t.Run(strings.ReplaceAll(model, "/", " "), func(t *testing.T) {
			body, warnings := encoded(t, model, req)
			for _, k := range keywords {
				onWire := strings.Contains(strings.ReplaceAll(body, `\"`, `"`), `"`+k+`":`) // Bedrock takes the schema as a text
				warned := false
				for _, w := range warnings {
					warned = warned || w.Code == "schema_constraint" && (strings.Contains(w.Param, k) || strings.Contains(w.Message, k))
				}
				if !onWire && !warned {
					t.Errorf("%s is neither sent nor warned of\nbody: %s\nwarnings: %v", k, body, warnings)
				}
			}
		})
	}
}
