package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/llm-go/llm"
)

// Semantic answers a question by the answer to another one that means the same: completions and responses whose last
// message is the user's, of text alone. Two questions are compared only if everything else is the same: the model, the
// system prompt, the other messages, tools, parameters, tenant and namespace. Requests with images, sound or files have
// no similar ones.
//
// Each question that has no answer of its own costs an embedding, before the call is made. If that fails, the call goes
// on, and has a warning of code "cache".
type Semantic struct {
	// Embed makes the vector of a text; see [Embedder].
	Embed func(ctx context.Context, text string) ([]float32, error)
	// Threshold is the least cosine of two vectors for which one answer stands for both; default 0.95. What is right
	// depends on the model of the vectors.
	Threshold float64
	// Index finds vectors; default [NewMemoryIndex] with its defaults.
	Index Index
	// Timeout bounds an embedding; default 2 s.
	Timeout time.Duration
	// Tools says that requests with tools have similar ones, too. Tools that act should not be called, or left uncalled,
	// because of what was asked before.
	Tools bool
}

// Embedder makes vectors by a model, such as "openai/text-embedding-3-small", through a client.
func Embedder(client *llm.Client, model string, opts ...llm.Option) func(ctx context.Context, text string) ([]float32, error) {
	return func(ctx context.Context, text string) ([]float32, error) {
		resp, err := client.Embedding(ctx, &llm.EmbeddingRequest{Model: model, Input: []string{text}}, opts...)
		if err != nil {
			return nil, err
		}
		if len(resp.Data) != 1 {
			return nil, fmt.Errorf("cache: %d vectors came for one text", len(resp.Data))
		}
		return resp.Data[0].Embedding, nil
	}
}

// Index finds the vectors that are nearest to another. A scope is what two questions must have in common; vectors of
// different scopes never meet. Vectors have the length 1, so that the cosine of two is their dot product.
// Implementations are safe for use by many goroutines, and return when ctx ends.
type Index interface {
	// Nearest is the entry of the scope with the greatest similarity; the zero Match if there is none.
	Nearest(ctx context.Context, scope Key, vector []float32) (Match, error)
	// Add puts a vector under the key of its answer, in the place of an older one. The vector is not changed any more.
	// After ttl it need not be found any more; 0: it stays.
	Add(ctx context.Context, scope Key, m Vector) error
}

// Vector is an entry of an [Index].
type Vector struct {
	Key    Key
	Values []float32
	TTL    time.Duration
}

// Match is what an [Index] has found.
type Match struct {
	Key        Key
	Similarity float64
}

type semantic struct{ Semantic }

func newSemantic(s Semantic, now func() time.Time) (*semantic, error) {
	s.Threshold = cmp.Or(s.Threshold, 0.95)
	s.Timeout = cmp.Or(s.Timeout, 2*time.Second)
	if s.Index == nil {
		s.Index = NewMemoryIndex(MemoryIndexConfig{Now: now})
	}
	switch {
	case s.Embed == nil:
		return nil, invalid("Semantic", "Embed is missing; cache.Embedder makes one")
	case !(s.Threshold > 0 && s.Threshold <= 1):
		return nil, invalid("Semantic", "Threshold must be above 0 and at most 1")
	}
	return &semantic{s}, nil
}

// question is what may be said in other words.
type question struct {
	scope  Key
	text   string
	vector []float32
}

// question is nil for a request that has no similar ones.
func (s *semantic) question(sc *scope, call *llm.Call) *question {
	var rest any
	var text string
	switch r := call.Request.(type) {
	case *llm.CompletionRequest:
		if len(r.Tools) > 0 && !s.Tools {
			return nil
		}
		text, rest = cutCompletion(r)
	case *llm.ResponsesRequest:
		if len(r.Tools) > 0 && !s.Tools {
			return nil
		}
		text, rest = cutResponses(r)
	}
	if strings.TrimSpace(text) == "" {
		return nil
	}
	other := *sc
	other.purpose = "question"
	key, err := newKey(&other, call, rest)
	if err != nil {
		return nil
	}
	return &question{scope: key, text: text}
}

// cutCompletion takes the last user message's text out of a copy of the request; "" if there is none to be compared.
func cutCompletion(r *llm.CompletionRequest) (text string, rest any) {
	last := len(r.Messages) - 1
	if last < 0 || r.Messages[last].Role != llm.RoleUser {
		return "", nil
	}
	for i := range r.Messages {
		if slices.ContainsFunc(r.Messages[i].Content, func(p llm.Part) bool { return p.Type != "text" }) {
			return "", nil
		}
	}
	cut := *r
	cut.Messages = slices.Clone(r.Messages)
	m := &cut.Messages[last]
	m.Content = slices.Clone(m.Content)
	for i := range m.Content {
		m.Content[i].Text = ""
	}
	return r.Messages[last].Content.Text(), &cut
}

// cutResponses is cutCompletion for the other kind of call.
func cutResponses(r *llm.ResponsesRequest) (text string, rest any) {
	last := len(r.Input) - 1
	if last < 0 || r.Input[last].Type != "message" || r.Input[last].Role != llm.RoleUser {
		return "", nil
	}
	media := func(c llm.ResponsesContent) bool {
		return c.Type == "input_image" || c.Type == "input_file" || c.Type == "input_audio"
	}
	for i := range r.Input {
		if it := &r.Input[i]; slices.ContainsFunc(it.Content, media) || slices.ContainsFunc(it.Output, media) {
			return "", nil
		}
	}
	cut := *r
	cut.Input = slices.Clone(r.Input)
	it := &cut.Input[last]
	it.Content = slices.Clone(it.Content)
	var texts []string
	for i := range it.Content {
		if it.Content[i].Type != "input_text" {
			return "", nil
		}
		texts = append(texts, it.Content[i].Text)
		it.Content[i].Text = ""
	}
	return strings.Join(texts, ""), &cut
}

// similar looks for the answer to a question that means the same.
func (t *trip) similar(ctx context.Context) *found {
	s, q := t.cache.semantic, t.question
	vector, err := s.embed(ctx, q.text)
	if err != nil {
		if ctx.Err() == nil {
			t.call.Warn(llm.Warning{Code: warningCode, Message: "there is no embedding of the question, so no similar one was looked for: " + kind(err)})
		}
		return nil
	}
	q.vector = vector
	limited, cancel := context.WithTimeout(ctx, t.cache.config.StoreTimeout)
	defer cancel()
	m, err := s.Index.Nearest(limited, q.scope, vector)
	if err != nil {
		if ctx.Err() == nil {
			t.cache.config.OnError(err)
		}
		return nil
	}
	if !(m.Similarity >= s.Threshold) {
		return nil
	}
	f := t.stored(ctx, m.Key, min(m.Similarity, 1))
	if f != nil {
		t.cache.counts.semantic.Add(1)
	}
	return f
}

// embed is the vector of a text, with the length 1.
func (s *semantic) embed(ctx context.Context, text string) ([]float32, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	given, err := s.Embed(ctx, text)
	if err != nil {
		return nil, err
	}
	sum := 0.0
	for _, f := range given {
		sum += float64(f) * float64(f)
	}
	if !(sum > 0) || math.IsInf(sum, 0) {
		return nil, errors.New("cache: the vector has no direction")
	}
	vector := make([]float32, len(given))
	for i, f := range given {
		vector[i] = float32(float64(f) / math.Sqrt(sum))
	}
	return vector, nil
}

// kind says what failed without the error's text, which may have words of the question.
func kind(err error) string {
	var e *llm.Error
	if errors.As(err, &e) {
		return string(e.Kind)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "it took too long"
	}
	return "it failed"
}

// index makes the question findable.
func (t *trip) index(ctx context.Context) {
	if t.question == nil || t.question.vector == nil {
		return
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.cache.config.StoreTimeout)
	defer cancel()
	if err := t.cache.semantic.Index.Add(limited, t.question.scope, Vector{t.key, t.question.vector, t.ttl}); err != nil {
		t.cache.config.OnError(err)
	}
}
