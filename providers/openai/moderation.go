package openai

import (
	"fmt"
	"net/http"

	"github.com/llm-go/llm"
)

// newModeration is "Create moderation" of OpenAI's API reference.
func newModeration(q *Quirks) *llm.Op[llm.ModerationRequest, llm.ModerationResponse, llm.None] {
	return &llm.Op[llm.ModerationRequest, llm.ModerationResponse, llm.None]{
		Encode: func(call *llm.Call, req *llm.ModerationRequest) (*http.Request, error) {
			r := *req
			r.Model = q.model(call)
			_, other := r.Extra["input"]
			switch {
			case len(r.Input) > 0 && len(r.Parts) > 0:
				return nil, llm.InvalidRequest("input", "set Input or Parts, not both")
			case len(r.Input) == 0 && len(r.Parts) == 0 && !other:
				return nil, llm.InvalidRequest("input", "there is nothing to judge; set Input or Parts")
			}
			for i := range r.Parts {
				if t := r.Parts[i].Type; t != "text" && t != "image_url" {
					return nil, llm.InvalidRequest(fmt.Sprintf("input[%d]", i), "moderation takes parts of type text and image_url, not "+t)
				}
			}
			body, err := r.AppendJSON(make([]byte, 0, 512))
			if err != nil {
				return nil, llm.InvalidRequest("input", err.Error())
			}
			return call.NewJSONRequest("/moderations", body, r.Extra)
		},
		Decode: func(call *llm.Call, h http.Header, body []byte) (*llm.ModerationResponse, error) {
			resp := &llm.ModerationResponse{}
			if err := decodeBody(h, body, resp, &resp.Extra); err != nil {
				return nil, err
			}
			if len(resp.Results) == 0 {
				return nil, nothing(h, body, "results")
			}
			// With one missing, the others would be taken for those of other texts.
			if req, ok := call.Request.(*llm.ModerationRequest); ok && len(req.Input) > 0 && req.Extra["input"] == nil && len(req.Input) != len(resp.Results) {
				return nil, llm.Malformed(fmt.Sprintf("the answer has %d results for %d inputs", len(resp.Results), len(req.Input)), nil)
			}
			return resp, nil
		},
	}
}
