package router

import (
	"encoding/json"

	"github.com/llm-go/llm"
)

// needs is what a request asks of a deployment.
type needs struct {
	prompt, answer int // tokens, by estimate
	capabilities   [5]Capability
	n              int
}

func (n *needs) add(c Capability) {
	if !contains(n.capabilities[:n.n], c) {
		n.capabilities[n.n] = c
		n.n++
	}
}

// An estimate must not cost what it saves: four bytes a token for text, which is near the truth for English, above it
// for other languages written in Latin letters, and below for the rest; flat amounts for what is not text. What is
// reserved by it is settled by the usage in the answer.
const (
	bytesPerToken = 4
	imageTokens   = 1000
	mediaTokens   = 2000
	answerTokens  = 500 // where the request sets no bound
	messageTokens = 4
)

// look estimates a request's tokens, and finds the capabilities that it needs.
func look(request any) (n needs) {
	bytes := 0
	content := func(c llm.Content) {
		for i := range c {
			p := &c[i]
			switch {
			case p.ImageURL != nil || p.VideoURL != nil:
				n.prompt += imageTokens
				n.add(Vision)
			case p.InputAudio != nil:
				n.prompt += mediaTokens
				n.add(Audio)
			case p.File != nil:
				n.prompt += mediaTokens
				n.add(Files)
			default:
				bytes += len(p.Text) + len(p.Refusal)
			}
		}
	}
	switch r := request.(type) {
	case *llm.CompletionRequest:
		n.answer = r.MaxTokens
		for i := range r.Messages {
			m := &r.Messages[i]
			n.prompt += messageTokens
			content(m.Content)
			for j := range m.ToolCalls {
				bytes += len(m.ToolCalls[j].Function.Name) + len(m.ToolCalls[j].Function.Arguments)
			}
			for j := range m.ThinkingBlocks {
				bytes += len(m.ThinkingBlocks[j].Thinking)
			}
		}
		for i := range r.Tools {
			bytes += len(r.Tools[i].Function.Name) + len(r.Tools[i].Function.Description) + schemaBytes(r.Tools[i].Function.Parameters)
		}
		if len(r.Tools) > 0 {
			n.add(Tools)
		}
		if r.ResponseFormat != nil && r.ResponseFormat.JSONSchema != nil {
			n.add(Schema)
		}
	case *llm.ResponsesRequest:
		n.answer = r.MaxOutputTokens
		bytes += len(r.Instructions)
		for i := range r.Input {
			item := &r.Input[i]
			n.prompt += messageTokens
			bytes += len(item.Arguments) + len(item.Input)
			for _, parts := range [][]llm.ResponsesContent{item.Content, item.Output} {
				for j := range parts {
					switch p := &parts[j]; p.Type {
					case "input_image":
						n.prompt += imageTokens
						n.add(Vision)
					case "input_audio":
						n.prompt += mediaTokens
						n.add(Audio)
					case "input_file":
						n.prompt += mediaTokens
						n.add(Files)
					default:
						bytes += len(p.Text)
					}
				}
			}
		}
		if len(r.Tools) > 0 {
			n.add(Tools)
		}
	case *llm.TextCompletionRequest:
		n.answer = r.MaxTokens
		for _, p := range r.Prompt {
			bytes += len(p)
		}
		for _, p := range r.Tokens {
			n.prompt += len(p)
		}
	case *llm.EmbeddingRequest:
		for _, p := range r.Input {
			bytes += len(p)
		}
		for _, p := range r.Tokens {
			n.prompt += len(p)
		}
		n.prompt += bytes / bytesPerToken
		return n // there is no answer in tokens
	default:
		return n
	}
	n.prompt += bytes / bytesPerToken
	if n.answer == 0 {
		n.answer = answerTokens
	}
	return n
}

// schemaBytes is the length of a schema where that is known without encoding it.
func schemaBytes(schema any) int {
	switch s := schema.(type) {
	case json.RawMessage:
		return len(s)
	case []byte:
		return len(s)
	case string:
		return len(s)
	case nil:
		return 0
	}
	return 400
}
