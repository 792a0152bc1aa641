package llm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
)

// endpoint is one operation, for all providers: how to find its Op, and what the engine must know of its types.
type endpoint[Req, Resp, Chunk any] struct {
	name  Operation
	op    func(p *Provider, call *Call) *Op[Req, Resp, Chunk]
	model func(*Req) string
	meta  func(*Resp) *Meta
	// The rest may be nil.
	usage  func(*Resp) *Usage
	finish func(*Call, *Resp)                  // gives an answer the promised form
	blank  bool                                // an answer may have no byte at all
	watch  func(*Call) watcher[Chunk]          // keeps the promises of a stream
	replay func(*Resp) Next[Chunk]             // an answer as a stream, for providers that cannot stream it
	fold   func(*Stream[Chunk]) (*Resp, error) // the reverse, for mocks
}

// The operations. A new one is a types file, a field of Provider, one of these, and its functions in llm.go.
var (
	completion = &endpoint[CompletionRequest, CompletionResponse, CompletionChunk]{
		name:   "completion",
		op:     completionOp,
		model:  func(r *CompletionRequest) string { return r.Model },
		meta:   func(r *CompletionResponse) *Meta { return &r.Meta },
		usage:  func(r *CompletionResponse) *Usage { return r.Usage },
		finish: finishCompletion,
		watch:  newCompletionWatcher,
		replay: replayCompletion,
		fold:   Collect,
	}
	responses = &endpoint[ResponsesRequest, ResponsesResponse, ResponsesChunk]{
		name:   "responses",
		op:     responsesOp,
		model:  func(r *ResponsesRequest) string { return r.Model },
		meta:   func(r *ResponsesResponse) *Meta { return &r.Meta },
		usage:  func(r *ResponsesResponse) *Usage { return r.Usage },
		watch:  newResponsesWatcher,
		replay: replayResponses,
		fold:   CollectResponses,
	}
	textCompletion = &endpoint[TextCompletionRequest, TextCompletionResponse, TextCompletionChunk]{
		name: "text_completion",
		op: func(p *Provider, _ *Call) *Op[TextCompletionRequest, TextCompletionResponse, TextCompletionChunk] {
			return p.TextCompletion
		},
		model: func(r *TextCompletionRequest) string { return r.Model },
		meta:  func(r *TextCompletionResponse) *Meta { return &r.Meta },
		usage: func(r *TextCompletionResponse) *Usage { return r.Usage },
		replay: func(r *TextCompletionResponse) Next[TextCompletionChunk] {
			return one(&TextCompletionChunk{ID: r.ID, Object: r.Object, Created: r.Created, Model: r.Model,
				SystemFingerprint: r.SystemFingerprint, Choices: r.Choices, Usage: r.Usage, Extra: r.Extra})
		},
	}
	embedding = &endpoint[EmbeddingRequest, EmbeddingResponse, None]{
		name:  "embedding",
		op:    func(p *Provider, _ *Call) *Op[EmbeddingRequest, EmbeddingResponse, None] { return p.Embedding },
		model: func(r *EmbeddingRequest) string { return r.Model },
		meta:  func(r *EmbeddingResponse) *Meta { return &r.Meta },
		usage: func(r *EmbeddingResponse) *Usage { return r.Usage },
	}
	image = &endpoint[ImageRequest, ImageResponse, None]{
		name:  "image",
		op:    func(p *Provider, _ *Call) *Op[ImageRequest, ImageResponse, None] { return p.Image },
		model: func(r *ImageRequest) string { return r.Model },
		meta:  func(r *ImageResponse) *Meta { return &r.Meta },
		usage: func(r *ImageResponse) *Usage { return r.Usage },
	}
	imageEdit = &endpoint[ImageEditRequest, ImageResponse, None]{
		name:  "image_edit",
		op:    func(p *Provider, _ *Call) *Op[ImageEditRequest, ImageResponse, None] { return p.ImageEdit },
		model: func(r *ImageEditRequest) string { return r.Model },
		meta:  func(r *ImageResponse) *Meta { return &r.Meta },
		usage: func(r *ImageResponse) *Usage { return r.Usage },
	}
	imageVariation = &endpoint[ImageVariationRequest, ImageResponse, None]{
		name:  "image_variation",
		op:    func(p *Provider, _ *Call) *Op[ImageVariationRequest, ImageResponse, None] { return p.ImageVariation },
		model: func(r *ImageVariationRequest) string { return r.Model },
		meta:  func(r *ImageResponse) *Meta { return &r.Meta },
		usage: func(r *ImageResponse) *Usage { return r.Usage },
	}
	speech = &endpoint[SpeechRequest, SpeechResponse, SpeechChunk]{
		name:  "speech",
		op:    func(p *Provider, _ *Call) *Op[SpeechRequest, SpeechResponse, SpeechChunk] { return p.Speech },
		model: func(r *SpeechRequest) string { return r.Model },
		meta:  func(r *SpeechResponse) *Meta { return &r.Meta },
		usage: func(r *SpeechResponse) *Usage { return r.Usage },
		replay: func(r *SpeechResponse) Next[SpeechChunk] {
			return one(&SpeechChunk{Type: "speech.audio.delta", Audio: r.Audio, Usage: r.Usage})
		},
	}
	transcription = &endpoint[TranscriptionRequest, TranscriptionResponse, TranscriptionChunk]{
		name: "transcription",
		op: func(p *Provider, _ *Call) *Op[TranscriptionRequest, TranscriptionResponse, TranscriptionChunk] {
			return p.Transcription
		},
		model:  func(r *TranscriptionRequest) string { return r.Model },
		meta:   func(r *TranscriptionResponse) *Meta { return &r.Meta },
		usage:  func(r *TranscriptionResponse) *Usage { return r.Usage },
		replay: (*TranscriptionResponse).replay,
		blank:  true, // the text of silence
	}
	translation = &endpoint[TranslationRequest, TranscriptionResponse, None]{
		name:  "translation",
		op:    func(p *Provider, _ *Call) *Op[TranslationRequest, TranscriptionResponse, None] { return p.Translation },
		model: func(r *TranslationRequest) string { return r.Model },
		meta:  func(r *TranscriptionResponse) *Meta { return &r.Meta },
		usage: func(r *TranscriptionResponse) *Usage { return r.Usage },
		blank: true,
	}
	moderation = &endpoint[ModerationRequest, ModerationResponse, None]{
		name:  "moderation",
		op:    func(p *Provider, _ *Call) *Op[ModerationRequest, ModerationResponse, None] { return p.Moderation },
		model: func(r *ModerationRequest) string { return r.Model },
		meta:  func(r *ModerationResponse) *Meta { return &r.Meta },
	}
	countTokens = &endpoint[CountTokensRequest, CountTokensResponse, None]{
		name:  "count_tokens",
		op:    func(p *Provider, _ *Call) *Op[CountTokensRequest, CountTokensResponse, None] { return p.CountTokens },
		model: func(r *CountTokensRequest) string { return r.Model },
		meta:  func(r *CountTokensResponse) *Meta { return &r.Meta },
	}
	listModels = &endpoint[ModelsRequest, ModelsResponse, None]{
		name:  "models",
		op:    func(p *Provider, _ *Call) *Op[ModelsRequest, ModelsResponse, None] { return p.Models },
		model: func(r *ModelsRequest) string { return r.Provider + "/" },
		meta:  func(r *ModelsResponse) *Meta { return &r.Meta },
	}
)

// one is a stream of one piece.
func one[Chunk any](c *Chunk) Next[Chunk] {
	return func() (*Chunk, error) {
		if c == nil {
			return nil, io.EOF
		}
		v := c
		c = nil
		return v, nil
	}
}

// runner is an endpoint without its types.
type runner interface {
	run(ctx context.Context, call *Call) (*Result, error)
	done(call *Call, res *Result, f func(*Outcome))
	outcome(call *Call, res *Result) Outcome
}

// begin makes the call's record; which operation it is, the endpoint adds.
func (c *Client) begin(req any, opts []Option) *Call {
	s := &noSettings
	if c != nil && c.s != nil {
		s = c.s
	}
	if len(opts) > 0 {
		s = s.with(opts)
	}
	born := &struct {
		call    Call
		account account
		ledger  ledger
	}{}
	call := &born.call
	call.Request, call.settings, call.account, call.start = req, s, &born.account, time.Now()
	call.account.ledger = &born.ledger
	born.ledger.left = DefaultMaxAttempts
	if s.maxAttempts > 0 {
		born.ledger.left = s.maxAttempts
	}
	return call
}

func (e *endpoint[Req, Resp, Chunk]) call(ctx context.Context, call *Call) (*Resp, error) {
	res, err := e.serve(ctx, call)
	if err != nil {
		return nil, err
	}
	resp, ok := res.Response.(*Resp)
	if !ok {
		return nil, &Error{Kind: ErrProtocol, Scope: ScopeLocal,
			Message: fmt.Sprintf("middleware answered a %s call with a %T", e.name, res.Response)}
	}
	return resp, nil
}

func (e *endpoint[Req, Resp, Chunk]) stream(ctx context.Context, call *Call) (*Stream[Chunk], error) {
	call.Stream = true
	res, err := e.serve(ctx, call)
	if err != nil {
		return nil, err
	}
	s, ok := res.Stream.(*Stream[Chunk])
	if !ok {
		return nil, &Error{Kind: ErrProtocol, Scope: ScopeLocal,
			Message: fmt.Sprintf("middleware answered a streamed %s call with a %T", e.name, res.Stream)}
	}
	return s, nil
}

// serve sends the call down the chain of middleware.
func (e *endpoint[Req, Resp, Chunk]) serve(ctx context.Context, call *Call) (*Result, error) {
	req, ok := call.Request.(*Req)
	if !ok || req == nil {
		return nil, InvalidRequest("request", "the request is nil")
	}
	call.Operation, call.runner = e.name, e
	call.name = e.model(req)
	if call.settings.model != "" {
		call.name = call.settings.model
	}
	total := DefaultTimeout
	if call.Stream {
		total = DefaultStreamTimeout
	}
	if total = limit(call.settings.timeout.total, total); total > 0 {
		call.deadline = call.start.Add(total)
	}
	if d, ok := ctx.Deadline(); ok && (call.deadline.IsZero() || d.Before(call.deadline)) {
		call.deadline = d
	}
	call.observe(func(cb *Callback) {
		if cb.OnStart != nil {
			cb.OnStart(ctx, call)
		}
	})
	res, err := call.settings.chain()(ctx, call)
	if err != nil {
		e := call.fail(ctx, err)
		call.finish(ctx, &Outcome{Err: e, Meta: call.newMeta(nil), Duration: time.Since(call.start)})
		return nil, e
	}
	if res == nil {
		res = &Result{}
	}
	if len(call.settings.callbacks) > 0 {
		e.done(call, res, func(o *Outcome) { call.finish(ctx, o) })
	}
	return res, nil
}

// done is [Call.OnDone].
func (e *endpoint[Req, Resp, Chunk]) done(call *Call, res *Result, f func(*Outcome)) {
	if s, ok := res.Stream.(*Stream[Chunk]); ok && call.Stream {
		if s.watch == nil && e.watch != nil { // middleware made it, and somebody wants to know what it used
			s.watch = e.watch(call)
		}
		settle := s.settle
		s.settle = func(err error) error {
			err = settle(err)
			o := &Outcome{Meta: s.meta, Duration: time.Since(call.start), Chunks: s.chunks, FirstContent: s.firstContent}
			if s.watch != nil {
				o.Usage, _ = s.watch.outcome()
			}
			if err != io.EOF {
				o.Err = err
			}
			f(o)
			return err
		}
	} else if o := e.outcome(call, res); o.Response != nil {
		f(&o)
	}
}

func (e *endpoint[Req, Resp, Chunk]) outcome(call *Call, res *Result) (o Outcome) {
	r, ok := res.Response.(*Resp)
	if !ok || r == nil || call.Stream {
		return o
	}
	o.Response, o.Meta, o.Duration = r, e.meta(r), time.Since(call.start)
	if e.usage != nil {
		o.Usage = e.usage(r)
	}
	return o
}

// chain is the middleware around the engine, composed once per set of options.
func (s *settings) chain() Handler {
	if s.handler != nil && s.composed == len(s.middleware) {
		return s.handler
	}
	h := Handler(func(ctx context.Context, call *Call) (*Result, error) { return call.runner.run(ctx, call) })
	for _, m := range slices.Backward(s.middleware) {
		h = m(h)
	}
	s.handler, s.composed = h, len(s.middleware)
	return h
}

// run is the end of the chain: it resolves the model's name and makes the exchange.
func (e *endpoint[Req, Resp, Chunk]) run(ctx context.Context, call *Call) (*Result, error) {
	if err := contextError(ctx); err != nil {
		return nil, err
	}
	if call.settings.mock != nil {
		return e.answerMock(ctx, call)
	}
	if err := call.resolve(); err != nil {
		return nil, err
	}
	op := e.op(call.Provider, call)
	if op == nil {
		return nil, &Error{Kind: ErrUnsupported, Scope: ScopeRequest, Message: fmt.Sprintf("%s does not offer %s%s",
			call.Provider.Name, e.name, offers(call.Provider))}
	}
	req := call.Request.(*Req)
	if call.Stream {
		s, err := e.open(ctx, call, op, req)
		if err != nil {
			return nil, err
		}
		return &Result{Stream: s}, nil
	}
	resp, err := e.answer(ctx, call, op, req)
	if err != nil {
		return nil, err
	}
	return &Result{Response: resp}, nil
}

// answer makes a unary exchange.
func (e *endpoint[Req, Resp, Chunk]) answer(ctx context.Context, call *Call, op *Op[Req, Resp, Chunk], req *Req) (*Resp, error) {
	var (
		resp *Resp
		last *attempt
		raw  []byte
	)
	if op.Do != nil {
		dctx, cancel := call.withDeadline(ctx)
		defer cancel()
		defer call.end()
		var err error
		if resp, err = op.Do(dctx, call, req, call.send); err != nil {
			if _, ok := asError(err); !ok {
				if e := contextError(dctx); e != nil { // the deadline may be the call's, and not ctx's own
					return nil, e
				}
			}
			return nil, err
		}
	} else {
		out, body, err := encode(call, op, req)
		if err != nil {
			return nil, err
		}
		if err := call.retry(ctx, func(wait time.Duration) *Error {
			a := call.attempt(ctx, wait)
			last = a
			defer a.close()
			if err := a.send(out, body); err != nil {
				return err
			}
			var err error
			if raw, err = a.readAll(); err == nil && !e.blank && len(bytes.TrimSpace(raw)) == 0 {
				err = errEmpty()
			}
			if err == nil {
				resp, err = op.Decode(call, a.resp.Header, raw)
			}
			if err != nil {
				return a.failed(unreadable(err, raw))
			}
			a.succeeded()
			call.release(a)
			return nil
		}); err != nil {
			return nil, err
		}
	}
	if e.finish != nil {
		e.finish(call, resp)
	}
	m := e.meta(resp)
	*m = *call.newMeta(last)
	m.Raw = raw
	return resp, nil
}

// encode runs an Op's Encode and takes the bytes of the body, so that each attempt can send them.
func encode[Req, Resp, Chunk any](call *Call, op *Op[Req, Resp, Chunk], req *Req) (*http.Request, []byte, error) {
	out, err := op.Encode(call, req)
	if err != nil {
		return nil, nil, err
	}
	body, err := bodyBytes(out)
	if err != nil {
		return nil, nil, InvalidRequest("request", "the request's body cannot be read: "+err.Error())
	}
	return out, body, nil
}

// open makes a streamed exchange and reads it up to the first content.
func (e *endpoint[Req, Resp, Chunk]) open(ctx context.Context, call *Call, op *Op[Req, Resp, Chunk], req *Req) (*Stream[Chunk], error) {
	if op.Stream == nil && op.DoStream == nil {
		if e.replay == nil {
			return nil, &Error{Kind: ErrUnsupported, Scope: ScopeRequest,
				Message: fmt.Sprintf("%s cannot stream %s; ask for it without streaming", call.Provider.Name, e.name)}
		}
		whole := call.With()
		whole.Stream = false
		resp, err := e.answer(ctx, whole, op, req)
		if err != nil {
			return nil, err
		}
		call.Warn(Warning{Code: "stream", Message: call.Provider.Name + " does not stream this operation; the whole answer came at once"})
		s := NewStream(e.replay(resp), nil)
		s.meta = e.meta(resp)
		s.meta.Warnings = call.account.warnings
		s.watch = e.watcher(call)
		return s, nil
	}
	if op.DoStream != nil {
		return e.openDo(ctx, call, op, req)
	}
	out, body, err := encode(call, op, req)
	if err != nil {
		return nil, err
	}
	var s *Stream[Chunk]
	if err := call.retry(ctx, func(wait time.Duration) *Error {
		a := call.attempt(ctx, wait)
		err := a.send(out, body)
		if err != nil {
			a.close()
			return err
		}
		a.clock.enter(phaseFirstContent, limit(call.settings.timeout.firstContent, DefaultFirstContentTimeout))
		s = e.newStream(ctx, call, a)
		if cause := e.primeFrom(s, op, a); cause != nil {
			err := a.failed(cause)
			a.close()
			return err
		}
		return nil
	}); err != nil {
		return nil, err
	}
	return s, nil
}

// newStream makes the stream of an attempt whose headers have arrived.
func (e *endpoint[Req, Resp, Chunk]) newStream(ctx context.Context, call *Call, a *attempt) *Stream[Chunk] {
	s := &Stream[Chunk]{watch: e.watcher(call), stop: func() { a.cancel(errClosed) }}
	s.clock, s.between = &a.clock, limit(call.settings.timeout.between, DefaultStallTimeout)
	s.settle = func(err error) error {
		defer call.end()
		if err == io.EOF {
			a.drain()
			a.close()
			s.meta.Warnings = call.account.warnings
			return err
		}
		e := call.fail(ctx, a.classify(err))
		a.close()
		if errors.Is(err, errClosed) {
			e.Kind, e.Scope = ErrCanceled, ScopeLocal
		}
		if s.watch != nil && e.Partial == nil {
			_, e.Partial = s.watch.outcome()
		}
		s.meta.Warnings = call.account.warnings
		return e
	}
	return s
}

// errEmpty is the error of a 2xx answer without a byte in its body.
func errEmpty() *Error { return Malformed("the answer is empty", nil) }

// unreadable completes the error of a 2xx body that is not what the API promises: with its beginning, and if it is what
// it ought to be as far as it goes, as one that was cut.
func unreadable(err error, raw []byte) error {
	e, ok := asError(err)
	if !ok || e.Kind != ErrProtocol {
		return err
	}
	if errors.Is(e.Err, io.ErrUnexpectedEOF) {
		e.Kind = ErrTruncated
	}
	if e.Body == nil {
		e.Body = bytes.Clone(raw[:min(len(raw), maxStrangeBody)])
	}
	return err
}

// maxStrangeBody bounds what is kept of an answer that is not the API's.
const maxStrangeBody = 1024

// strangeBody notices whether a body that was read to its end had more than white space, and keeps the beginning of one
// that is a web page.
type strangeBody struct {
	io.ReadCloser
	filled, ended bool
	page          []byte
}

func (b *strangeBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.ended = b.ended || err == io.EOF
	page := b.page != nil
	if !b.filled {
		text := bytes.TrimSpace(p[:n])
		b.filled = len(text) > 0
		page = b.filled && text[0] == '<' // neither events nor frames begin so
	}
	if page {
		b.page = append(b.page, p[:min(n, maxStrangeBody-len(b.page))]...)
	}
	return n, err
}

func (e *endpoint[Req, Resp, Chunk]) watcher(call *Call) watcher[Chunk] {
	if e.watch == nil {
		return nil
	}
	return e.watch(call)
}

// primeFrom connects the stream to the attempt's body and reads up to the first content.
func (e *endpoint[Req, Resp, Chunk]) primeFrom(s *Stream[Chunk], op *Op[Req, Resp, Chunk], a *attempt) error {
	if a.unaryInstead() && op.Decode != nil && e.replay != nil {
		// The host ignored the wish for a stream, or answered with an error in a 200.
		raw, err := a.readAll()
		if err != nil {
			return err
		}
		resp, err := op.Decode(a.call, a.resp.Header, raw)
		if err != nil {
			return unreadable(err, raw)
		}
		a.call.Warn(Warning{Code: "stream", Message: "the host answered at once instead of streaming"})
		s.next = e.replay(resp)
		if err := s.prime(); err != nil {
			return err
		}
	} else {
		body := &strangeBody{ReadCloser: a.resp.Body}
		a.resp.Body = body
		s.next = op.Stream(a.call, body)
		if err := s.prime(); err != nil {
			switch {
			case body.ended && !body.filled && errors.Is(err, ErrTruncated):
				return errEmpty() // nothing was cut: nothing was said
			case body.page != nil && (errors.Is(err, ErrTruncated) || errors.Is(err, ErrProtocol)):
				return webPage(body.page)
			}
			return err
		}
	}
	s.firstContent = time.Since(a.call.start)
	a.succeeded()
	s.meta = a.call.newMeta(a)
	a.clock.enter(phaseBetween, s.between)
	a.clock.pause(true)
	return nil
}

// openDo opens a stream that an Op makes by itself.
func (e *endpoint[Req, Resp, Chunk]) openDo(ctx context.Context, call *Call, op *Op[Req, Resp, Chunk], req *Req) (*Stream[Chunk], error) {
	dctx, cancel := context.WithCancelCause(ctx)
	a := &attempt{call: call, ctx: dctx, cancel: cancel}
	a.clock.start(cancel, call.deadline)
	a.clock.enter(phaseFirstContent, limit(call.settings.timeout.firstContent, DefaultFirstContentTimeout))
	next, err := op.DoStream(dctx, call, req, call.send)
	if err == nil {
		s := e.newStream(ctx, call, a)
		s.next = next
		if err = s.prime(); err == nil {
			s.firstContent = time.Since(call.start)
			s.meta = call.newMeta(nil)
			a.clock.enter(phaseBetween, s.between)
			a.clock.pause(true)
			return s, nil
		}
	}
	err = a.classify(err)
	a.close()
	call.end()
	return nil, err
}

// send is the [Send] of an Op that makes its exchange by itself. The budget of attempts is for failures: an
// exchange that succeeds gives its attempt back, or polling would use them up.
func (c *Call) send(ctx context.Context, r *http.Request) (*http.Response, error) {
	if ctx.Value(partingKey{}) != nil {
		c = c.parting(ctx)
	}
	body, err := bodyBytes(r)
	if err != nil {
		return nil, InvalidRequest("request", "the request's body cannot be read: "+err.Error())
	}
	var resp *http.Response
	if err := c.retry(ctx, func(wait time.Duration) *Error {
		a := c.attempt(ctx, wait)
		if err := a.send(r, body); err != nil {
			a.close()
			return err
		}
		a.clock.enter(phaseRest, 0)
		a.succeeded()
		out := *a.resp // a.resp keeps the body itself, which a.close closes
		out.Body = &attemptBody{ReadCloser: out.Body, a: a}
		resp = &out
		return nil
	}); err != nil {
		return nil, err
	}
	c.account.allow(1) // an Op may take many exchanges, as a poll does; the budget is for tries that failed
	return resp, nil
}

// attemptBody ends its attempt when it is closed.
type attemptBody struct {
	io.ReadCloser
	a *attempt
}

func (b *attemptBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = b.a.classify(err)
	}
	return n, err
}

func (b *attemptBody) Close() error {
	b.a.close()
	return nil
}

func (c *Call) withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.deadline.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadlineCause(ctx, c.deadline, ErrTotalTimeout)
}

// resolve finds the provider of the call's model, and where and with which key it is reached.
func (c *Call) resolve() error {
	if c.name == "" || c.name == "/" {
		return InvalidRequest("model", `the model is missing; write "provider/model", for example "openai/gpt-4o-mini"`)
	}
	name, model, found := strings.Cut(c.name, "/")
	p := c.settings.lookup(name)
	if (!found || p == nil) && c.settings.defaultPrefix != "" {
		name, model = c.settings.defaultPrefix, c.name
		p = c.settings.lookup(name)
	} else if !found {
		if provider := infer(c.name); provider != "" {
			name, model, found = provider, c.name, true
			p = c.settings.lookup(name)
		}
	}
	switch {
	case p != nil:
	case !found:
		return &Error{Kind: ErrUnknownProvider, Scope: ScopeLocal, Param: "model", Message: fmt.Sprintf(
			"the model %q names no provider; write \"provider/model\", set llm.WithDefaultProvider, or import \"github.com/llm-go/llm/models\" "+
				"for the names of vendors' own models", c.name)}
	default:
		return &Error{Kind: ErrUnknownProvider, Scope: ScopeLocal, Param: "model", Message: fmt.Sprintf(
			"unknown provider %q (forgotten import? add _ \"github.com/llm-go/llm/providers/all\")", name)}
	}
	if rest, ok := strings.CutPrefix(model, "responses/"); ok && p.Responses != nil && c.Operation == "completion" {
		model, c.viaResponses = rest, true
	}
	c.Provider, c.Model = p, model
	given, err := c.resolveBase(name)
	if err != nil {
		return err
	}
	return c.resolveKey(name, given)
}

func (s *settings) lookup(name string) *Provider {
	if p, ok := s.providers[name]; ok {
		return p
	}
	p, _ := LookupProvider(name)
	return p
}

// offers lists what a provider does offer.
func offers(p *Provider) string {
	var ops []string
	for _, o := range []struct {
		name string
		has  bool
	}{
		{"completion", p.Completion != nil}, {"responses", p.Responses != nil}, {"text_completion", p.TextCompletion != nil},
		{"embedding", p.Embedding != nil}, {"image", p.Image != nil}, {"image_edit", p.ImageEdit != nil},
		{"image_variation", p.ImageVariation != nil}, {"speech", p.Speech != nil}, {"transcription", p.Transcription != nil},
		{"translation", p.Translation != nil}, {"moderation", p.Moderation != nil}, {"count_tokens", p.CountTokens != nil},
		{"models", p.Models != nil},
	} {
		if o.has {
			ops = append(ops, o.name)
		}
	}
	if len(ops) == 0 {
		return ""
	}
	return " (it offers " + strings.Join(ops, ", ") + ")"
}

// newMeta tells of the attempt that succeeded.
func (c *Call) newMeta(a *attempt) *Meta {
	m := &Meta{Model: c.Model, Warnings: c.account.warnings, Attempts: c.account.made(), Duration: time.Since(c.start)}
	if c.Provider != nil {
		m.Provider = c.Provider.Name
	}
	if a != nil && a.resp != nil {
		m.Status, m.Header, m.RequestID = a.resp.StatusCode, a.resp.Header, requestID(a.resp.Header)
	}
	return m
}

// observe calls each callback; one that panics is logged and passed over.
func (c *Call) observe(f func(*Callback)) {
	for i := range c.settings.callbacks {
		func() {
			defer func() {
				if r := recover(); r != nil {
					slog.Error("llm: a callback panicked", "operation", string(c.Operation), "panic", fmt.Sprintf("%T", r))
				}
			}()
			f(&c.settings.callbacks[i])
		}()
	}
}

// finish tells the callbacks how the call ended.
func (c *Call) finish(ctx context.Context, o *Outcome) {
	c.observe(func(cb *Callback) {
		switch {
		case o.Err != nil && cb.OnFailure != nil:
			cb.OnFailure(ctx, c, o)
		case o.Err == nil && cb.OnSuccess != nil:
			cb.OnSuccess(ctx, c, o)
		}
	})
}

// fail makes any error an *Error of this call that is safe to print.
func (c *Call) fail(ctx context.Context, err error) *Error {
	e, ok := asError(err)
	switch {
	case !ok:
		if e = contextError(ctx); e == nil {
			e = &Error{Kind: ErrUnknown, Scope: ScopeLocal, Err: err}
		}
	case e == errClosed || error(e) != err: // shared, or wrapped by middleware: keep the outer text
		d := *e
		if error(e) != err {
			d.Message, d.Err = err.Error(), err
		}
		e = &d
	}
	if c.Provider != nil && e.Provider == "" {
		e.Provider, e.Model = c.Provider.Name, c.Model
	}
	if e.Attempts == nil {
		e.Attempts = slices.Clone(c.account.made())
	}
	c.clean(e)
	return e
}

// clean removes the key, and what the provider echoes of the prompt, from what an error prints.
func (c *Call) clean(e *Error) {
	hide := func(secret Secret) {
		value := secret.Reveal()
		if len(value) < 4 {
			return
		}
		for _, text := range []*string{&e.Message, &e.Type, &e.Code, &e.Param, &e.RequestID} {
			*text = strings.ReplaceAll(*text, value, redacted)
		}
		e.Body = bytes.ReplaceAll(e.Body, []byte(value), []byte(redacted))
	}
	hide(c.key)
	for _, s := range c.account.secrets {
		hide(s)
	}
	if e.Status != 0 || len(e.Body) > 0 {
		e.Message = hideEcho(shorten(e.Message, 8000), c.sent, c.Model)
	}
	e.Message = shorten(strings.ToValidUTF8(e.Message, "\uFFFD"), 1000)
}

func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// echoLength is how many bytes a message and the request's body must share to count as an echo of the prompt.
const echoLength = 20

// hideEcho blanks what a provider's message repeats of the request, except the model's name. It reads the request
// once, comparing a rolling hash with those of the message.
func hideEcho(msg string, sent []byte, model string) string {
	if len(msg) < echoLength || len(sent) < echoLength {
		return msg
	}
	places := make(map[uint64][]int, len(msg))
	var seen [1 << 10]uint64 // a bit for each hash's top 16 bits: most places of the request stop here
	for i, h := range rollingHashes(msg) {
		if !strings.Contains(model, msg[i:i+echoLength]) {
			places[h] = append(places[h], i)
			seen[h>>54] |= 1 << (h >> 48 & 63)
		}
	}
	echoed := make([]bool, len(msg))
	found := false
	for j, h := range rollingHashes(sent) {
		if seen[h>>54]&(1<<(h>>48&63)) == 0 {
			continue
		}
		left := places[h][:0]
		for _, i := range places[h] {
			if msg[i:i+echoLength] != string(sent[j:j+echoLength]) {
				left = append(left, i)
				continue
			}
			found = true
			for k := range echoLength {
				echoed[i+k] = true
			}
		}
		if len(left) == 0 {
			delete(places, h) // found is found: what the request repeats costs nothing more
		} else {
			places[h] = left
		}
	}
	if !found {
		return msg
	}
	var b strings.Builder
	for i := range len(msg) {
		switch {
		case !echoed[i]:
			b.WriteByte(msg[i])
		case i == 0 || !echoed[i-1]:
			b.WriteString("[…]")
		}
	}
	return b.String()
}

// rollingHashes yields the hash of each stretch of echoLength bytes.
func rollingHashes[T string | []byte](s T) iter.Seq2[int, uint64] {
	const base = 0x9E3779B97F4A7C15
	return func(yield func(int, uint64) bool) {
		var h, out uint64 = 0, 1
		for range echoLength {
			out *= base
		}
		for i := range len(s) {
			h = h*base + uint64(s[i]) + 1
			if i >= echoLength {
				h -= out * (uint64(s[i-echoLength]) + 1)
			}
			if i >= echoLength-1 && !yield(i-echoLength+1, h) {
				return
			}
		}
	}
}

// contextError is the typed error of a context that is done; nil if it is not.
func contextError(ctx context.Context) *Error {
	switch err := ctx.Err(); {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Kind: ErrTotalTimeout, Scope: ScopeLocal, Message: "the deadline passed", Err: err}
	default:
		return &Error{Kind: ErrCanceled, Scope: ScopeLocal, Message: "the context was cancelled", Err: err}
	}
}
