package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
)

// What one would write by hand: net/http, encoding/json, and structs with the members that are needed and no others.

type chatRequest struct {
	Model         string         `json:"model"`
	Messages      []chatMessage  `json:"messages"`
	Temperature   float64        `json:"temperature"`
	MaxTokens     int            `json:"max_tokens,omitempty"`
	Stream        bool           `json:"stream,omitempty"`
	StreamOptions *streamOptions `json:"stream_options,omitempty"`
	Tools         []chatTool     `json:"tools,omitempty"`
}

type chatMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

type chatTool struct {
	Type     string       `json:"type"`
	Function chatFunction `json:"function"`
}

type chatFunction struct {
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Parameters  map[string]any `json:"parameters"`
}

type chatResponse struct {
	Choices []struct {
		Message      chatMessage `json:"message"`
		FinishReason string      `json:"finish_reason"`
	} `json:"choices"`
	Usage struct {
		PromptTokens     int `json:"prompt_tokens"`
		CompletionTokens int `json:"completion_tokens"`
	} `json:"usage"`
}

type chatChunk struct {
	Choices []struct {
		Delta struct {
			Content   string `json:"content"`
			ToolCalls []struct {
				Index    int    `json:"index"`
				ID       string `json:"id"`
				Function struct {
					Name      string `json:"name"`
					Arguments string `json:"arguments"`
				} `json:"function"`
			} `json:"tool_calls"`
		} `json:"delta"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
	Usage *struct {
		PromptTokens     int `json:"prompt_tokens"`
		CompletionTokens int `json:"completion_tokens"`
	} `json:"usage"`
}

type embedRequest struct {
	Model          string   `json:"model"`
	Input          []string `json:"input"`
	EncodingFormat string   `json:"encoding_format,omitempty"`
}

type embedResponse[V any] struct {
	Data []struct {
		Index     int `json:"index"`
		Embedding V   `json:"embedding"`
	} `json:"data"`
}

type anthropicRequest struct {
	Model       string        `json:"model"`
	MaxTokens   int           `json:"max_tokens"`
	System      string        `json:"system,omitempty"`
	Messages    []chatMessage `json:"messages"`
	Temperature float64       `json:"temperature"`
	Stream      bool          `json:"stream,omitempty"`
}

type anthropicResponse struct {
	Content []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	} `json:"content"`
	StopReason string `json:"stop_reason"`
	Usage      struct {
		InputTokens  int `json:"input_tokens"`
		OutputTokens int `json:"output_tokens"`
	} `json:"usage"`
}

type anthropicEvent struct {
	Type  string `json:"type"`
	Delta struct {
		Text       string `json:"text"`
		StopReason string `json:"stop_reason"`
	} `json:"delta"`
}

type geminiRequest struct {
	SystemInstruction *geminiContent  `json:"systemInstruction,omitempty"`
	Contents          []geminiContent `json:"contents"`
	GenerationConfig  struct {
		Temperature     float64 `json:"temperature"`
		MaxOutputTokens int     `json:"maxOutputTokens,omitempty"`
	} `json:"generationConfig"`
}

type geminiContent struct {
	Role  string       `json:"role,omitempty"`
	Parts []geminiPart `json:"parts"`
}

type geminiPart struct {
	Text string `json:"text"`
}

type geminiResponse struct {
	Candidates []struct {
		Content      geminiContent `json:"content"`
		FinishReason string        `json:"finishReason"`
	} `json:"candidates"`
	UsageMetadata struct {
		PromptTokenCount     int `json:"promptTokenCount"`
		CandidatesTokenCount int `json:"candidatesTokenCount"`
	} `json:"usageMetadata"`
}

func newChatRequest(in *Input, stream bool) *chatRequest {
	r := &chatRequest{Model: in.Model, Temperature: in.Temperature, MaxTokens: in.MaxTokens, Stream: stream}
	for _, t := range in.Turns {
		r.Messages = append(r.Messages, chatMessage{t.Role, t.Text})
	}
	for _, t := range in.Tools {
		r.Tools = append(r.Tools, chatTool{"function", chatFunction{t.Name, t.Description, t.Schema}})
	}
	if stream {
		r.StreamOptions = &streamOptions{true}
	}
	return r
}

func newEmbedRequest(in *Input, format string) *embedRequest {
	return &embedRequest{in.Model, in.Texts, format}
}

func newAnthropicRequest(in *Input, stream bool) *anthropicRequest {
	r := &anthropicRequest{Model: in.Model, MaxTokens: in.MaxTokens, Temperature: in.Temperature, Stream: stream}
	for _, t := range in.Turns {
		if t.Role == "system" {
			r.System = t.Text
		} else {
			r.Messages = append(r.Messages, chatMessage{t.Role, t.Text})
		}
	}
	return r
}

func newGeminiRequest(in *Input) *geminiRequest {
	r := &geminiRequest{}
	r.GenerationConfig.Temperature, r.GenerationConfig.MaxOutputTokens = in.Temperature, in.MaxTokens
	for _, t := range in.Turns {
		c := geminiContent{Parts: []geminiPart{{t.Text}}}
		switch t.Role {
		case "system":
			r.SystemInstruction = &c
			continue
		case "assistant":
			c.Role = "model"
		default:
			c.Role = "user"
		}
		r.Contents = append(r.Contents, c)
	}
	return r
}

func openPlain(t Target) (Ops, error) {
	return Ops{
		Chat: func(ctx context.Context, in *Input, out *Output) error {
			var r chatResponse
			if err := plainCall(ctx, t, in.Path, newChatRequest(in, false), &r); err != nil {
				return err
			}
			out.Text = r.Choices[0].Message.Content
			return nil
		},
		ChatStream: func(ctx context.Context, in *Input, out *Output) error {
			return plainStream(ctx, t, in.Path, newChatRequest(in, true), func(c *chatChunk) error {
				for i := range c.Choices {
					d := &c.Choices[i].Delta
					out.AddText(d.Content)
					for _, tc := range d.ToolCalls {
						out.AddCall(tc.Index, tc.Function.Name, tc.Function.Arguments)
					}
				}
				return nil
			})
		},
		Embed: func(ctx context.Context, in *Input, out *Output) error {
			var r embedResponse[[]float32]
			if err := plainCall(ctx, t, in.Path, newEmbedRequest(in, ""), &r); err != nil {
				return err
			}
			for i, d := range r.Data {
				out.AddVector(len(d.Embedding), float64(d.Embedding[i]))
			}
			return nil
		},
		EmbedBase64: func(ctx context.Context, in *Input, out *Output) error {
			var r embedResponse[string]
			if err := plainCall(ctx, t, in.Path, newEmbedRequest(in, "base64"), &r); err != nil {
				return err
			}
			for i, d := range r.Data {
				raw, err := base64.StdEncoding.DecodeString(d.Embedding)
				if err != nil {
					return err
				}
				v := make([]float32, len(raw)/4)
				for j := range v {
					v[j] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*j:]))
				}
				out.AddVector(len(v), float64(v[i]))
			}
			return nil
		},
		Anthropic: func(ctx context.Context, in *Input, out *Output) error {
			var r anthropicResponse
			if err := plainCall(ctx, t, in.Path, newAnthropicRequest(in, false), &r); err != nil {
				return err
			}
			out.Text = r.Content[0].Text
			return nil
		},
		AnthropicStream: func(ctx context.Context, in *Input, out *Output) error {
			return plainStream(ctx, t, in.Path, newAnthropicRequest(in, true), func(e *anthropicEvent) error {
				if e.Type == "error" {
					return fmt.Errorf("error event")
				}
				out.AddText(e.Delta.Text)
				return nil
			})
		},
		Gemini: func(ctx context.Context, in *Input, out *Output) error {
			var r geminiResponse
			if err := plainCall(ctx, t, in.Path, newGeminiRequest(in), &r); err != nil {
				return err
			}
			out.Text = r.Candidates[0].Content.Parts[0].Text
			return nil
		},
		GeminiStream: func(ctx context.Context, in *Input, out *Output) error {
			return plainStream(ctx, t, in.Path, newGeminiRequest(in), func(r *geminiResponse) error {
				for i := range r.Candidates {
					for _, p := range r.Candidates[i].Content.Parts {
						out.AddText(p.Text)
					}
				}
				return nil
			})
		},
	}, nil
}

func plainSend(ctx context.Context, t Target, path string, request any) (*http.Response, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer k")
	resp, err := t.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	if err := statusError(resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

func plainCall(ctx context.Context, t Target, path string, request, response any) error {
	resp, err := plainSend(ctx, t, path, request)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(response)
}

func plainStream[E any](ctx context.Context, t Target, path string, request any, each func(*E) error) error {
	resp, err := plainSend(ctx, t, path, request)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !ok || string(data) == "[DONE]" {
			continue
		}
		var e E
		if err := json.Unmarshal(data, &e); err != nil {
			return err
		}
		if err := each(&e); err != nil {
			return err
		}
	}
	return lines.Err()
}
