package openai

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/llm-go/llm"
)

// newModels is "List models" of OpenAI's API reference. The members of Extra are the query.
func newModels(q *Quirks) *llm.Op[llm.ModelsRequest, llm.ModelsResponse, llm.None] {
	return &llm.Op[llm.ModelsRequest, llm.ModelsResponse, llm.None]{
		Encode: func(call *llm.Call, req *llm.ModelsRequest) (*http.Request, error) {
			path := "/models"
			if len(req.Extra) > 0 {
				query := make(url.Values, len(req.Extra))
				for name := range req.Extra {
					v := req.Extra.Get(name)
					if !v.Exists() {
						v.Raw = fmt.Sprint(req.Extra[name])
					}
					if v.Str != "" {
						query.Set(name, v.Str)
					} else {
						query.Set(name, v.Raw)
					}
				}
				path += "?" + query.Encode()
			}
			return call.NewRequest(http.MethodGet, path, "", nil)
		},
		Decode: func(_ *llm.Call, h http.Header, body []byte) (*llm.ModelsResponse, error) {
			resp := &llm.ModelsResponse{}
			if err := decodeBody(h, body, resp, &resp.Extra); err != nil {
				return nil, err
			}
			if resp.Data == nil {
				if e := bodyError(h, body); e != nil {
					return nil, e
				}
			}
			for i := range resp.Data {
				windows(&resp.Data[i])
			}
			return resp, nil
		},
	}
}

// inputWindows and outputWindows are the names by which servers tell a model's windows, beside OpenAI's members:
// Groq's, Mistral's, Together's and OpenRouter's, vLLM's.
var (
	inputWindows  = []string{"context_window", "max_context_length", "context_length", "max_model_len"}
	outputWindows = []string{"max_completion_tokens", "max_output_length", "top_provider.max_completion_tokens"}
)

// windows fills the windows, and the name for display, from members that have other names. Those stay in Extra.
func windows(m *llm.Model) {
	fill := func(to *int, paths []string) {
		for _, p := range paths {
			if n := m.Extra.Get(p).Int(); *to == 0 && n > 0 {
				*to = int(n)
			}
		}
	}
	fill(&m.MaxInputTokens, inputWindows)
	fill(&m.MaxOutputTokens, outputWindows)
	if name := m.Extra.Get("name").Str; m.DisplayName == "" && name != m.ID {
		m.DisplayName = name
	}
}
