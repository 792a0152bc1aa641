package llm

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
)

// Resume makes a stream that goes on with another one when s fails in the middle. It breaks the rule that no stream
// carries the words of two attempts, so middleware uses it only where the caller has consented.
//
// next is given the error, with what has arrived in Partial, and returns how the new stream stands to the old one:
// a chunk with that marker is delivered between them. Without a stream, the first error stands. next may be asked
// again, when the new stream fails too. Its context ends when the reader closes the stream.
func (c *Call) Resume(ctx context.Context, s *Stream[CompletionChunk],
	next func(ctx context.Context, err *Error) (*Stream[CompletionChunk], Marker)) *Stream[CompletionChunk] {
	ctx, cancel := context.WithCancel(ctx)
	r := &resumed{current: s, cancel: cancel}
	var switched []Warning
	out := &Stream[CompletionChunk]{meta: s.meta, watch: newCompletionWatcher(c), firstContent: s.firstContent}
	out.stop = r.close
	out.next = func() (*CompletionChunk, error) {
		chunk, err := r.current.Next()
		var failed *Error
		if err == nil || err == io.EOF || !errors.As(err, &failed) || ctx.Err() != nil {
			return chunk, err
		}
		if _, failed.Partial = out.watch.outcome(); failed.Partial == nil {
			return nil, err
		}
		other, marker := next(ctx, failed)
		if other == nil {
			return nil, err
		}
		if !r.replace(other) {
			return nil, errClosed
		}
		out.meta = other.meta
		switched = append(switched, Warning{Code: "stream", Message: "the stream broke off, and another went on: " + string(marker)})
		return &CompletionChunk{Object: "chat.completion.chunk", Model: other.meta.Model, Marker: marker}, nil
	}
	out.settle = func(err error) error {
		r.close()
		meta := *r.current.meta
		meta.Warnings, meta.Attempts = append(slices.Clip(meta.Warnings), switched...), c.account.made()
		out.meta = &meta
		if err == io.EOF {
			return err
		}
		var e *Error
		if !errors.As(err, &e) {
			return err
		}
		d := *e
		if e == errClosed {
			d.Kind = ErrCanceled
		}
		_, d.Partial = out.watch.outcome()
		return &d
	}
	return out
}

// resumed holds the stream that is being read.
type resumed struct {
	mu      sync.Mutex
	current *Stream[CompletionChunk]
	closed  bool
	cancel  context.CancelFunc
}

func (r *resumed) replace(s *Stream[CompletionChunk]) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		s.Close()
		return false
	}
	r.current = s
	return true
}

// close may run beside a Next of the current stream, which then returns.
func (r *resumed) close() {
	r.cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.current.Close()
}
