package providertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/llm-go/llm"
)

// operation is one row of the table that ties an operation's name to the provider's Op and the client's methods.
type operation struct {
	name    string
	offered bool
	// bridged: the provider offers it through another operation. Cases are replayed, but none is asked for.
	bridged bool
	// unary and streams tell which functions the provider has. An operation that does not stream natively is
	// replayed by the engine, which is not the provider's to test.
	unary, streams bool

	newRequest func() any
	call       func(ctx context.Context, c *llm.Client, req any, opts ...llm.Option) (any, error)
	open       func(ctx context.Context, c *llm.Client, req any, opts ...llm.Option) (*reader, error)
}

// reader is a stream of any chunk type.
type reader struct {
	next  func() (any, error)
	each  func(yield func(any, error) bool)
	close func() error
	meta  func() *llm.Meta
	// collect reads to the end and gives the unary form of what came.
	collect func() (any, error)
}

// operations is the table.
func operations(p *llm.Provider) []*operation {
	completion := streaming(row("completion", p.Completion, (*llm.Client).Completion), (*llm.Client).CompletionStream, llm.Collect)
	responses := streaming(row("responses", p.Responses, (*llm.Client).Responses), (*llm.Client).ResponsesStream, llm.CollectResponses)
	bridge(completion, responses)
	bridge(responses, completion)
	return []*operation{
		completion,
		responses,
		streaming(row("text_completion", p.TextCompletion, (*llm.Client).TextCompletion), (*llm.Client).TextCompletionStream, collect(foldText)),
		row("embedding", p.Embedding, (*llm.Client).Embedding),
		row("image", p.Image, (*llm.Client).Image),
		row("image_edit", p.ImageEdit, (*llm.Client).ImageEdit),
		row("image_variation", p.ImageVariation, (*llm.Client).ImageVariation),
		streaming(row("speech", p.Speech, (*llm.Client).Speech), (*llm.Client).SpeechStream, collect(foldSpeech)),
		streaming(row("transcription", p.Transcription, (*llm.Client).Transcription), (*llm.Client).TranscriptionStream, collect(foldTranscription)),
		row("translation", p.Translation, (*llm.Client).Translation),
		row("moderation", p.Moderation, (*llm.Client).Moderation),
		row("count_tokens", p.CountTokens, (*llm.Client).CountTokens),
		row("models", p.Models, (*llm.Client).Models),
	}
}

// bridge makes of o what the engine makes of it where the provider has only the other operation.
func bridge(o, other *operation) {
	if !o.offered && other.offered && !other.bridged {
		o.offered, o.bridged, o.unary, o.streams = true, true, other.unary, other.streams
	}
}

// findOperation takes "text_completion" as well as "textcompletion".
func findOperation(p *llm.Provider, name string) (*operation, error) {
	plain := func(s string) string {
		return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(s))
	}
	var names []string
	for _, op := range operations(p) {
		if plain(op.name) == plain(name) {
			return op, nil
		}
		names = append(names, op.name)
	}
	return nil, fmt.Errorf("unknown operation %q; there are %s", name, strings.Join(names, ", "))
}

func row[Req, Resp, Chunk any](name string, op *llm.Op[Req, Resp, Chunk],
	call func(*llm.Client, context.Context, *Req, ...llm.Option) (*Resp, error)) *operation {
	return &operation{
		name:       name,
		offered:    op != nil,
		unary:      op != nil && (op.Decode != nil || op.Do != nil),
		streams:    op != nil && (op.Stream != nil || op.DoStream != nil),
		newRequest: func() any { return new(Req) },
		call: func(ctx context.Context, c *llm.Client, req any, opts ...llm.Option) (any, error) {
			resp, err := call(c, ctx, req.(*Req), opts...)
			if err != nil {
				return nil, err // not a typed nil
			}
			if resp == nil {
				return nil, errors.New("neither an answer nor an error")
			}
			return resp, nil
		},
	}
}

func streaming[Req, Resp, Chunk any](o *operation,
	open func(*llm.Client, context.Context, *Req, ...llm.Option) (*llm.Stream[Chunk], error),
	collect func(*llm.Stream[Chunk]) (*Resp, error)) *operation {
	o.open = func(ctx context.Context, c *llm.Client, req any, opts ...llm.Option) (*reader, error) {
		s, err := open(c, ctx, req.(*Req), opts...)
		if err != nil {
			return nil, err
		}
		return &reader{
			next: func() (any, error) {
				chunk, err := s.Next()
				if err != nil {
					return nil, err
				}
				if chunk == nil {
					return nil, errors.New("neither a chunk nor an error")
				}
				return chunk, nil
			},
			each: func(yield func(any, error) bool) {
				for chunk, err := range s.All() {
					if !yield(chunk, err) {
						return
					}
				}
			},
			close: s.Close,
			meta:  s.Meta,
			collect: func() (any, error) {
				resp, err := collect(s)
				if err != nil {
					return nil, err
				}
				return resp, nil
			},
		}, nil
	}
	return o
}

// collect is llm.Collect for the chunk types that have none.
func collect[Chunk, Resp any](fold func([]*Chunk) (*Resp, error)) func(*llm.Stream[Chunk]) (*Resp, error) {
	return func(s *llm.Stream[Chunk]) (*Resp, error) {
		defer s.Close()
		var chunks []*Chunk
		for {
			chunk, err := s.Next()
			if err == io.EOF {
				return fold(chunks)
			}
			if err != nil {
				return nil, err
			}
			chunks = append(chunks, chunk)
		}
	}
}

func foldText(chunks []*llm.TextCompletionChunk) (*llm.TextCompletionResponse, error) {
	r := new(llm.TextCompletionResponse)
	for _, c := range chunks {
		setString(&r.ID, c.ID)
		setString(&r.Object, c.Object)
		setString(&r.Model, c.Model)
		setString(&r.SystemFingerprint, c.SystemFingerprint)
		if c.Created != 0 {
			r.Created = c.Created
		}
		if c.Usage != nil {
			r.Usage = c.Usage
		}
		foldExtra(&r.Extra, c.Extra)
		for _, ch := range c.Choices {
			for len(r.Choices) <= ch.Index {
				r.Choices = append(r.Choices, llm.TextChoice{Index: len(r.Choices)})
			}
			to := &r.Choices[ch.Index]
			to.Text += ch.Text
			if ch.FinishReason != "" {
				to.FinishReason = ch.FinishReason
			}
			setString(&to.NativeFinishReason, ch.NativeFinishReason)
			foldExtra(&to.Extra, ch.Extra)
			if l := ch.Logprobs; l != nil {
				if to.Logprobs == nil {
					to.Logprobs = new(llm.TextLogprobs)
				}
				to.Logprobs.Tokens = append(to.Logprobs.Tokens, l.Tokens...)
				to.Logprobs.TokenLogprobs = append(to.Logprobs.TokenLogprobs, l.TokenLogprobs...)
				to.Logprobs.TopLogprobs = append(to.Logprobs.TopLogprobs, l.TopLogprobs...)
				to.Logprobs.TextOffset = append(to.Logprobs.TextOffset, l.TextOffset...)
			}
		}
	}
	return r, nil
}

func foldSpeech(chunks []*llm.SpeechChunk) (*llm.SpeechResponse, error) {
	r := new(llm.SpeechResponse)
	for _, c := range chunks {
		r.Audio = append(r.Audio, c.Audio...)
		if c.Usage != nil {
			r.Usage = c.Usage
		}
	}
	return r, nil
}

func foldTranscription(chunks []*llm.TranscriptionChunk) (*llm.TranscriptionResponse, error) {
	r := new(llm.TranscriptionResponse)
	for _, c := range chunks {
		r.Text += c.Delta
		if c.Type == "transcript.text.done" {
			r.Text = c.Text
			if len(c.Logprobs) > 0 {
				r.Logprobs = c.Logprobs
			}
		}
		if c.Segment != nil {
			r.Segments = append(r.Segments, *c.Segment)
		}
		if c.Usage != nil {
			r.Usage = c.Usage
		}
	}
	return r, nil
}

func setString(to *string, s string) {
	if s != "" {
		*to = s
	}
}

func foldExtra(to *llm.Extra, e llm.Extra) {
	for k, v := range e {
		if *to == nil {
			*to = make(llm.Extra)
		}
		(*to)[k] = v
	}
}

// field finds a field of a request or an answer by name, embedded structs included.
func field(v any, name string) reflect.Value {
	return reflect.ValueOf(v).Elem().FieldByName(name)
}

func setModel(p *llm.Provider, req any, model string) {
	if f := field(req, "Model"); f.IsValid() {
		f.SetString(model)
	} else if f = field(req, "Provider"); f.IsValid() {
		f.SetString(p.Name)
	}
}

func extraOf(req any) *llm.Extra {
	if f := field(req, "Extra"); f.IsValid() {
		return f.Addr().Interface().(*llm.Extra)
	}
	return nil
}

func metaOf(resp any) *llm.Meta {
	if f := field(resp, "Meta"); f.IsValid() {
		return f.Addr().Interface().(*llm.Meta)
	}
	return nil
}
