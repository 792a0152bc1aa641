// Package anthropic is Anthropic's Messages API as a provider, named "anthropic":
//
//	import _ "github.com/llm-go/llm/providers/anthropic"
//
//	llm.Completion(ctx, &llm.CompletionRequest{Model: "anthropic/claude-sonnet-5-5", …})
//
// It is written from Anthropic's API reference: "Create a Message" (POST /v1/messages, also streamed, "Streaming
// messages"), "Count tokens in a Message" (POST /v1/messages/count_tokens), "List Models" (GET /v1/models) and
// "Errors". The key is ANTHROPIC_API_KEY, sent as x-api-key, or ANTHROPIC_AUTH_TOKEN, sent as a bearer token.
//
// # What is sent where the request says nothing
//
// max_tokens is required by the API. When MaxTokens is 0, the most that the model can answer is sent, or 8192 for
// models that this package does not know. Everything else is left out.
//
// # What is translated
//
//   - Leading system and developer messages become the system prompt. Later ones keep their place on models that
//     take them there (Claude Opus 4.8 and later, see the table of families); for others they become marked text
//     of the user, with a warning.
//   - ReasoningEffort becomes adaptive thinking with output_config.effort, or, on models that think by budget,
//     1024 (minimal, low), 2048 (medium), 4096 (high), 8192 (xhigh) or 16384 (max) tokens. A level that a model
//     lacks becomes the nearest below it, with a warning. For models that are not known, adaptive thinking and
//     the effort are sent as they are. Thinking wins over ReasoningEffort. Newer models leave the text of their
//     thinking out unless Thinking.Display is "summarized"; its signature comes and goes back all the same.
//   - ResponseFormat with a schema becomes output_config.format with the accepted part of the schema; each lost
//     constraint is a warning with code "schema_constraint". "json_object", which Anthropic lacks, becomes a
//     sentence in the system prompt.
//   - WebSearchOptions becomes the tool web_search, with max_uses 1, 5 or 10 for low, medium and high.
//   - ServiceTier "default" becomes "standard_only", "priority" becomes "auto".
//   - SafetyIdentifier, or User, becomes metadata.user_id.
//   - ToolChoice.Allowed, which Anthropic lacks, leaves the other tools out.
//   - Members that are not named here pass through Extra: on the request, its tools and parts (title, context
//     and citations of a document, for example), and the beta features that they need are asked for by
//     [llm.WithHeader]("anthropic-beta", …), those of known tools and of files by this package.
//
// # What comes back
//
// PromptTokens counts what was read from and written to the prompt cache too. Answers with server tools,
// citations or thinking between other blocks have Message.Native, which goes back as it came. The stop reasons
// pause_turn and compaction finish as "stop": send the message back, and the model goes on.
package anthropic

import (
	"context"
	"io"
	"net/http"

	"github.com/llm-go/llm"
)

const (
	// dialect is the origin of thinking blocks and native content made here.
	dialect = "anthropic"
	// apiVersion is the value of the header anthropic-version.
	apiVersion = "2023-06-01"
)

func init() { llm.Register(Provider()) }

// Provider is Anthropic's own API.
func Provider() *llm.Provider {
	var host Host
	return &llm.Provider{
		Name:        dialect,
		Dialect:     dialect,
		BaseURL:     "https://api.anthropic.com",
		BaseURLEnv:  []string{"ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE"},
		KeyEnv:      []string{keyEnv, tokenEnv},
		Doc:         "https://platform.claude.com/docs/en/api/messages",
		Auth:        auth,
		Error:       Error,
		Completion:  host.Completion(),
		CountTokens: host.CountTokens(),
		Models:      models(),
	}
}

const (
	keyEnv   = "ANTHROPIC_API_KEY"
	tokenEnv = "ANTHROPIC_AUTH_TOKEN"
)

// auth sends the key as x-api-key, or as a bearer token if it is what ANTHROPIC_AUTH_TOKEN holds.
func auth(_ context.Context, r *http.Request, call *llm.Call) error {
	key := call.Key()
	switch {
	case key.IsZero():
	case key.Equal(call.Secret(tokenEnv)) && !key.Equal(call.Secret(keyEnv)):
		r.Header.Set("Authorization", "Bearer "+key.Reveal())
	default:
		r.Header.Set("X-Api-Key", key.Reveal())
	}
	return nil
}

// Host says how another host takes Anthropic's messages: the zero value is Anthropic's own API. A provider for
// such a host takes its operations from here and sets its own Auth, and [Error] if the host's errors are alike.
type Host struct {
	// Path is the path of a call below the base URL; call.Operation says which. nil: Anthropic's own.
	Path func(call *llm.Call) string
	// Version is sent in the body as anthropic_version ("bedrock-2023-05-31", "vertex-2023-10-16"). The members
	// model and stream, which such hosts have in the path, are then left out, and betas are in the body.
	Version string
	// Events reads the JSON of the stream's events from a body. nil: server-sent events.
	Events func(call *llm.Call, body io.Reader) Events
}

// Completion is the operation for this host.
func (h Host) Completion() *llm.Op[llm.CompletionRequest, llm.CompletionResponse, llm.CompletionChunk] {
	return &llm.Op[llm.CompletionRequest, llm.CompletionResponse, llm.CompletionChunk]{
		Encode: func(call *llm.Call, req *llm.CompletionRequest) (*http.Request, error) {
			b, err := EncodeBody(call, req, h)
			if err != nil {
				return nil, err
			}
			path := "/v1/messages"
			if h.Path != nil {
				path = h.Path(call)
			}
			return b.request(call, path, req.Extra, h)
		},
		Decode: func(_ *llm.Call, _ http.Header, body []byte) (*llm.CompletionResponse, error) {
			return Decode(body)
		},
		Stream: func(call *llm.Call, body io.Reader) llm.Next[llm.CompletionChunk] {
			if h.Events != nil {
				return Stream(h.Events(call, body))
			}
			return streamSSE(call, body)
		},
	}
}
