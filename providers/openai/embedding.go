package openai

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/llm-go/llm"
)

// newEmbedding is "Create embeddings" of OpenAI's API reference. Hosts with the quirk EmbeddingBase64 are asked for
// base64, which is much shorter than digits and read five times faster. "embedding.input_type" in Quirks.Accept says
// that the host takes InputType.
func newEmbedding(q *Quirks) *llm.Op[llm.EmbeddingRequest, llm.EmbeddingResponse, llm.None] {
	return &llm.Op[llm.EmbeddingRequest, llm.EmbeddingResponse, llm.None]{
		Encode: func(call *llm.Call, req *llm.EmbeddingRequest) (*http.Request, error) {
			r := *req
			r.Model = q.model(call)
			if err := q.leaveOut(call, plain("dimensions", &r.Dimensions), plain("encoding_format", &r.EncodingFormat),
				special("input_type", &r.InputType), plain("user", &r.User)); err != nil {
				return nil, err
			}
			_, other := r.Extra["input"]
			switch {
			case len(r.Input) > 0 && len(r.Tokens) > 0:
				return nil, llm.InvalidRequest("input", "set Input or Tokens, not both")
			case len(r.Input) == 0 && len(r.Tokens) == 0 && !other:
				return nil, llm.InvalidRequest("input", "there is nothing to embed; set Input or Tokens")
			}
			if r.EncodingFormat == "" && q.EmbeddingBase64 {
				r.EncodingFormat = "base64"
			}
			size := 128
			for _, s := range r.Input {
				size += len(s) + len(s)/16 + 3
			}
			body, err := r.AppendJSON(call.Buffer(size))
			if err != nil {
				return nil, llm.InvalidRequest("input", err.Error())
			}
			return call.NewJSONRequest("/embeddings", body, r.Extra)
		},
		Decode: func(call *llm.Call, h http.Header, body []byte) (*llm.EmbeddingResponse, error) {
			resp := &llm.EmbeddingResponse{}
			if err := decodeBody(h, body, resp, &resp.Extra); err != nil {
				return nil, err
			}
			if len(resp.Data) == 0 {
				return nil, nothing(h, body, "vectors")
			}
			inOrder(resp.Data)
			if want := inputs(call); want > 0 && want != len(resp.Data) {
				return nil, llm.Malformed(fmt.Sprintf("the answer has %d vectors for %d inputs", len(resp.Data), want), nil)
			}
			for i := range resp.Data {
				if _, other := resp.Data[i].Extra["embedding"]; len(resp.Data[i].Embedding) == 0 && !other {
					return nil, llm.Malformed(fmt.Sprintf("vector %d of the answer is empty", i), nil)
				}
			}
			if resp.Usage != nil {
				usageExtra(resp.Usage)
			}
			return resp, nil
		},
	}
}

// inputs is how many vectors the call asks for; 0 if only the provider can know.
func inputs(call *llm.Call) int {
	req, ok := call.Request.(*llm.EmbeddingRequest)
	if !ok {
		return 0
	}
	if _, other := req.Extra["input"]; other {
		return 0
	}
	return len(req.Input) + len(req.Tokens)
}

// inOrder puts vectors in the order of their indexes. Where a host gives all the same index, they are in the order
// of the inputs already.
func inOrder(data []llm.EmbeddingData) {
	byIndex := func(a, b llm.EmbeddingData) int { return a.Index - b.Index }
	if !slices.IsSortedFunc(data, byIndex) {
		slices.SortStableFunc(data, byIndex)
	}
	if n := len(data); n > 1 && data[0].Index == data[n-1].Index {
		for i := range data {
			data[i].Index = i
		}
	}
}
