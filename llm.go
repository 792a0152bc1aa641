// Package llm calls language models of any provider in one form, OpenAI's:
//
//	resp, err := llm.Completion(ctx, &llm.CompletionRequest{
//		Model:    "anthropic/claude-sonnet-4-5",
//		Messages: []llm.Message{llm.User("Hello?")},
//	})
//	fmt.Println(resp.Text())
//
// Import the providers that you use, or all of them:
//
//	import _ "github.com/llm-go/llm/providers/all"
//
// What is sent is a field of the request; how it is sent is an [Option], given to [New] for all calls of a
// client or to one call. The functions of this package use [Default], a client without options. Keys come from
// the environment variables of the vendors' own SDKs, read at the call, unless an option gives them.
//
// # Errors
//
// Every error is an [*Error] with an [ErrorKind], which says what went wrong, and a [Scope], which says whether
// another key or another route could do better. Temporary failures are retried, within one budget of attempts
// and one deadline per call, and never after content has reached the caller.
//
// # Nothing is lost in silence
//
// What a provider's wire cannot carry is an error, or, where [WithDropParams] allows it, a [Warning] in the
// answer's [Meta]. Members that this package does not name pass through Extra, both ways.
//
// # For authors of providers and middleware
//
// A provider is a value: see [Provider] and [Op]. Middleware wraps a [Handler]; a [Callback] observes.
package llm

import (
	"context"
	"sync/atomic"
)

// Client makes calls with a set of options. It is safe for use by many goroutines; it holds no connection of
// its own and needs no closing. The zero value, and nil, are clients without options.
type Client struct {
	s *settings
}

// New makes a client.
func New(opts ...Option) *Client {
	s := noSettings.with(opts)
	s.chain()
	return &Client{s: s}
}

var (
	noSettings    settings
	defaultClient atomic.Pointer[Client]
)

// Default is the client of this package's functions.
func Default() *Client {
	if c := defaultClient.Load(); c != nil {
		return c
	}
	return &Client{}
}

// SetDefault replaces the client that the functions of this package use.
func SetDefault(c *Client) { defaultClient.Store(c) }

// Completion asks a chat model for the next message.
func (c *Client) Completion(ctx context.Context, req *CompletionRequest, opts ...Option) (*CompletionResponse, error) {
	return completion.call(ctx, c.begin(req, opts))
}

// CompletionStream is [Client.Completion] in pieces.
func (c *Client) CompletionStream(ctx context.Context, req *CompletionRequest, opts ...Option) (*Stream[CompletionChunk], error) {
	return completion.stream(ctx, c.begin(req, opts))
}

// Responses makes a call in the form of OpenAI's Responses API, to any chat provider.
func (c *Client) Responses(ctx context.Context, req *ResponsesRequest, opts ...Option) (*ResponsesResponse, error) {
	return responses.call(ctx, c.begin(req, opts))
}

// ResponsesStream is [Client.Responses] in events.
func (c *Client) ResponsesStream(ctx context.Context, req *ResponsesRequest, opts ...Option) (*Stream[ResponsesChunk], error) {
	return responses.stream(ctx, c.begin(req, opts))
}

// TextCompletion continues a text.
func (c *Client) TextCompletion(ctx context.Context, req *TextCompletionRequest, opts ...Option) (*TextCompletionResponse, error) {
	return textCompletion.call(ctx, c.begin(req, opts))
}

// TextCompletionStream is [Client.TextCompletion] in pieces.
func (c *Client) TextCompletionStream(ctx context.Context, req *TextCompletionRequest, opts ...Option) (*Stream[TextCompletionChunk], error) {
	return textCompletion.stream(ctx, c.begin(req, opts))
}

// Embedding makes vectors of texts.
func (c *Client) Embedding(ctx context.Context, req *EmbeddingRequest, opts ...Option) (*EmbeddingResponse, error) {
	return embedding.call(ctx, c.begin(req, opts))
}

// Image makes pictures from a text.
func (c *Client) Image(ctx context.Context, req *ImageRequest, opts ...Option) (*ImageResponse, error) {
	return image.call(ctx, c.begin(req, opts))
}

// ImageEdit changes pictures.
func (c *Client) ImageEdit(ctx context.Context, req *ImageEditRequest, opts ...Option) (*ImageResponse, error) {
	return imageEdit.call(ctx, c.begin(req, opts))
}

// ImageVariation makes pictures like a given one.
func (c *Client) ImageVariation(ctx context.Context, req *ImageVariationRequest, opts ...Option) (*ImageResponse, error) {
	return imageVariation.call(ctx, c.begin(req, opts))
}

// Speech speaks a text.
func (c *Client) Speech(ctx context.Context, req *SpeechRequest, opts ...Option) (*SpeechResponse, error) {
	return speech.call(ctx, c.begin(req, opts))
}

// SpeechStream is [Client.Speech] while it is being spoken.
func (c *Client) SpeechStream(ctx context.Context, req *SpeechRequest, opts ...Option) (*Stream[SpeechChunk], error) {
	return speech.stream(ctx, c.begin(req, opts))
}

// Transcription writes down a recording.
func (c *Client) Transcription(ctx context.Context, req *TranscriptionRequest, opts ...Option) (*TranscriptionResponse, error) {
	return transcription.call(ctx, c.begin(req, opts))
}

// TranscriptionStream is [Client.Transcription] in pieces.
func (c *Client) TranscriptionStream(ctx context.Context, req *TranscriptionRequest, opts ...Option) (*Stream[TranscriptionChunk], error) {
	return transcription.stream(ctx, c.begin(req, opts))
}

// Translation writes down a recording in English.
func (c *Client) Translation(ctx context.Context, req *TranslationRequest, opts ...Option) (*TranscriptionResponse, error) {
	return translation.call(ctx, c.begin(req, opts))
}

// Moderation judges content.
func (c *Client) Moderation(ctx context.Context, req *ModerationRequest, opts ...Option) (*ModerationResponse, error) {
	return moderation.call(ctx, c.begin(req, opts))
}

// CountTokens counts a prompt's tokens at the provider.
func (c *Client) CountTokens(ctx context.Context, req *CountTokensRequest, opts ...Option) (*CountTokensResponse, error) {
	return countTokens.call(ctx, c.begin(req, opts))
}

// Models lists a provider's models.
func (c *Client) Models(ctx context.Context, req *ModelsRequest, opts ...Option) (*ModelsResponse, error) {
	return listModels.call(ctx, c.begin(req, opts))
}

// Completion calls [Client.Completion] of the default client.
func Completion(ctx context.Context, req *CompletionRequest, opts ...Option) (*CompletionResponse, error) {
	return Default().Completion(ctx, req, opts...)
}

// CompletionStream calls [Client.CompletionStream] of the default client.
func CompletionStream(ctx context.Context, req *CompletionRequest, opts ...Option) (*Stream[CompletionChunk], error) {
	return Default().CompletionStream(ctx, req, opts...)
}

// Responses calls [Client.Responses] of the default client.
func Responses(ctx context.Context, req *ResponsesRequest, opts ...Option) (*ResponsesResponse, error) {
	return Default().Responses(ctx, req, opts...)
}

// ResponsesStream calls [Client.ResponsesStream] of the default client.
func ResponsesStream(ctx context.Context, req *ResponsesRequest, opts ...Option) (*Stream[ResponsesChunk], error) {
	return Default().ResponsesStream(ctx, req, opts...)
}

// TextCompletion calls [Client.TextCompletion] of the default client.
func TextCompletion(ctx context.Context, req *TextCompletionRequest, opts ...Option) (*TextCompletionResponse, error) {
	return Default().TextCompletion(ctx, req, opts...)
}

// TextCompletionStream calls [Client.TextCompletionStream] of the default client.
func TextCompletionStream(ctx context.Context, req *TextCompletionRequest, opts ...Option) (*Stream[TextCompletionChunk], error) {
	return Default().TextCompletionStream(ctx, req, opts...)
}

// Embedding calls [Client.Embedding] of the default client.
func Embedding(ctx context.Context, req *EmbeddingRequest, opts ...Option) (*EmbeddingResponse, error) {
	return Default().Embedding(ctx, req, opts...)
}

// Image calls [Client.Image] of the default client.
func Image(ctx context.Context, req *ImageRequest, opts ...Option) (*ImageResponse, error) {
	return Default().Image(ctx, req, opts...)
}

// ImageEdit calls [Client.ImageEdit] of the default client.
func ImageEdit(ctx context.Context, req *ImageEditRequest, opts ...Option) (*ImageResponse, error) {
	return Default().ImageEdit(ctx, req, opts...)
}

// ImageVariation calls [Client.ImageVariation] of the default client.
func ImageVariation(ctx context.Context, req *ImageVariationRequest, opts ...Option) (*ImageResponse, error) {
	return Default().ImageVariation(ctx, req, opts...)
}

// Speech calls [Client.Speech] of the default client.
func Speech(ctx context.Context, req *SpeechRequest, opts ...Option) (*SpeechResponse, error) {
	return Default().Speech(ctx, req, opts...)
}

// SpeechStream calls [Client.SpeechStream] of the default client.
func SpeechStream(ctx context.Context, req *SpeechRequest, opts ...Option) (*Stream[SpeechChunk], error) {
	return Default().SpeechStream(ctx, req, opts...)
}

// Transcription calls [Client.Transcription] of the default client.
func Transcription(ctx context.Context, req *TranscriptionRequest, opts ...Option) (*TranscriptionResponse, error) {
	return Default().Transcription(ctx, req, opts...)
}

// TranscriptionStream calls [Client.TranscriptionStream] of the default client.
func TranscriptionStream(ctx context.Context, req *TranscriptionRequest, opts ...Option) (*Stream[TranscriptionChunk], error) {
	return Default().TranscriptionStream(ctx, req, opts...)
}

// Translation calls [Client.Translation] of the default client.
func Translation(ctx context.Context, req *TranslationRequest, opts ...Option) (*TranscriptionResponse, error) {
	return Default().Translation(ctx, req, opts...)
}

// Moderation calls [Client.Moderation] of the default client.
func Moderation(ctx context.Context, req *ModerationRequest, opts ...Option) (*ModerationResponse, error) {
	return Default().Moderation(ctx, req, opts...)
}

// CountTokens calls [Client.CountTokens] of the default client.
func CountTokens(ctx context.Context, req *CountTokensRequest, opts ...Option) (*CountTokensResponse, error) {
	return Default().CountTokens(ctx, req, opts...)
}

// Models calls [Client.Models] of the default client.
func Models(ctx context.Context, req *ModelsRequest, opts ...Option) (*ModelsResponse, error) {
	return Default().Models(ctx, req, opts...)
}
