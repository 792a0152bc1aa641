package main

import (
	"encoding/json"
	"io"
	"net/http"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/stream"
)

// parrot is a provider with an API of its own: POST /say takes {"bird", "words"} and answers {"said"}, or JSON lines
// of {"said"} with {"end": true} as the last.
var parrot = &llm.Provider{
	Name:    "parrot",
	BaseURL: "https://api.parrot.example",
	KeyEnv:  []string{"PARROT_API_KEY"},
	Auth:    llm.HeaderAuth("X-Parrot-Key"),
	Completion: &llm.Op[llm.CompletionRequest, llm.CompletionResponse, llm.CompletionChunk]{
		Encode: func(call *llm.Call, req *llm.CompletionRequest) (*http.Request, error) {
			if req.Seed != nil { // what the wire cannot carry is an error, unless the caller allows dropping it
				if err := call.Unsupported("seed", "parrots are not repeatable"); err != nil {
					return nil, err
				}
			}
			body, err := json.Marshal(map[string]any{"bird": call.Model, "words": req.Messages[len(req.Messages)-1].Content.Text(), "stream": call.Stream})
			if err != nil {
				return nil, err
			}
			return call.NewJSONRequest("/say", body, req.Extra)
		},
		Decode: func(_ *llm.Call, _ http.Header, body []byte) (*llm.CompletionResponse, error) {
			var a struct{ Said string }
			if err := json.Unmarshal(body, &a); err != nil {
				return nil, llm.Malformed("the answer is not JSON", err)
			}
			return &llm.CompletionResponse{Choices: []llm.Choice{{Message: llm.Assistant(a.Said)}}}, nil
		},
		Stream: func(call *llm.Call, body io.Reader) llm.Next[llm.CompletionChunk] {
			lines := stream.NewLines(body, call.MaxEventBytes())
			return func() (*llm.CompletionChunk, error) {
				line, cut, err := lines.Next()
				var a struct {
					Said string
					End  bool
				}
				switch {
				case err == io.EOF || cut: // the end must be said, not assumed
					return nil, llm.Truncated("the parrot fell silent")
				case err != nil:
					return nil, err
				case json.Unmarshal(line, &a) != nil:
					return nil, llm.Malformed("a line is not JSON", nil)
				case a.End:
					return nil, io.EOF
				}
				return &llm.CompletionChunk{Choices: []llm.ChunkChoice{{Delta: llm.Delta{Content: a.Said}}}}, nil
			}
		},
	},
}
