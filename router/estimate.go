package router

import (
	"github.com/llm-go/llm"
	"github.com/llm-go/llm/tokens"
)

// needs is what a request asks of a deployment.
type needs struct {
	prompt, answer int // tokens, by estimate
	bounded        bool
	capabilities   [5]Capability
	n              int
}

func (n *needs) add(c Capability) {
	if !contains(n.capabilities[:n.n], c) {
		n.capabilities[n.n] = c
		n.n++
	}
}

// answerTokens is reserved for an answer where the request sets no bound.
const answerTokens = 500

// look estimates a request's tokens, and finds the capabilities that it needs. What is reserved by it is settled by the
// usage in the answer.
func look(request any) (n needs) {
	n.prompt = tokens.Quick(request)
	switch r := request.(type) {
	case *llm.CompletionRequest:
		n.answer = r.MaxTokens
		for i := range r.Messages {
			for j := range r.Messages[i].Content {
				switch p := &r.Messages[i].Content[j]; {
				case p.ImageURL != nil || p.VideoURL != nil:
					n.add(Vision)
				case p.InputAudio != nil:
					n.add(Audio)
				case p.File != nil:
					n.add(Files)
				}
			}
		}
		if len(r.Tools) > 0 {
			n.add(Tools)
		}
		if r.ResponseFormat != nil && r.ResponseFormat.JSONSchema != nil {
			n.add(Schema)
		}
	case *llm.ResponsesRequest:
		n.answer = r.MaxOutputTokens
		for i := range r.Input {
			for _, parts := range [][]llm.ResponsesContent{r.Input[i].Content, r.Input[i].Output} {
				for j := range parts {
					switch parts[j].Type {
					case "input_image":
						n.add(Vision)
					case "input_audio":
						n.add(Audio)
					case "input_file":
						n.add(Files)
					}
				}
			}
		}
		if len(r.Tools) > 0 {
			n.add(Tools)
		}
	case *llm.TextCompletionRequest:
		n.answer = r.MaxTokens
	default:
		return n // there is no answer in tokens
	}
	if n.bounded = n.answer > 0; !n.bounded {
		n.answer = answerTokens
	}
	return n
}
