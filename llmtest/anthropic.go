package llmtest

import (
	"net/http"

	"github.com/llm-go/llm"
)

// Anthropic API reference, "Messages", "Streaming messages" and "Errors".
var anthropicCodec = codec{
	whole:   func(a *Answer, _ *Request) any { return anthropicMessage(a) },
	stream:  anthropicStream,
	failure: anthropicFailure,
	event: func(f failure) frame {
		_, body := anthropicFailure(f)
		return frame{name: "error", data: marshal(body)}
	},
	ping:        frame{name: "ping", data: []byte(`{"type":"ping"}`)},
	pack:        packSSE,
	contentType: "text/event-stream; charset=utf-8",
}

func anthropicStop(reason llm.FinishReason) string {
	switch reason {
	case llm.FinishToolCalls:
		return "tool_use"
	case llm.FinishLength:
		return "max_tokens"
	case llm.FinishContentFilter:
		return "refusal"
	case llm.FinishStop:
		return "end_turn"
	}
	return string(reason)
}

func anthropicUsage(u *llm.Usage) obj {
	read, written := cachedTokens(u)
	return obj{"input_tokens": u.PromptTokens - read - written, "cache_read_input_tokens": read, "cache_creation_input_tokens": written,
		"output_tokens": u.CompletionTokens, "service_tier": "standard"}
}

func anthropicMessage(a *Answer) obj {
	blocks := []obj{}
	if a.Reasoning != "" {
		blocks = append(blocks, obj{"type": "thinking", "thinking": a.Reasoning, "signature": a.Signature})
	}
	if a.Text != "" {
		blocks = append(blocks, obj{"type": "text", "text": a.Text})
	}
	for _, c := range a.ToolCalls {
		blocks = append(blocks, obj{"type": "tool_use", "id": c.ID, "name": c.Function.Name, "input": object(c.Function.Arguments)})
	}
	return obj{"id": a.ID, "type": "message", "role": "assistant", "model": a.Model, "content": blocks, "stop_reason": anthropicStop(a.FinishReason),
		"stop_sequence": nil, "usage": anthropicUsage(a.Usage)}
}

func anthropicStream(a *Answer, _ *Request) []frame {
	var frames []frame
	add := func(p part, e obj) {
		frames = append(frames, frame{name: e["type"].(string), data: marshal(e), part: p})
	}
	m := anthropicMessage(a)
	blocks := m["content"].([]obj)
	m["content"], m["stop_reason"] = []any{}, nil
	usage := anthropicUsage(a.Usage)
	usage["output_tokens"] = 1
	m["usage"] = usage
	add(opening, obj{"type": "message_start", "message": m})
	for i, b := range blocks {
		delta := func(d obj) { add(content, obj{"type": "content_block_delta", "index": i, "delta": d}) }
		start := func(b obj) { add(opening, obj{"type": "content_block_start", "index": i, "content_block": b}) }
		switch b["type"] {
		case "thinking":
			start(obj{"type": "thinking", "thinking": "", "signature": ""})
			for _, piece := range words(a.Reasoning) {
				delta(obj{"type": "thinking_delta", "thinking": piece})
			}
			delta(obj{"type": "signature_delta", "signature": a.Signature})
		case "text":
			start(obj{"type": "text", "text": ""})
			for _, piece := range a.Chunks {
				delta(obj{"type": "text_delta", "text": piece})
			}
		case "tool_use":
			start(obj{"type": "tool_use", "id": b["id"], "name": b["name"], "input": obj{}})
			c := a.ToolCalls[i-(len(blocks)-len(a.ToolCalls))]
			for _, piece := range pieces(c.Function.Arguments) {
				delta(obj{"type": "input_json_delta", "partial_json": piece})
			}
		}
		add(closing, obj{"type": "content_block_stop", "index": i})
		if i == 0 {
			frames = append(frames, frame{name: "ping", data: []byte(`{"type":"ping"}`), part: opening})
		}
	}
	add(closing, obj{"type": "message_delta", "delta": obj{"stop_reason": anthropicStop(a.FinishReason), "stop_sequence": nil},
		"usage": anthropicUsage(a.Usage)})
	add(terminal, obj{"type": "message_stop"})
	return frames
}

func anthropicFailure(f failure) (http.Header, any) {
	kinds := map[int]string{401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error",
		413: "request_too_large", 429: "rate_limit_error", 504: "timeout_error", 529: "overloaded_error"}
	kind := kinds[f.status]
	switch {
	case f.reason == "quota":
		kind = "billing_error"
	case kind != "":
	case f.status >= 500:
		kind = "api_error"
	default:
		kind = "invalid_request_error"
	}
	return http.Header{"Request-Id": {f.id}}, obj{"type": "error", "error": obj{"type": kind, "message": f.message}, "request_id": f.id}
}
