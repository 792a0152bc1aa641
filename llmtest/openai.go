package llmtest

import (
	"net/http"
	"strings"
	"time"

	"github.com/llm-go/llm"
)

// OpenAI API reference, "Chat" and "Error codes".
var openaiCodec = codec{
	whole:       chatWhole,
	stream:      chatStream,
	failure:     openaiFailure,
	event:       func(f failure) frame { _, body := openaiFailure(f); return frame{data: marshal(body)} },
	pack:        packSSE,
	contentType: "text/event-stream; charset=utf-8",
}

func chatUsage(u *llm.Usage) obj {
	read, _ := cachedTokens(u)
	return obj{"prompt_tokens": u.PromptTokens, "completion_tokens": u.CompletionTokens, "total_tokens": u.TotalTokens,
		"prompt_tokens_details":     obj{"cached_tokens": read, "audio_tokens": 0},
		"completion_tokens_details": obj{"reasoning_tokens": reasoningTokens(u), "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}}
}

func chatWhole(a *Answer, r *Request) any {
	if r.Operation == "text_completion" {
		return obj{"id": a.ID, "object": "text_completion", "created": time.Now().Unix(), "model": a.Model, "usage": chatUsage(a.Usage),
			"choices": []obj{{"index": 0, "text": a.Text, "finish_reason": a.FinishReason, "logprobs": nil}}}
	}
	m := obj{"role": "assistant", "content": a.Text, "refusal": nil, "annotations": []any{}}
	if a.Text == "" && len(a.ToolCalls) > 0 {
		m["content"] = nil
	}
	if a.Reasoning != "" {
		m["reasoning_content"] = a.Reasoning
	}
	var calls []obj
	for _, c := range a.ToolCalls {
		calls = append(calls, obj{"id": c.ID, "type": "function", "function": obj{"name": c.Function.Name, "arguments": c.Function.Arguments}})
	}
	if calls != nil {
		m["tool_calls"] = calls
	}
	return obj{"id": a.ID, "object": "chat.completion", "created": time.Now().Unix(), "model": a.Model, "service_tier": "default",
		"choices": []obj{{"index": 0, "message": m, "logprobs": nil, "finish_reason": a.FinishReason}}, "usage": chatUsage(a.Usage)}
}

func chatStream(a *Answer, r *Request) []frame {
	created := time.Now().Unix()
	chunk := func(p part, choices []obj, usage any) frame {
		object := "chat.completion.chunk"
		if r.Operation == "text_completion" {
			object = "text_completion"
		}
		c := obj{"id": a.ID, "object": object, "created": created, "model": a.Model, "choices": choices}
		if r.usageWanted {
			c["usage"] = usage
		}
		return frame{data: marshal(c), part: p}
	}
	var frames []frame
	add := func(p part, delta obj, finish any) {
		frames = append(frames, chunk(p, []obj{{"index": 0, "delta": delta, "logprobs": nil, "finish_reason": finish}}, nil))
	}
	if r.Operation == "text_completion" {
		for _, piece := range a.Chunks {
			frames = append(frames, chunk(content, []obj{{"index": 0, "text": piece, "finish_reason": nil, "logprobs": nil}}, nil))
		}
		frames = append(frames, chunk(closing, []obj{{"index": 0, "text": "", "finish_reason": a.FinishReason, "logprobs": nil}}, nil))
	} else {
		add(opening, obj{"role": "assistant", "content": "", "refusal": nil}, nil)
		for _, piece := range words(a.Reasoning) {
			add(content, obj{"reasoning_content": piece}, nil)
		}
		for _, piece := range a.Chunks {
			add(content, obj{"content": piece}, nil)
		}
		for i, c := range a.ToolCalls {
			add(content, obj{"tool_calls": []obj{{"index": i, "id": c.ID, "type": "function", "function": obj{"name": c.Function.Name, "arguments": ""}}}}, nil)
			for _, piece := range pieces(c.Function.Arguments) {
				add(content, obj{"tool_calls": []obj{{"index": i, "function": obj{"arguments": piece}}}}, nil)
			}
		}
		add(closing, obj{}, a.FinishReason)
	}
	if r.usageWanted {
		frames = append(frames, chunk(closing, []obj{}, chatUsage(a.Usage)))
	}
	return append(frames, frame{data: []byte("[DONE]"), part: terminal})
}

func openaiFailure(f failure) (http.Header, any) {
	kind, code, param := "invalid_request_error", any(nil), any(nil)
	switch {
	case f.reason == "field":
		code, param = "decimal_above_max_value", "temperature"
	case f.reason == "context_window":
		code = "context_length_exceeded"
	case f.reason == "content_policy":
		code = "content_policy_violation"
	case f.reason == "quota":
		kind, code = "insufficient_quota", "insufficient_quota"
	case f.status == http.StatusUnauthorized:
		code = "invalid_api_key"
	case f.status == http.StatusNotFound:
		code = "model_not_found"
	case f.status == http.StatusTooManyRequests:
		kind, code = "requests", "rate_limit_exceeded"
	case f.status >= 500:
		kind = "server_error"
	}
	message := f.message
	if f.wait > 0 {
		message += " Please try again in " + f.wait.String() + "."
	}
	return http.Header{"X-Request-Id": {f.id}}, obj{"error": obj{"message": message, "type": kind, "param": param, "code": code}}
}

// OpenAI API reference, "Responses" and "Streaming events".
var responsesCodec = codec{
	whole:   func(a *Answer, r *Request) any { return responsesWhole(a, r) },
	stream:  responsesStream,
	failure: openaiFailure,
	event: func(f failure) frame {
		_, body := openaiFailure(f)
		e := body.(obj)["error"].(obj)
		if f.status >= 500 {
			e["code"] = "server_error"
		}
		return frame{name: "error", data: marshal(obj{"type": "error", "code": e["code"], "message": e["message"], "param": nil, "sequence_number": 99})}
	},
	pack:        packSSE,
	contentType: "text/event-stream; charset=utf-8",
}

// responsesItems are the output items, each with the events that stream it between its added and done.
func responsesItems(a *Answer, r *Request) (items []obj, events [][]obj) {
	serial := strings.TrimPrefix(a.ID, "resp_")
	if a.Reasoning != "" {
		id := "rs_" + serial
		item := obj{"id": id, "type": "reasoning", "summary": []obj{{"type": "summary_text", "text": a.Reasoning}}}
		if r.reasoning {
			item["encrypted_content"] = a.Signature
		}
		part := func(text string) obj { return obj{"type": "summary_text", "text": text} }
		list := []obj{{"type": "response.reasoning_summary_part.added", "item_id": id, "summary_index": 0, "part": part("")}}
		for _, piece := range words(a.Reasoning) {
			list = append(list, obj{"type": "response.reasoning_summary_text.delta", "item_id": id, "summary_index": 0, "delta": piece})
		}
		list = append(list, obj{"type": "response.reasoning_summary_text.done", "item_id": id, "summary_index": 0, "text": a.Reasoning},
			obj{"type": "response.reasoning_summary_part.done", "item_id": id, "summary_index": 0, "part": part(a.Reasoning)})
		items, events = append(items, item), append(events, list)
	}
	if a.Text != "" || len(a.ToolCalls) == 0 {
		id := "msg_" + serial
		part := func(text string) obj {
			return obj{"type": "output_text", "text": text, "annotations": []any{}, "logprobs": []any{}}
		}
		item := obj{"id": id, "type": "message", "status": "completed", "role": "assistant", "content": []obj{part(a.Text)}}
		list := []obj{{"type": "response.content_part.added", "item_id": id, "content_index": 0, "part": part("")}}
		for _, piece := range a.Chunks {
			list = append(list, obj{"type": "response.output_text.delta", "item_id": id, "content_index": 0, "delta": piece, "logprobs": []any{}})
		}
		list = append(list, obj{"type": "response.output_text.done", "item_id": id, "content_index": 0, "text": a.Text, "logprobs": []any{}},
			obj{"type": "response.content_part.done", "item_id": id, "content_index": 0, "part": part(a.Text)})
		items, events = append(items, item), append(events, list)
	}
	for _, c := range a.ToolCalls {
		id := "fc_" + strings.TrimPrefix(c.ID, "call_")
		item := obj{"id": id, "type": "function_call", "status": "completed", "call_id": c.ID, "name": c.Function.Name, "arguments": c.Function.Arguments}
		var list []obj
		for _, piece := range pieces(c.Function.Arguments) {
			list = append(list, obj{"type": "response.function_call_arguments.delta", "item_id": id, "delta": piece})
		}
		list = append(list, obj{"type": "response.function_call_arguments.done", "item_id": id, "name": c.Function.Name, "arguments": c.Function.Arguments})
		items, events = append(items, item), append(events, list)
	}
	return items, events
}

func responsesWhole(a *Answer, r *Request) obj {
	items, _ := responsesItems(a, r)
	read, _ := cachedTokens(a.Usage)
	resp := obj{"id": a.ID, "object": "response", "created_at": time.Now().Unix(), "status": "completed", "model": a.Model, "output": items,
		"error": nil, "incomplete_details": nil, "parallel_tool_calls": true, "tool_choice": "auto", "tools": []any{}, "metadata": obj{},
		"usage": obj{"input_tokens": a.Usage.PromptTokens, "input_tokens_details": obj{"cached_tokens": read},
			"output_tokens": a.Usage.CompletionTokens, "output_tokens_details": obj{"reasoning_tokens": reasoningTokens(a.Usage)},
			"total_tokens": a.Usage.TotalTokens}}
	switch a.FinishReason {
	case llm.FinishLength:
		resp["status"], resp["incomplete_details"] = "incomplete", obj{"reason": "max_output_tokens"}
	case llm.FinishContentFilter:
		resp["status"], resp["incomplete_details"] = "incomplete", obj{"reason": "content_filter"}
	}
	return resp
}

func responsesStream(a *Answer, r *Request) []frame {
	var frames []frame
	add := func(p part, e obj) {
		e["sequence_number"] = len(frames)
		frames = append(frames, frame{name: e["type"].(string), data: marshal(e), part: p})
	}
	begun := responsesWhole(a, r)
	begun["status"], begun["output"], begun["usage"], begun["incomplete_details"] = "in_progress", []any{}, nil, nil
	add(opening, obj{"type": "response.created", "response": begun})
	add(opening, obj{"type": "response.in_progress", "response": begun})
	items, events := responsesItems(a, r)
	for i, item := range items {
		empty := obj{}
		for k, v := range item {
			empty[k] = v
		}
		delete(empty, "encrypted_content")
		for k, v := range (obj{"status": "in_progress", "content": []any{}, "summary": []any{}, "arguments": ""}) {
			if _, ok := empty[k]; ok {
				empty[k] = v
			}
		}
		add(opening, obj{"type": "response.output_item.added", "output_index": i, "item": empty})
		for _, e := range events[i] {
			p := closing
			switch name := e["type"].(string); {
			case strings.HasSuffix(name, ".delta"):
				p = content
			case strings.HasSuffix(name, ".added"):
				p = opening
			}
			e["output_index"] = i
			add(p, e)
		}
		add(closing, obj{"type": "response.output_item.done", "output_index": i, "item": item})
	}
	whole := responsesWhole(a, r)
	add(terminal, obj{"type": "response." + whole["status"].(string), "response": whole})
	return frames
}
