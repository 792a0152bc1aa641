package llm

import (
	"context"
	"io"
	"net/http"
)

// The bridges. A model that is served by the Responses operation alone is reached from Completion, and a provider
// that has completions alone answers Responses. Both are Ops made of the provider's own: the engine does not know
// that there is a translation. What it is, say bridge_completion.go and bridge_responses.go.

// completionOp is the provider's completion, or a bridge to it over the Responses operation where a model is
// served by that alone.
func completionOp(p *Provider, call *Call) *Op[CompletionRequest, CompletionResponse, CompletionChunk] {
	via := call.viaResponses || p.Completion == nil || p.ResponsesOnly != nil && p.ResponsesOnly(call.Model)
	if !via || p.Responses == nil {
		return p.Completion
	}
	return bridged(p.Responses, bridge[CompletionRequest, CompletionResponse, CompletionChunk, ResponsesRequest, ResponsesResponse, ResponsesChunk]{
		request: toResponsesRequest,
		answer:  fromResponses,
		stream:  fromResponsesStream,
	})
}

// responsesOp is the provider's Responses operation, or a bridge to it over completions.
func responsesOp(p *Provider, call *Call) *Op[ResponsesRequest, ResponsesResponse, ResponsesChunk] {
	if p.Responses != nil {
		if req, ok := call.Request.(*ResponsesRequest); ok && hasCarrier(req.Input) {
			return withoutCarriers(p.Responses)
		}
		return p.Responses
	}
	if p.Completion == nil {
		return nil
	}
	return bridged(p.Completion, bridge[ResponsesRequest, ResponsesResponse, ResponsesChunk, CompletionRequest, CompletionResponse, CompletionChunk]{
		request: toCompletionRequest,
		answer:  fromCompletion,
		stream:  fromCompletionStream,
	})
}

// bridge translates between an operation, the outer one, and that which serves it.
type bridge[Req, Resp, Chunk, InReq, InResp, InChunk any] struct {
	request func(*Call, *Req) (*InReq, error)
	answer  func(*InResp) (*Resp, error)
	stream  func(Next[InChunk]) Next[Chunk]
}

// bridged is the outer operation. It is as pure as the inner one.
func bridged[Req, Resp, Chunk, InReq, InResp, InChunk any](in *Op[InReq, InResp, InChunk],
	b bridge[Req, Resp, Chunk, InReq, InResp, InChunk]) *Op[Req, Resp, Chunk] {
	out := &Op[Req, Resp, Chunk]{}
	if in.Encode != nil {
		out.Encode = func(call *Call, req *Req) (*http.Request, error) {
			inner, err := b.request(call, req)
			if err != nil {
				return nil, err
			}
			return in.Encode(call, inner)
		}
	}
	if in.Decode != nil {
		out.Decode = func(call *Call, h http.Header, body []byte) (*Resp, error) {
			inner, err := in.Decode(call, h, body)
			if err != nil {
				return nil, err
			}
			return b.answer(inner)
		}
	}
	if in.Stream != nil {
		out.Stream = func(call *Call, body io.Reader) Next[Chunk] { return b.stream(in.Stream(call, body)) }
	}
	if in.Do != nil {
		out.Do = func(ctx context.Context, call *Call, req *Req, send Send) (*Resp, error) {
			inner, err := b.request(call, req)
			if err != nil {
				return nil, err
			}
			resp, err := in.Do(ctx, call, inner, send)
			if err != nil {
				return nil, err
			}
			return b.answer(resp)
		}
	}
	if in.DoStream != nil {
		out.DoStream = func(ctx context.Context, call *Call, req *Req, send Send) (Next[Chunk], error) {
			inner, err := b.request(call, req)
			if err != nil {
				return nil, err
			}
			next, err := in.DoStream(ctx, call, inner, send)
			if err != nil {
				return nil, err
			}
			return b.stream(next), nil
		}
	}
	return out
}
