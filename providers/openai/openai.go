// Package openai speaks OpenAI's API, and is the dialect that most other hosts borrow: a [Host] says where a host
// is and in what it differs, and [New] makes a provider of it. The table of such hosts is package compat.
//
// The API is that of OpenAI's API reference (https://platform.openai.com/docs/api-reference): "Chat", "Completions"
// (legacy), "Responses", "Embeddings", "Images", "Audio", "Moderations", "Models".
//
// Nothing is sent that the caller has not set, with two exceptions in streams: "stream": true, and
// "stream_options": {"include_usage": true} at hosts that are known to accept it. OPENAI_ORG_ID (or
// OPENAI_ORGANIZATION) and OPENAI_PROJECT_ID become the headers OpenAI-Organization and OpenAI-Project.
package openai

import (
	"context"
	"net/http"
	"strings"

	"github.com/llm-go/llm"
)

// Host describes a host that speaks OpenAI's dialect.
type Host struct {
	// Name and Aliases are what stands before the slash in "provider/model".
	Name    string
	Aliases []string
	// BaseURL, BaseURLEnv, KeyEnv, KeyOptional and Doc are those of [llm.Provider].
	BaseURL     string
	BaseURLEnv  []string
	KeyEnv      []string
	KeyOptional bool
	Doc         string
	// Auth signs requests; nil: [llm.BearerAuth].
	Auth llm.Auth
	// Header is sent with each request.
	Header map[string]string
	// HeaderSetting maps a header to the settings (environment variables) that hold its value, separated by
	// spaces; the first that is set wins, and without any the header is not sent.
	HeaderSetting map[string]string
	// Ops are the operations that the host offers, as words: "completion responses text_completion embedding
	// image image_edit image_variation speech transcription translation moderation models".
	Ops string
	// Quirks are the host's deviations.
	Quirks Quirks
}

var provider = New(Host{
	Name:       "openai",
	BaseURL:    "https://api.openai.com/v1",
	BaseURLEnv: []string{"OPENAI_BASE_URL", "OPENAI_API_BASE"},
	KeyEnv:     []string{"OPENAI_API_KEY"},
	Doc:        "https://platform.openai.com/docs/api-reference",
	HeaderSetting: map[string]string{
		"OpenAI-Organization": "OPENAI_ORG_ID OPENAI_ORGANIZATION",
		"OpenAI-Project":      "OPENAI_PROJECT_ID",
	},
	Ops: "completion responses text_completion embedding image image_edit image_variation speech transcription translation " +
		"moderation models",
	Quirks: Quirks{
		Accept:          "developer allowed_tools",
		Refuse:          "video_url",
		ToolID:          "40",
		StrictSchema:    true,
		EmbeddingBase64: true,
	},
})

func init() {
	provider.ResponsesOnly = responsesOnly
	llm.Register(provider)
}

// Provider is OpenAI itself.
func Provider() *llm.Provider { return provider }

// New makes the provider for a host. Its operations are closures over the host's quirks; a host that needs more
// than quirks starts from New and replaces an Op.
func New(h Host) *llm.Provider {
	p := &llm.Provider{
		Name: h.Name, Aliases: h.Aliases,
		BaseURL: h.BaseURL, BaseURLEnv: h.BaseURLEnv, KeyEnv: h.KeyEnv, KeyOptional: h.KeyOptional,
		Doc:  h.Doc,
		Auth: h.auth(), Error: Error,
	}
	q := h.Quirks
	for op := range strings.FieldsSeq(h.Ops) {
		switch op {
		case "completion":
			p.Completion = newCompletion(&q)
		case "responses":
			p.Responses = newResponses(&q)
		case "text_completion":
			p.TextCompletion = newTextCompletion(&q)
		case "embedding":
			p.Embedding = newEmbedding(&q)
		case "image":
			p.Image = newImage(&q)
		case "image_edit":
			p.ImageEdit = newImageEdit(&q)
		case "image_variation":
			p.ImageVariation = newImageVariation(&q)
		case "speech":
			p.Speech = newSpeech(&q)
		case "transcription":
			p.Transcription = newTranscription(&q)
		case "translation":
			p.Translation = newTranslation(&q)
		case "moderation":
			p.Moderation = newModeration(&q)
		case "models":
			p.Models = newModels(&q)
		default:
			panic("openai: host " + h.Name + " has an unknown operation: " + op)
		}
	}
	return p
}

// auth adds the host's headers to its Auth. They are set here and not by Encode, which may not read settings.
// A header that the caller has set stays.
func (h *Host) auth() llm.Auth {
	sign := h.Auth
	if sign == nil {
		sign = llm.BearerAuth
	}
	if len(h.Header) == 0 && len(h.HeaderSetting) == 0 {
		return sign
	}
	type header struct {
		name, value string
		settings    []string
	}
	var headers []header
	for name, value := range h.Header {
		headers = append(headers, header{name: name, value: value})
	}
	for name, settings := range h.HeaderSetting {
		headers = append(headers, header{name: name, settings: strings.Fields(settings)})
	}
	return func(ctx context.Context, r *http.Request, call *llm.Call) error {
		for _, x := range headers {
			if r.Header.Get(x.name) != "" {
				continue
			}
			v := x.value
			if v == "" {
				v = call.Setting(x.settings...)
			}
			if v != "" {
				r.Header.Set(x.name, v)
			}
		}
		return sign(ctx, r, call)
	}
}
