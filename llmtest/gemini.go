package llmtest

import (
	"fmt"
	"net/http"

	"github.com/llm-go/llm"
)

// Gemini API reference, "Generating content"; Google Cloud APIs, "Errors".
var geminiCodec = codec{
	whole: func(a *Answer, _ *Request) any {
		return geminiResponse(a, geminiParts(a), true)
	},
	stream:      geminiStream,
	failure:     geminiFailure,
	event:       func(f failure) frame { _, body := geminiFailure(f); return frame{data: marshal(body)} },
	pack:        packSSE,
	contentType: "text/event-stream",
}

func geminiFinish(reason llm.FinishReason) string {
	switch reason {
	case llm.FinishStop, llm.FinishToolCalls: // Gemini has no reason of its own for a turn with calls
		return "STOP"
	case llm.FinishLength:
		return "MAX_TOKENS"
	case llm.FinishContentFilter:
		return "SAFETY"
	}
	return string(reason)
}

// geminiParts: the signature of the thinking is on the first part after it.
func geminiParts(a *Answer) []obj {
	var parts []obj
	if a.Reasoning != "" {
		parts = append(parts, obj{"text": a.Reasoning, "thought": true})
	}
	sign := func(p obj) {
		if a.Reasoning != "" && len(parts) == 1 {
			p["thoughtSignature"] = a.Signature
		}
		parts = append(parts, p)
	}
	if a.Text != "" || len(a.ToolCalls) == 0 {
		sign(obj{"text": a.Text})
	}
	for _, c := range a.ToolCalls {
		sign(geminiCall(c))
	}
	return parts
}

func geminiCall(c llm.ToolCall) obj {
	return obj{"functionCall": obj{"id": c.ID, "name": c.Function.Name, "args": object(c.Function.Arguments)}}
}

func geminiResponse(a *Answer, parts []obj, last bool) obj {
	candidate := obj{"content": obj{"role": "model", "parts": parts}, "index": 0}
	if last {
		candidate["finishReason"] = geminiFinish(a.FinishReason)
	}
	u := a.Usage
	read, _ := cachedTokens(u)
	usage := obj{"promptTokenCount": u.PromptTokens, "totalTokenCount": u.TotalTokens}
	if last {
		usage["candidatesTokenCount"] = u.CompletionTokens - reasoningTokens(u)
	}
	if n := reasoningTokens(u); n > 0 {
		usage["thoughtsTokenCount"] = n
	}
	if read > 0 {
		usage["cachedContentTokenCount"] = read
	}
	return obj{"candidates": []obj{candidate}, "usageMetadata": usage, "modelVersion": a.Model, "responseId": a.ID}
}

func geminiStream(a *Answer, _ *Request) []frame {
	var frames []frame
	add := func(p part, parts []obj) {
		frames = append(frames, frame{data: marshal(geminiResponse(a, parts, p == terminal)), part: p})
	}
	for _, piece := range words(a.Reasoning) {
		add(content, []obj{{"text": piece, "thought": true}})
	}
	signed := a.Reasoning == ""
	sign := func(p obj) []obj {
		if !signed {
			p["thoughtSignature"], signed = a.Signature, true
		}
		return []obj{p}
	}
	for _, piece := range a.Chunks {
		add(content, sign(obj{"text": piece}))
	}
	for _, c := range a.ToolCalls {
		add(content, sign(geminiCall(c)))
	}
	// The last chunk has no text of its own.
	add(terminal, []obj{{"text": ""}})
	return frames
}

func geminiFailure(f failure) (http.Header, any) {
	states := map[int]string{400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 408: "DEADLINE_EXCEEDED",
		409: "ABORTED", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}
	state := states[f.status]
	if state == "" {
		state = "UNKNOWN"
	}
	e := obj{"code": f.status, "message": f.message, "status": state}
	var details []obj
	if f.reason == "quota" {
		details = append(details, obj{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": []obj{{
			"quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
			"quotaId":     "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}}})
	}
	if f.reason == "field" {
		details = append(details, obj{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": []obj{{
			"field": "generation_config.temperature", "description": f.message}}})
	}
	if f.status == http.StatusUnauthorized {
		details = append(details, obj{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"})
	}
	if f.wait > 0 {
		details = append(details, obj{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": fmt.Sprintf("%gs", f.wait.Seconds())})
	}
	if details != nil {
		e["details"] = details
	}
	return http.Header{"X-Request-Id": {f.id}}, obj{"error": e}
}
