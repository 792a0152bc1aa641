// Package gemini is Google's Gemini API (generativelanguage.googleapis.com, v1beta) as a provider: "gemini/" and the
// model's name. Other hosts of the dialect, Vertex AI first, borrow it by [Host].
//
// Source: Gemini API reference (ai.google.dev/api): "Generating content", "Token counting", "Embeddings", "Models"; the
// guides "Gemini thinking", "Thought signatures", "Function calling", "Structured outputs", "OpenAI compatibility",
// "Speech generation", "Image generation"; and the vendor's SDKs for the names of environment variables.
//
// What is sent by default: nothing but the conversation. Without MaxTokens the model's own limit holds.
//
// System and developer messages are the systemInstruction, wherever they stand; one that stands after the
// conversation's begin is moved there with a warning.
//
// ReasoningEffort is a thinking level where the model has levels (Gemini 3 and later) and else a budget, as Google's
// OpenAI compatibility page has it: minimal and low 1,024 tokens, medium 8,192, high 24,576; above that the model's
// maximum. None is a budget of 0, or the level MINIMAL with a warning; models that cannot stop thinking refuse it. Both
// ReasoningEffort and Thinking ask for thought summaries, unless Thinking.Display is "omitted".
//
// Function calls that did not come from Gemini get the documented replacement of a thought signature, with a
// warning. Answers whose order or parts the flat message cannot show (code execution, server-side tools) carry their
// parts in Message.Native.
//
// A base URL that does not end with a version (v1, v1beta …) gets v1beta, as the vendor's SDKs do it.
//
// Members without a field go into Extra, which is laid over the body: safetySettings, cachedContent,
// generationConfig.imageConfig, generationConfig.mediaResolution, toolConfig.retrievalConfig, labels (Vertex AI).
package gemini

import (
	"fmt"
	"math"
	"net/http"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

func init() { llm.Register(provider) }

// Provider is the Gemini API.
func Provider() *llm.Provider { return provider }

var provider = &llm.Provider{
	Name:        "gemini",
	Aliases:     []string{"google"},
	Dialect:     Dialect,
	BaseURL:     baseURL,
	BaseURLEnv:  []string{"GOOGLE_GEMINI_BASE_URL", "GEMINI_API_BASE"},
	KeyEnv:      []string{"GOOGLE_API_KEY", "GEMINI_API_KEY"},
	Doc:         "https://ai.google.dev/api",
	Auth:        llm.HeaderAuth("x-goog-api-key"),
	Error:       Error,
	Completion:  Host{}.Completion(),
	Embedding:   &llm.Op[llm.EmbeddingRequest, llm.EmbeddingResponse, llm.None]{Encode: encodeEmbedding, Decode: decodeEmbedding},
	Image:       Host{}.Image(),
	ImageEdit:   Host{}.ImageEdit(),
	Speech:      Host{}.Speech(),
	CountTokens: Host{}.CountTokens(),
	Models:      &llm.Op[llm.ModelsRequest, llm.ModelsResponse, llm.None]{Do: listModels},
}

func (h Host) encodeCompletion(call *llm.Call, req *llm.CompletionRequest) (*http.Request, error) {
	if err := h.unsupported(call, req); err != nil {
		return nil, err
	}
	f := familyOf(call.Model)
	e := &jsonx.Encoder{B: call.Buffer(bodySize(req))}
	e.Object()
	if err := writeConversation(call, e, f, req.Messages); err != nil {
		return nil, err
	}
	if err := h.writeTools(call, e, f, toolset{req.Tools, req.ToolChoice, req.WebSearchOptions}); err != nil {
		return nil, err
	}
	if err := writeConfig(call, e, f, req); err != nil {
		return nil, err
	}
	if tier := req.ServiceTier; tier != "" && tier != "auto" {
		if tier == "default" {
			tier = "standard"
		}
		e.Name("serviceTier")
		e.Str(tier)
	}
	if !h.Vertex {
		e.PtrBool("store", req.Store)
	} else if len(req.Metadata) > 0 {
		e.Name("labels")
		e.Any(req.Metadata)
	}
	e.EndObject()
	if err := e.Err(); err != nil {
		return nil, llm.InvalidRequest("request", "a value cannot be written as JSON: "+err.Error())
	}
	method := "generateContent"
	if call.Stream {
		method = "streamGenerateContent?alt=sse"
	}
	return h.request(call, method, e.B, req.Extra)
}

// bodySize is a guess at the body's length that spares most of its growing.
func bodySize(req *llm.CompletionRequest) int {
	n := 512 + 512*len(req.Tools)
	for i := range req.Messages {
		m := &req.Messages[i]
		n += 64
		for j := range m.Content {
			p := &m.Content[j]
			n += len(p.Text) + len(p.Text)/16 + 32
			if p.ImageURL != nil {
				n += len(p.ImageURL.URL)
			}
			if p.File != nil {
				n += len(p.File.FileData)
			}
		}
		for j := range m.ToolCalls {
			n += len(m.ToolCalls[j].Function.Arguments) + len(m.ToolCalls[j].Signature) + 128
		}
	}
	return n
}

// unsupported refuses, or drops, the fields that the wire does not have.
func (h Host) unsupported(call *llm.Call, req *llm.CompletionRequest) error {
	for _, p := range []struct {
		set       bool
		name, why string
	}{
		{len(req.LogitBias) > 0, "logit_bias", ""},
		{req.Verbosity != "", "verbosity", ""},
		{req.Prediction != nil, "prediction", ""},
		{req.User != "", "user", ""},
		{req.SafetyIdentifier != "", "safety_identifier", ""},
		{req.PromptCacheKey != "", "prompt_cache_key", "Gemini caches by itself, or by the Extra member cachedContent"},
		{req.PromptCacheRetention != "", "prompt_cache_retention", ""},
		{req.CacheControl != nil, "cache_control", "Gemini caches by itself, or by the Extra member cachedContent"},
		{len(req.Metadata) > 0 && !h.Vertex, "metadata", ""},
		{req.Store != nil && h.Vertex, "store", ""},
		{req.ParallelToolCalls != nil && !*req.ParallelToolCalls, "parallel_tool_calls", "Gemini cannot be held to one call"},
	} {
		if p.set {
			if err := call.Unsupported(p.name, p.why); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeConfig writes the member generationConfig, unless there is nothing in it.
func writeConfig(call *llm.Call, e *jsonx.Encoder, f *family, req *llm.CompletionRequest) error {
	start := len(e.B)
	e.Name("generationConfig")
	e.Object()
	empty := len(e.B)
	e.OptInt("maxOutputTokens", req.MaxTokens)
	e.PtrFloat("temperature", req.Temperature)
	e.PtrFloat("topP", req.TopP)
	e.OptInt("topK", req.TopK)
	e.OptInt("candidateCount", req.N)
	e.Strs("stopSequences", req.Stop)
	if req.Seed != nil && (*req.Seed > math.MaxInt32 || *req.Seed < math.MinInt32) {
		return llm.InvalidRequest("seed", "Gemini takes a seed of 32 bits")
	}
	e.PtrInt64("seed", req.Seed)
	e.PtrFloat("frequencyPenalty", req.FrequencyPenalty)
	e.PtrFloat("presencePenalty", req.PresencePenalty)
	e.OptBool("responseLogprobs", req.Logprobs)
	if req.Logprobs && req.TopLogprobs != nil && *req.TopLogprobs > 0 {
		e.PtrInt("logprobs", req.TopLogprobs)
	}
	if err := writeFormat(call, e, f, req.ResponseFormat); err != nil {
		return err
	}
	if len(req.Modalities) > 0 {
		e.Name("responseModalities")
		e.Array()
		for _, m := range req.Modalities {
			e.Str(strings.ToUpper(m))
		}
		e.EndArray()
	}
	if a := req.Audio; a != nil {
		if a.Format != "" && a.Format != "pcm16" && a.Format != "pcm" {
			if err := call.Unsupported("audio.format", "Gemini answers in pcm16"); err != nil {
				return err
			}
		}
		writeVoice(e, a.Voice)
	}
	thinking, err := f.thinkingOf(call, req.Thinking, req.ReasoningEffort)
	if err != nil {
		return err
	}
	thinking.write(e)
	if len(e.B) == empty {
		e.B = e.B[:start]
		return nil
	}
	e.EndObject()
	return nil
}

func writeVoice(e *jsonx.Encoder, voice string) {
	if voice == "" {
		return
	}
	for _, name := range []string{"speechConfig", "voiceConfig", "prebuiltVoiceConfig"} {
		e.Name(name)
		e.Object()
	}
	e.Name("voiceName")
	e.Str(voice)
	e.EndObject()
	e.EndObject()
	e.EndObject()
}

func writeFormat(call *llm.Call, e *jsonx.Encoder, f *family, format *llm.ResponseFormat) error {
	if format == nil || format.Type == "text" || format.Type == "" {
		return nil
	}
	switch {
	case format.Type == "json_object", format.Type == "json_schema" && (format.JSONSchema == nil || format.JSONSchema.Schema == nil):
		e.Name("responseMimeType")
		e.Str("application/json")
	case format.Type == "json_schema":
		e.Name("responseMimeType")
		e.Str("application/json")
		if f.openAPI {
			e.Name("responseSchema")
		} else {
			e.Name("responseJsonSchema")
		}
		schema := withDescription(format.JSONSchema.Schema, format.JSONSchema.Description)
		w := schemaWriter{call: call, e: e, family: f}
		return w.write(schema, "response_format.json_schema.schema")
	default:
		return call.Unsupported("response_format", fmt.Sprintf("Gemini has no %q", format.Type))
	}
	return nil
}

// decodeCompletion reads a GenerateContentResponse.
func decodeCompletion(call *llm.Call, h http.Header, body []byte) (*llm.CompletionResponse, error) {
	a, err := readAnswer(call, h, body)
	if err != nil {
		return nil, err
	}
	r := &llm.CompletionResponse{ID: a.id, Object: "chat.completion", Created: a.created, Model: a.model, Extra: a.extra}
	if r.Model == "" {
		r.Model = call.Model
	}
	r.Choices = make([]llm.Choice, len(a.turns))
	for i := range a.turns {
		a.turns[i].choice(&r.Choices[i])
	}
	if len(a.turns) == 1 {
		if err := a.turns[0].failure(); err != nil {
			return nil, err
		}
	}
	r.Usage, r.ServiceTier = a.usage()
	return r, nil
}
