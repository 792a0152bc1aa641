package tokens

import (
	"encoding/json"

	"github.com/llm-go/llm"
)

// What Quick takes for granted: four bytes of text a token, which in o200k_base is about the truth or above it for most
// scripts (docs/tokens.md), and flat numbers for the rest.
const (
	quickBytes   = 4
	quickMessage = 4
	quickImage   = usualImage
	quickMedia   = 2000
	quickSchema  = 400 // bytes of a schema that would have to be encoded
)

// Quick is about how many input tokens a request has, by its lengths alone: it reads no text, decodes nothing, and
// takes a few nanoseconds a message. It is for choosing among deployments on the hot path; numbers, codes and base64
// have two to three times as many tokens. request is a *llm.CompletionRequest, *llm.ResponsesRequest,
// *llm.TextCompletionRequest, *llm.EmbeddingRequest or *llm.CountTokensRequest; for any other it is 0.
func Quick(request any) int {
	var q quick
	switch r := request.(type) {
	case *llm.CompletionRequest:
		q.messages(r.Messages)
		q.tools(r.Tools)
		if f := r.ResponseFormat; f != nil && f.JSONSchema != nil {
			q.schema(f.JSONSchema.Schema)
		}
	case *llm.CountTokensRequest:
		q.messages(r.Messages)
		q.tools(r.Tools)
	case *llm.ResponsesRequest:
		q.responses(r)
	case *llm.TextCompletionRequest:
		for _, p := range r.Prompt {
			q.bytes += len(p) + len(r.Suffix)
		}
		q.ids(r.Tokens)
	case *llm.EmbeddingRequest:
		for _, p := range r.Input {
			q.bytes += len(p)
		}
		q.ids(r.Tokens)
	}
	return q.tokens + (q.bytes+quickBytes-1)/quickBytes
}

type quick struct{ tokens, bytes int }

func (q *quick) ids(lists [][]int) {
	for _, list := range lists {
		q.tokens += len(list)
	}
}

func (q *quick) messages(messages []llm.Message) {
	for i := range messages {
		m := &messages[i]
		q.tokens += quickMessage
		q.bytes += len(m.Refusal)
		for j := range m.Content {
			switch p := &m.Content[j]; {
			case p.ImageURL != nil:
				q.tokens += quickImage
			case p.VideoURL != nil || p.InputAudio != nil || p.File != nil:
				q.tokens += quickMedia
			default:
				q.bytes += len(p.Text) + len(p.Refusal)
			}
		}
		for j := range m.ToolCalls {
			call := &m.ToolCalls[j]
			q.bytes += len(call.Function.Name) + len(call.Function.Arguments)
			if call.Custom != nil {
				q.bytes += len(call.Custom.Name) + len(call.Custom.Input)
			}
		}
		for j := range m.ThinkingBlocks {
			q.bytes += len(m.ThinkingBlocks[j].Thinking)
		}
	}
}

func (q *quick) tools(tools []llm.Tool) {
	for i := range tools {
		q.tokens += quickMessage
		switch t := &tools[i]; {
		case t.Function != nil:
			q.bytes += len(t.Function.Name) + len(t.Function.Description)
			q.schema(t.Function.Parameters)
		case t.Custom != nil:
			q.bytes += len(t.Custom.Name) + len(t.Custom.Description)
			q.schema(t.Custom.Format)
		default:
			q.bytes += quickSchema
		}
	}
}

func (q *quick) responses(r *llm.ResponsesRequest) {
	q.bytes += len(r.Instructions)
	for i := range r.Input {
		item := &r.Input[i]
		q.tokens += quickMessage
		q.bytes += len(item.Name) + len(item.Arguments) + len(item.Input)
		for _, parts := range [...][]llm.ResponsesContent{item.Content, item.Output, item.Summary} {
			for j := range parts {
				switch p := &parts[j]; p.Type {
				case "input_image":
					q.tokens += quickImage
				case "input_audio", "input_file":
					q.tokens += quickMedia
				default:
					q.bytes += len(p.Text) + len(p.Refusal)
				}
			}
		}
	}
	for i := range r.Tools {
		t := &r.Tools[i]
		q.tokens += quickMessage
		q.bytes += len(t.Name) + len(t.Description)
		q.schema(t.Parameters)
	}
}

// schema takes the length of a schema where that is known without encoding it.
func (q *quick) schema(schema any) {
	switch s := schema.(type) {
	case nil:
	case json.RawMessage:
		q.bytes += len(s)
	case []byte:
		q.bytes += len(s)
	case string:
		q.bytes += len(s)
	default:
		q.bytes += quickSchema
	}
}
