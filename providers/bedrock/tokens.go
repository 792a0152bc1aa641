package bedrock

import (
	"net/http"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// encodeCountTokens writes the input of CountTokens in its converse form.
func encodeCountTokens(call *llm.Call, req *llm.CountTokensRequest) (*http.Request, error) {
	w := &writer{call: call, family: familyOf(call.Model)}
	e := &w.e
	e.Object()
	e.Name("input")
	e.Object()
	e.Name("converse")
	e.Object()
	w.conversation(req.Messages)
	w.tools(req.Messages, toolbox{req.Tools, req.ToolChoice})
	w.additional(additional{thinking: req.Thinking})
	e.EndObject()
	e.EndObject()
	e.EndObject()
	if err := w.error(); err != nil {
		return nil, err
	}
	return call.NewJSONRequest(modelPath(call, "count-tokens"), e.B, req.Extra)
}

func decodeCountTokens(_ *llm.Call, _ http.Header, body []byte) (*llm.CountTokensResponse, error) {
	r := &llm.CountTokensResponse{}
	counted := false
	var d jsonx.Decoder
	d.Reset(body)
	for d.Object(); d.More(); {
		if string(d.Key()) == "inputTokens" {
			r.InputTokens, counted = d.Int(), true
		} else {
			keep(&r.Extra, &d)
		}
	}
	if err := d.End(); err != nil {
		return nil, llm.Malformed("the answer is not the JSON that CountTokens promises", err)
	}
	if !counted {
		return nil, llm.Malformed("the answer has no count", nil)
	}
	return r, nil
}
