package providertest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/stream"
)

// Acme is a vendor that does not exist. Its API: POST /v1/ask takes {"model", "lines", "options": {"heat"}, "stream"} and answers {"id",
// "model", "text", "why", "tokens": [in, out]}, or the same in server-sent events, of which the one with "why" is
// the last; GET /v1/rockets lists models, in pages. Errors are {"oops", "status", "wait"}.

type acmeAnswer struct {
	ID     string `json:"id"`
	Model  string `json:"model"`
	Text   string `json:"text"`
	Why    string `json:"why"`
	Tokens []int  `json:"tokens"`
	Oops   string `json:"oops"`
	Status int    `json:"status"`
	Wait   int    `json:"wait"`
}

// acme is a provider that breaks no rule.
func acme() *llm.Provider {
	return &llm.Provider{
		Name:    "acme",
		BaseURL: "https://api.acme.example/v1",
		KeyEnv:  []string{"ACME_API_KEY"},
		Error:   acmeError,
		Completion: &llm.Op[llm.CompletionRequest, llm.CompletionResponse, llm.CompletionChunk]{
			Encode: acmeEncode,
			Decode: acmeDecode,
			Stream: acmeStream,
		},
		Models: &llm.Op[llm.ModelsRequest, llm.ModelsResponse, llm.None]{Do: acmeModels},
	}
}

func acmeBody(call *llm.Call, req *llm.CompletionRequest) (map[string]any, error) {
	body := map[string]any{"model": call.Model, "stream": call.Stream}
	var lines []string
	for i, m := range req.Messages {
		for j, p := range m.Content {
			if p.Type != "text" {
				return nil, llm.InvalidRequest(fmt.Sprintf("messages[%d].content[%d]", i, j), "Acme takes text only")
			}
			lines = append(lines, p.Text)
		}
	}
	body["lines"] = lines
	if req.Temperature != nil {
		body["options"] = map[string]any{"heat": *req.Temperature}
	}
	if req.Seed != nil {
		if err := call.Unsupported("seed", ""); err != nil {
			return nil, err
		}
	}
	return body, nil
}

func acmeEncode(call *llm.Call, req *llm.CompletionRequest) (*http.Request, error) {
	body, err := acmeBody(call, req)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return call.NewJSONRequest("/ask?beta=1", b, req.Extra)
}

func acmeDecode(_ *llm.Call, _ http.Header, body []byte) (*llm.CompletionResponse, error) {
	var a acmeAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, llm.Malformed("the answer is not what Acme promises", err)
	}
	if a.Oops != "" {
		return nil, acmeError(a.Status, nil, body)
	}
	if a.Why == "" {
		return nil, llm.Malformed("the answer has no end", nil)
	}
	return &llm.CompletionResponse{
		ID: a.ID, Object: "chat.completion", Model: a.Model, Usage: acmeUsage(a.Tokens),
		Choices: []llm.Choice{{
			Message:            llm.Message{Role: llm.RoleAssistant, Content: llm.Content{llm.TextPart(a.Text)}},
			FinishReason:       llm.FinishStop,
			NativeFinishReason: a.Why,
		}},
	}, nil
}

func acmeUsage(tokens []int) *llm.Usage {
	if len(tokens) != 2 {
		return nil
	}
	return &llm.Usage{PromptTokens: tokens[0], CompletionTokens: tokens[1], TotalTokens: tokens[0] + tokens[1]}
}

func acmeStream(call *llm.Call, body io.Reader) llm.Next[llm.CompletionChunk] {
	events := stream.NewSSE(body, call.MaxEventBytes())
	done := false
	return func() (*llm.CompletionChunk, error) {
		if done {
			return nil, io.EOF
		}
		ev, err := events.Next()
		if err == io.EOF {
			return nil, llm.Truncated("the stream ended before its last event")
		}
		if err != nil {
			return nil, err
		}
		var a acmeAnswer
		if err := json.Unmarshal(ev.Data, &a); err != nil {
			if ev.Unterminated {
				return nil, llm.Truncated("the stream ended within an event")
			}
			return nil, llm.Malformed("an event is not what Acme promises", err)
		}
		if a.Oops != "" {
			return nil, acmeError(a.Status, nil, ev.Data)
		}
		done = a.Why != ""
		c := &llm.CompletionChunk{ID: a.ID, Object: "chat.completion.chunk", Model: a.Model, Usage: acmeUsage(a.Tokens),
			Choices: []llm.ChunkChoice{{Delta: llm.Delta{Role: llm.RoleAssistant, Content: a.Text}}}}
		if done {
			c.Choices[0].FinishReason, c.Choices[0].NativeFinishReason = llm.FinishStop, a.Why
		}
		return c, nil
	}
}

func acmeError(status int, _ http.Header, body []byte) *llm.Error {
	e := llm.StatusError(status)
	var a acmeAnswer
	if json.Unmarshal(body, &a) == nil {
		e.Message = a.Oops
		e.RetryAfter = time.Duration(a.Wait) * time.Second
	}
	return e
}

func acmeModels(ctx context.Context, call *llm.Call, req *llm.ModelsRequest, send llm.Send) (*llm.ModelsResponse, error) {
	out := new(llm.ModelsResponse)
	query := url.Values{}
	for name, v := range req.Extra {
		query.Set(name, fmt.Sprint(v))
	}
	first := "/rockets"
	if len(query) > 0 {
		first += "?" + query.Encode()
	}
	for path, pages := first, 0; path != ""; pages++ {
		if pages == 10 {
			return nil, llm.Malformed("the list of models does not end", nil)
		}
		var page struct {
			Rockets []string
			Next    string
		}
		if err := acmeGet(ctx, call, path, send, &page); err != nil {
			return nil, err
		}
		for _, r := range page.Rockets {
			out.Data = append(out.Data, llm.Model{ID: r})
		}
		path = strings.TrimPrefix(page.Next, "/v1")
	}
	return out, nil
}

func acmeGet(ctx context.Context, call *llm.Call, path string, send llm.Send, v any) error {
	r, err := call.NewRequest(http.MethodGet, path, "", nil)
	if err != nil {
		return err
	}
	resp, err := send(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return llm.Malformed("the list of models is not what Acme promises", err)
	}
	return nil
}
