package llmtest

import (
	"net/http"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/stream"
)

// Amazon Bedrock API reference, "Converse", "ConverseStream" and "Common errors".
var bedrockCodec = codec{
	whole:   bedrockWhole,
	stream:  bedrockStream,
	failure: bedrockFailure,
	event: func(f failure) frame {
		h, body := bedrockFailure(f)
		name := h.Get("X-Amzn-Errortype")
		return frame{name: "!" + strings.ToLower(name[:1]) + name[1:], data: marshal(body)}
	},
	ping:        frame{name: "ping", data: []byte("{}")}, // an event that nobody knows
	pack:        packAWS,
	contentType: "application/vnd.amazon.eventstream",
}

// packAWS frames an event, or, with ! before its name, an exception.
func packAWS(f frame) []byte {
	kind, header := "event", ":event-type"
	name, exception := strings.CutPrefix(f.name, "!")
	if exception {
		kind, header = "exception", ":exception-type"
	}
	return stream.AppendAWS(nil, stream.Message{Payload: f.data, Headers: []stream.Header{
		{Name: header, Value: name}, {Name: ":content-type", Value: "application/json"}, {Name: ":message-type", Value: kind}}})
}

func bedrockStop(reason llm.FinishReason) string {
	switch reason {
	case llm.FinishToolCalls:
		return "tool_use"
	case llm.FinishLength:
		return "max_tokens"
	case llm.FinishContentFilter:
		return "content_filtered"
	case llm.FinishStop:
		return "end_turn"
	}
	return string(reason)
}

func bedrockUsage(u *llm.Usage) obj {
	read, written := cachedTokens(u)
	usage := obj{"inputTokens": u.PromptTokens - read - written, "outputTokens": u.CompletionTokens, "totalTokens": u.TotalTokens}
	if read > 0 || written > 0 {
		usage["cacheReadInputTokens"], usage["cacheWriteInputTokens"] = read, written
	}
	return usage
}

func bedrockWhole(a *Answer, _ *Request) any {
	blocks := []obj{}
	if a.Reasoning != "" {
		blocks = append(blocks, obj{"reasoningContent": obj{"reasoningText": obj{"text": a.Reasoning, "signature": a.Signature}}})
	}
	if a.Text != "" {
		blocks = append(blocks, obj{"text": a.Text})
	}
	for _, c := range a.ToolCalls {
		blocks = append(blocks, obj{"toolUse": obj{"toolUseId": c.ID, "name": c.Function.Name, "input": object(c.Function.Arguments)}})
	}
	return obj{"output": obj{"message": obj{"role": "assistant", "content": blocks}}, "stopReason": bedrockStop(a.FinishReason),
		"usage": bedrockUsage(a.Usage), "metrics": obj{"latencyMs": 1}}
}

func bedrockStream(a *Answer, _ *Request) []frame {
	var frames []frame
	add := func(p part, name string, e obj) {
		frames = append(frames, frame{name: name, data: marshal(e), part: p})
	}
	index := 0
	delta := func(d obj) {
		add(content, "contentBlockDelta", obj{"contentBlockIndex": index, "delta": d})
	}
	stop := func() {
		add(closing, "contentBlockStop", obj{"contentBlockIndex": index})
		index++
	}
	add(opening, "messageStart", obj{"role": "assistant"})
	if a.Reasoning != "" {
		for _, piece := range words(a.Reasoning) {
			delta(obj{"reasoningContent": obj{"text": piece}})
		}
		delta(obj{"reasoningContent": obj{"signature": a.Signature}})
		stop()
	}
	if a.Text != "" {
		for _, piece := range a.Chunks {
			delta(obj{"text": piece})
		}
		stop()
	}
	for _, c := range a.ToolCalls {
		add(opening, "contentBlockStart", obj{"contentBlockIndex": index, "start": obj{"toolUse": obj{"toolUseId": c.ID, "name": c.Function.Name}}})
		for _, piece := range pieces(c.Function.Arguments) {
			delta(obj{"toolUse": obj{"input": piece}})
		}
		stop()
	}
	add(closing, "messageStop", obj{"stopReason": bedrockStop(a.FinishReason)})
	add(terminal, "metadata", obj{"usage": bedrockUsage(a.Usage), "metrics": obj{"latencyMs": 1}})
	return frames
}

func bedrockFailure(f failure) (http.Header, any) {
	names := map[int]string{400: "ValidationException", 401: "UnrecognizedClientException", 403: "AccessDeniedException", 404: "ResourceNotFoundException", 408: "ModelTimeoutException",
		424: "ModelErrorException", 429: "ThrottlingException", 500: "InternalServerException", 503: "ServiceUnavailableException"}
	name := names[f.status]
	switch {
	case f.reason == "quota":
		name = "ServiceQuotaExceededException"
	case name != "":
	default: // a status that is not Bedrock's comes from something in front of it
		return http.Header{"X-Amzn-Requestid": {f.id}}, obj{"message": f.message}
	}
	return http.Header{"X-Amzn-Errortype": {name}, "X-Amzn-Requestid": {f.id}}, obj{"message": f.message}
}
