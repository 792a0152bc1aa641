package anthropic

import (
	"bytes"
	"net/http"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// CountTokens is the operation for this host: POST /v1/messages/count_tokens, below the path that Host.Path gives.
func (h Host) CountTokens() *llm.Op[llm.CountTokensRequest, llm.CountTokensResponse, llm.None] {
	return &llm.Op[llm.CountTokensRequest, llm.CountTokensResponse, llm.None]{
		Encode: func(call *llm.Call, req *llm.CountTokensRequest) (*http.Request, error) {
			b, err := EncodeCountTokens(call, req, h)
			if err != nil {
				return nil, err
			}
			path := "/v1/messages/count_tokens"
			if h.Path != nil {
				path = h.Path(call)
			}
			return b.request(call, path, req.Extra, h)
		},
		Decode: decodeCount,
	}
}

// EncodeCountTokens writes the body of a count: what a completion has of the prompt, and nothing of the answer.
func EncodeCountTokens(call *llm.Call, req *llm.CountTokensRequest, host Host) (Body, error) {
	w := wire{call: call, req: &llm.CompletionRequest{Messages: req.Messages, Tools: req.Tools, ToolChoice: req.ToolChoice,
		Thinking: req.Thinking, Extra: req.Extra}}
	w.family, _ = lookup(call.Model)
	w.e.B = make([]byte, 0, sizeHint(req.Messages))
	w.begin(host)
	t := w.thinkingMode()
	w.conversation(req.Messages)
	w.tools()
	w.toolChoice(t)
	w.thinkingMember(t)
	return w.body(host)
}

func decodeCount(_ *llm.Call, _ http.Header, body []byte) (*llm.CountTokensResponse, error) {
	r := &llm.CountTokensResponse{InputTokens: -1}
	var failure *apiError
	var d jsonx.Decoder
	d.Reset(bytes.TrimSpace(body))
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "input_tokens":
			r.InputTokens = d.Int()
		case "error":
			failure = new(apiError)
			failure.decode(&d)
		case "type", "request_id":
			d.Skip()
		default:
			keep(&r.Extra, &d)
		}
	}
	switch err := d.End(); {
	case err != nil:
		return nil, llm.Malformed("the answer is not a count of tokens", err)
	case failure != nil:
		return nil, failure.error(http.StatusOK)
	case r.InputTokens < 0:
		return nil, llm.Malformed("the answer has no input_tokens", nil)
	}
	return r, nil
}
