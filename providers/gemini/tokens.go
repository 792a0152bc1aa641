package gemini

import (
	"net/http"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// encodeCountTokens asks for the count of a whole generateContent request, so that instructions and tools count too. On
// Vertex AI the members stand by themselves.
func (h Host) encodeCountTokens(call *llm.Call, req *llm.CountTokensRequest) (*http.Request, error) {
	f := familyOf(call.Model)
	var e jsonx.Encoder
	e.Object()
	if !h.Vertex {
		e.Name("generateContentRequest")
		e.Object()
		e.Name("model")
		e.Str(resourceName(call.Model, func(s string) string { return s }))
	}
	if err := writeConversation(call, &e, f, req.Messages); err != nil {
		return nil, err
	}
	tools := toolset{tools: req.Tools, choice: req.ToolChoice}
	if h.Vertex {
		tools.choice = nil // it has no place there, and does not count
	}
	if err := h.writeTools(call, &e, f, tools); err != nil {
		return nil, err
	}
	if err := writeConfig(call, &e, f, &llm.CompletionRequest{Thinking: req.Thinking}); err != nil {
		return nil, err
	}
	if !h.Vertex {
		e.EndObject()
	}
	e.EndObject()
	if err := e.Err(); err != nil {
		return nil, llm.InvalidRequest("request", "a value cannot be written as JSON: "+err.Error())
	}
	return h.request(call, "countTokens", e.B, req.Extra)
}

func decodeCountTokens(_ *llm.Call, h http.Header, body []byte) (*llm.CountTokensResponse, error) {
	var d jsonx.Decoder
	d.Reset(body)
	r := &llm.CountTokensResponse{}
	counted, failed := false, false
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "totalTokens":
			r.InputTokens, counted = d.Int(), true
		case "cachedContentTokenCount":
			r.CachedTokens = d.Int()
		case "error":
			failed = true
			d.Skip()
		default:
			keep(&r.Extra, &d)
		}
	}
	switch err := d.End(); {
	case err != nil:
		return nil, malformed(err)
	case failed:
		return nil, Error(0, h, body)
	case !counted:
		return nil, llm.Malformed("the answer has no count", nil)
	}
	return r, nil
}
