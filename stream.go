package llm

import (
	"io"
	"iter"
	"strings"
	"sync/atomic"
	"time"
)

// Stream is an answer that arrives in pieces. When a function of this package returns one, the first content
// has arrived: whatever failed before it was retried or returned as the function's error.
//
// Range over [Stream.All], or call [Stream.Next] until it errs. A stream that is left early must be closed;
// All does that by itself, however its loop ends. A stream that is neither read nor closed is freed when its
// context ends or its total timeout passes. A stream is for one reader; only Close may be called beside it.
type Stream[T any] struct {
	next    Next[T]
	stop    func()            // makes a blocked next return; may be called beside it
	settle  func(error) error // the end: called once, never beside next; returns what Next is to return
	watch   watcher[T]
	seen    func(*T)      // is shown what is delivered; nil: none
	clock   *clock        // nil: none
	between time.Duration // the limit between contents
	content bool          // the last piece had content
	pending []*T          // read ahead, to be delivered first
	ended   error         // what Next returns from now on
	meta    *Meta
	chunks  int
	// firstContent is how long it took from the call's start.
	firstContent time.Duration
	closed       atomic.Bool
	state        atomic.Int32
}

// The states of a stream. Whoever moves it from idle to settled settles it.
const (
	streamIdle int32 = iota
	streamReading
	streamSettled
)

// watcher sees each chunk of a stream before the reader does.
type watcher[T any] interface {
	// see may change the chunk. content: something that the reader waits for; keep: deliver it now.
	see(c *T) (content, keep bool)
	// last is delivered after the provider's last chunk, nil for none.
	last() *T
	// outcome tells the usage and, if anything arrived, the partial answer.
	outcome() (*Usage, *CompletionResponse)
}

// NewStream makes a stream from a function, for middleware and tests. next returns io.EOF at the end; release,
// which may be nil, is called once when the stream ends or is closed.
func NewStream[T any](next Next[T], release func() error) *Stream[T] {
	s := &Stream[T]{next: next, meta: &Meta{}}
	s.settle = func(err error) error {
		if release != nil {
			if e := release(); e != nil && err == io.EOF {
				return e
			}
		}
		return err
	}
	return s
}

// All yields the pieces, or one error as the last pair. The sequence is single-use, and closes the stream when
// the loop ends, by break, return or panic too.
func (s *Stream[T]) All() iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		defer s.Close()
		for {
			c, err := s.Next()
			if err == io.EOF {
				return
			}
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

// Next is the next piece, which belongs to the caller. At the end, which the provider has proven, it returns
// io.EOF; any other error is an [*Error], with what had arrived in Partial. After that, and after Close, it
// returns the same again.
func (s *Stream[T]) Next() (*T, error) {
	if !s.state.CompareAndSwap(streamIdle, streamReading) {
		if s.ended == nil {
			return nil, errClosed
		}
		return nil, s.ended
	}
	var c *T
	var err error
	switch {
	case s.closed.Load():
		err = errClosed
	case len(s.pending) > 0:
		c = s.pending[0]
		s.pending[0] = nil // the array lives as long as the stream
		if s.pending = s.pending[1:]; len(s.pending) == 0 {
			s.pending = nil
		}
	default:
		c, err = s.pull()
	}
	if err != nil {
		if s.closed.Load() {
			err = errClosed
		}
		s.ended = s.settle(err)
		s.state.Store(streamSettled)
		return nil, s.ended
	}
	s.chunks++
	if s.seen != nil {
		s.seen(c)
	}
	s.state.Store(streamIdle)
	return c, nil
}

// pull reads until there is something to deliver.
func (s *Stream[T]) pull() (*T, error) {
	s.content = false
	if s.clock != nil {
		s.clock.resume(s.between)
		defer func() { s.clock.pause(s.content) }()
	}
	for {
		c, err := s.next()
		if err != nil {
			if err == io.EOF && s.watch != nil {
				if c := s.watch.last(); c != nil {
					s.next = func() (*T, error) { return nil, io.EOF }
					s.watch = settledWatcher[T]{s.watch}
					return c, nil
				}
			}
			return nil, err
		}
		if s.watch == nil {
			s.content = true
			return c, nil
		}
		content, keep := s.watch.see(c)
		s.content = s.content || content
		if keep {
			return c, nil
		}
	}
}

// errClosed is what a stream ends with when its reader leaves early.
var errClosed = &Error{Kind: ErrClosed, Scope: ScopeLocal, Message: "the stream was closed before its end"}

// settledWatcher has given its last chunk.
type settledWatcher[T any] struct{ watcher[T] }

func (settledWatcher[T]) last() *T { return nil }

// prime reads ahead up to the first content; io.EOF is not an error here, the answer may be empty.
func (s *Stream[T]) prime() error {
	for {
		c, err := s.next()
		if err == io.EOF {
			s.next = func() (*T, error) { return nil, io.EOF }
			return nil
		}
		if err != nil {
			return err
		}
		if s.watch == nil {
			s.pending = append(s.pending, c)
			return nil
		}
		content, keep := s.watch.see(c)
		if keep {
			s.pending = append(s.pending, c)
		}
		if content {
			return nil
		}
		if len(s.pending) > maxPrelude {
			return Malformed("the stream began with too many events that carry no content", nil)
		}
	}
}

// maxPrelude bounds what may come before the first content; beyond it chunks are only counted.
const maxPrelude = 10_000

// Close frees the connection. It may be called at any time, more than once, and beside a blocked Next, which
// then returns. Closing before the end counts as a call that the caller cancelled.
func (s *Stream[T]) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	if s.state.CompareAndSwap(streamIdle, streamSettled) {
		s.settle(errClosed)
	} else if s.stop != nil {
		s.stop() // a Next is under way, and settles when it returns
	}
	return nil
}

// Meta tells where the answer comes from; its Warnings are complete when the stream has ended.
func (s *Stream[T]) Meta() *Meta { return s.meta }

// Collect reads a stream to its end and returns the answer as one. On an error the answer so far is in the
// error's Partial.
func Collect(s *Stream[CompletionChunk]) (*CompletionResponse, error) {
	defer s.Close()
	var acc Accumulator
	for {
		c, err := s.Next()
		if err == io.EOF {
			r := acc.Response()
			if r == nil {
				r = &CompletionResponse{Object: "chat.completion"}
			}
			r.Meta = *s.Meta()
			return r, nil
		}
		if err != nil {
			if e, ok := asError(err); ok && e.Partial == nil {
				e.Partial = acc.partial()
			}
			return nil, err
		}
		acc.Add(c)
	}
}

// Replay is the reverse of [Collect]: an answer as a stream, for middleware such as caches. Collecting it
// gives the same answer.
func Replay(r *CompletionResponse) *Stream[CompletionChunk] {
	s := NewStream(replayCompletion(r), nil)
	s.meta = &r.Meta
	return s
}

// replayCompletion gives three kinds of chunks: what was said, why it ended, what it used.
func replayCompletion(r *CompletionResponse) Next[CompletionChunk] {
	head := CompletionChunk{ID: r.ID, Object: "chat.completion.chunk", Created: r.Created, Model: r.Model,
		SystemFingerprint: r.SystemFingerprint, ServiceTier: r.ServiceTier}
	said, end := head, head
	said.Extra = r.Extra
	for i := range r.Choices {
		c := &r.Choices[i]
		said.Choices = append(said.Choices, ChunkChoice{Index: c.Index, Delta: c.Message.delta(), Logprobs: c.Logprobs, Extra: c.Extra})
		end.Choices = append(end.Choices, ChunkChoice{Index: c.Index, FinishReason: c.FinishReason,
			NativeFinishReason: c.NativeFinishReason, StopSequence: c.StopSequence})
	}
	end.Usage = r.Usage
	chunks := []*CompletionChunk{&said, &end}
	return func() (*CompletionChunk, error) {
		if len(chunks) == 0 {
			return nil, io.EOF
		}
		c := chunks[0]
		chunks = chunks[1:]
		return c, nil
	}
}

// delta is a whole message as one delta.
func (m *Message) delta() Delta {
	d := Delta{Role: m.Role, Content: m.Content.Text(), ReasoningContent: m.ReasoningContent, Refusal: m.Refusal,
		Annotations: m.Annotations, Images: m.Images, Audio: m.Audio, Native: m.Native,
		IncompleteToolCalls: m.IncompleteToolCalls, Extra: m.Extra}
	for i, call := range m.ToolCalls {
		call.Index = i
		d.ToolCalls = append(d.ToolCalls, call)
	}
	for i, b := range m.ThinkingBlocks {
		b.Index = i
		d.ThinkingBlocks = append(d.ThinkingBlocks, b)
	}
	return d
}

// completionWatcher keeps the contract's promises on a completion's chunks: one usage record, at the end; one
// finish reason a choice, in this package's words; the partial answer in case it is needed.
type completionWatcher struct {
	acc      Accumulator
	usage    *CompletionChunk // held back
	call     *Call
	replaced bool
}

// maxPartial bounds what is kept of an answer for an error's Partial.
const maxPartial = 1 << 20

func newCompletionWatcher(call *Call) watcher[CompletionChunk] {
	w := &completionWatcher{call: call}
	w.acc.limit = maxPartial
	return w
}

func (w *completionWatcher) see(c *CompletionChunk) (content, keep bool) {
	if c.Usage != nil {
		w.holdUsage(c)
	}
	w.acc.Add(c)
	for i := range c.Choices {
		ch := &c.Choices[i]
		d := &ch.Delta
		if d.Content != "" || d.ReasoningContent != "" || len(d.ToolCalls) > 0 || len(d.ThinkingBlocks) > 0 ||
			len(d.IncompleteToolCalls) > 0 || d.Refusal != "" || d.Audio != nil || len(d.Images) > 0 || len(d.Annotations) > 0 || ch.FinishReason != "" {
			content = true
		}
		if ch.FinishReason != "" {
			ch.FinishReason = w.turnEnd(ch.Index, ch.FinishReason)
		}
		if !w.replaced && d.replaced() {
			w.replaced = true
			w.call.warnOnce(replacedText)
		}
	}
	return content, c != w.usage
}

// replacedText is the warning about text that is not as the model wrote it.
var replacedText = Warning{Code: "utf8", Message: "the answer has invalid UTF-8, replaced by U+FFFD"}

func (d *Delta) replaced() bool {
	return strings.Contains(d.Content, replacement) || d.ReasoningContent != "" && strings.Contains(d.ReasoningContent, replacement) ||
		replacedCall(d.ToolCalls)
}

const replacement = "\uFFFD"

func replacedCall(calls []ToolCall) bool {
	for i := range calls {
		if c := &calls[i]; strings.Contains(c.Function.Arguments, replacement) || c.Custom != nil && strings.Contains(c.Custom.Input, replacement) {
			return true
		}
	}
	return false
}

func (m *Message) replaced() bool {
	for i := range m.Content {
		if strings.Contains(m.Content[i].Text, replacement) {
			return true
		}
	}
	return strings.Contains(m.ReasoningContent, replacement) || replacedCall(m.ToolCalls) || replacedCall(m.IncompleteToolCalls)
}

// holdUsage takes the usage off a chunk until the end: some hosts send a running count. A chunk that is
// nothing but usage is held itself.
func (w *completionWatcher) holdUsage(c *CompletionChunk) {
	w.acc.usage = c.Usage
	if len(c.Choices) == 0 {
		w.usage = c
		return
	}
	w.usage = &CompletionChunk{ID: c.ID, Object: c.Object, Created: c.Created, Model: c.Model,
		SystemFingerprint: c.SystemFingerprint, ServiceTier: c.ServiceTier, Usage: c.Usage}
	c.Usage = nil
}

func (w *completionWatcher) turnEnd(index int, reason FinishReason) FinishReason {
	rest := w.acc.choice(index).choiceRest
	if rest == nil {
		return turnEnd(reason, false)
	}
	called := false
	for _, call := range rest.calls {
		tc := call.ToolCall
		if tc.Type == "custom" {
			tc.Custom = &CustomCall{Name: string(call.name), Input: string(call.input)}
		}
		tc.Function = FunctionCall{Name: string(call.name), Arguments: string(call.input)}
		called = called || tc.complete(reason == FinishLength)
	}
	return turnEnd(reason, called)
}

// last is the usage record, and a finish reason for choices that were given none.
func (w *completionWatcher) last() *CompletionChunk {
	c := w.usage
	for _, have := range w.acc.choices {
		if have.finish != "" {
			continue
		}
		if c == nil {
			c = &CompletionChunk{ID: w.acc.head.id, Object: "chat.completion.chunk", Created: w.acc.head.created, Model: w.acc.head.model}
		}
		have.finish = w.turnEnd(have.index, "")
		c.Choices = append(c.Choices, ChunkChoice{Index: have.index, FinishReason: have.finish})
	}
	return c
}

func (w *completionWatcher) outcome() (*Usage, *CompletionResponse) {
	p := w.acc.partial()
	if p != nil && len(p.Choices) == 0 {
		p = nil
	}
	return w.acc.usage, p
}
