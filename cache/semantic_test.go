package cache_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/cache"
	"github.com/stretchr/testify/require"
)

// vectors embeds texts by a table; what is not in it fails.
type vectors struct {
	table map[string][]float32
	asked []string
}

func (v *vectors) embed(_ context.Context, text string) ([]float32, error) {
	v.asked = append(v.asked, text)
	if e := v.table[text]; e != nil {
		return e, nil
	}
	return nil, &llm.Error{Kind: llm.ErrRateLimit, Message: "secret words"}
}

// at is a vector of length 3 at an angle, so that cosines are known.
func at(degrees float64) []float32 {
	return []float32{float32(3 * math.Cos(degrees*math.Pi/180)), float32(3 * math.Sin(degrees*math.Pi/180)), 0}
}

func TestSemantic(t *testing.T) {
	v := &vectors{table: map[string][]float32{"capital of France?": at(0), "France's capital?": at(10), "capital of Spain?": at(40), "other length": {1}}}
	n := 0
	serve := func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
		n++
		return answering(text(string(rune('a'+n-1))))(ctx, call)
	}
	c, _, made := setup(t, cache.Config{Semantic: &cache.Semantic{Embed: v.embed}}, serve)
	say := func(words string, change func(*llm.CompletionRequest), opts ...llm.Option) *llm.CompletionResponse {
		req := ask(words)
		if change != nil {
			change(req)
		}
		return complete(t, c, req, opts...)
	}
	require.Equal(t, "a", say("capital of France?", nil).Text())
	hit := say("France's capital?", nil)
	require.Equal(t, "a", hit.Text())
	require.InDelta(t, math.Cos(10*math.Pi/180), hit.Meta.Cache.Similarity, 1e-5)
	require.Equal(t, "a", collect(t, c, ask("France's capital?")).Text(), "as a stream, too")
	require.Equal(t, "b", say("capital of Spain?", nil).Text(), "not near enough")
	require.Equal(t, "c", say("other length", nil).Text())
	asked := len(v.asked)
	require.Equal(t, 1.0, say("capital of France?", nil).Meta.Cache.Similarity)
	require.Len(t, v.asked, asked, "the same request needs no vector")
	require.Equal(t, cache.Stats{Hits: 3, SemanticHits: 2, Misses: 3, Stored: 3}, made.Stats())

	// Everything else must be the same.
	for name, change := range map[string]func(*llm.CompletionRequest){
		"system prompt": func(r *llm.CompletionRequest) { r.Messages = append([]llm.Message{llm.System("s")}, r.Messages...) },
		"earlier turn": func(r *llm.CompletionRequest) {
			r.Messages = append([]llm.Message{llm.User("a"), llm.Assistant("b")}, r.Messages...)
		},
		"model":       func(r *llm.CompletionRequest) { r.Model = "openai/n" },
		"temperature": func(r *llm.CompletionRequest) { r.Temperature = new(0.5) },
		"extra":       func(r *llm.CompletionRequest) { r.Extra = llm.Extra{"x": 1} },
		"name":        func(r *llm.CompletionRequest) { r.Messages[0].Name = "ada" },
	} {
		require.Nil(t, say("France's capital?", change).Meta.Cache, name)
	}
	require.Nil(t, say("France's capital?", nil, cache.WithNamespace("n")).Meta.Cache)
	require.Nil(t, say("France's capital?", nil, llm.WithMetadata(map[string]any{"tenant": "t"})).Meta.Cache)
	require.Nil(t, say("France's capital?", nil, cache.NoCache()).Meta.Cache)
	require.NotNil(t, say("capital of France?", nil, cache.NoStore()).Meta.Cache)
}

func TestSemanticLeavesAlone(t *testing.T) {
	image := func(r *llm.CompletionRequest) {
		r.Messages[0].Content = append(r.Messages[0].Content, llm.Part{Type: "image_url", ImageURL: &llm.ImageURL{URL: "https://example.com/a.png"}})
	}
	tools := func(r *llm.CompletionRequest) { r.Tools = []llm.Tool{{Function: &llm.FunctionTool{Name: "f"}}} }
	for name, tt := range map[string]struct {
		change func(*llm.CompletionRequest)
		tools  bool
		asks   bool
	}{
		"an image": {change: image},
		"an image earlier": {change: func(r *llm.CompletionRequest) {
			image(r)
			r.Messages = append(r.Messages, llm.Assistant("a"), llm.User("b"))
		}},
		"tools":          {change: tools},
		"tools, allowed": {change: tools, tools: true, asks: true},
		"a tool's result at the end": {change: func(r *llm.CompletionRequest) {
			r.Messages = append(r.Messages, llm.Message{Role: llm.RoleTool, ToolCallID: "c", Content: llm.Content{llm.TextPart("42")}})
		}},
		"a blank question": {change: func(r *llm.CompletionRequest) { r.Messages[0].Content[0].Text = "  " }},
		"no message":       {change: func(r *llm.CompletionRequest) { r.Messages = nil }},
		"a question":       {change: func(*llm.CompletionRequest) {}, asks: true},
	} {
		v := &vectors{}
		c, _, _ := setup(t, cache.Config{Semantic: &cache.Semantic{Embed: v.embed, Tools: tt.tools}}, answering(text("a")))
		req := ask("?")
		tt.change(req)
		complete(t, c, req)
		require.Equal(t, tt.asks, len(v.asked) > 0, name)
	}
}

func TestSemanticOfResponses(t *testing.T) {
	v := &vectors{table: map[string][]float32{"a": at(0), "b": at(5)}}
	r := &llm.ResponsesResponse{Status: "completed", Output: []llm.ResponsesItem{{Type: "message", Role: llm.RoleAssistant, Content: []llm.ResponsesContent{{Type: "output_text", Text: "Hi"}}}}}
	c, u, _ := setup(t, cache.Config{Semantic: &cache.Semantic{Embed: v.embed}}, answering(r))
	for i, words := range []string{"a", "b"} {
		got, err := c.Responses(t.Context(), &llm.ResponsesRequest{Model: "x/m", Input: []llm.ResponsesItem{llm.InputText(words)}})
		require.NoError(t, err)
		require.Equal(t, i == 1, got.Meta.Cache != nil)
	}
	item := llm.InputText("b")
	item.Content = append(item.Content, llm.ResponsesContent{Type: "input_image", ImageURL: "https://example.com/a.png"})
	_, err := c.Responses(t.Context(), &llm.ResponsesRequest{Model: "x/m", Input: []llm.ResponsesItem{item}})
	require.NoError(t, err)
	require.EqualValues(t, 2, u.calls.Load())
	require.Len(t, v.asked, 2)
}

// Without an embedding the call goes on, and says so; the words of the question are not in what it says.
func TestEmbeddingFails(t *testing.T) {
	for name, tt := range map[string]struct {
		embed func(context.Context, string) ([]float32, error)
		want  string
	}{
		"an error":      {(&vectors{}).embed, "rate_limit"},
		"another error": {func(context.Context, string) ([]float32, error) { return nil, errors.New("secret words") }, "failed"},
		"zeros":         {func(context.Context, string) ([]float32, error) { return make([]float32, 3), nil }, "failed"},
		"not numbers":   {func(context.Context, string) ([]float32, error) { return []float32{float32(math.NaN())}, nil }, "failed"},
		"nothing":       {func(context.Context, string) ([]float32, error) { return nil, nil }, "failed"},
		"too slow":      {func(ctx context.Context, _ string) ([]float32, error) { <-ctx.Done(); return nil, ctx.Err() }, "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				made := newCache(t, cache.Config{Semantic: &cache.Semantic{Embed: tt.embed}})
				c := llm.New(llm.WithMiddleware(made.Middleware), llm.WithMock("a"))
				start := time.Now()
				r := complete(t, c, ask("?"))
				require.LessOrEqual(t, time.Since(start), 2*time.Second)
				require.Len(t, r.Meta.Warnings, 1)
				require.Equal(t, "cache", r.Meta.Warnings[0].Code)
				require.Contains(t, r.Meta.Warnings[0].Message, tt.want)
				require.NotContains(t, r.Meta.Warnings[0].Message, "secret")
				require.Empty(t, complete(t, c, ask("?")).Meta.Warnings, "a hit has no such trouble")
			})
		})
	}
}

// slowIndex is an index that has frozen.
type slowIndex struct{}

func (slowIndex) Nearest(ctx context.Context, _ cache.Key, _ []float32) (cache.Match, error) {
	<-ctx.Done()
	return cache.Match{}, ctx.Err()
}
func (slowIndex) Add(ctx context.Context, _ cache.Key, _ cache.Vector) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestFrozenIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vectors{table: map[string][]float32{"?": at(0)}}
		errs := 0
		c, _, _ := setup(t, cache.Config{OnError: func(error) { errs++ }, Semantic: &cache.Semantic{Embed: v.embed, Index: slowIndex{}}}, answering(text("a")))
		start := time.Now()
		complete(t, c, ask("?"))
		require.Equal(t, 100*time.Millisecond, time.Since(start))
		require.Equal(t, 2, errs)
	})
}

func TestEmbedder(t *testing.T) {
	for n, ok := range map[int]bool{0: false, 1: true, 2: false} {
		r := &llm.EmbeddingResponse{Data: make([]llm.EmbeddingData, n)}
		for i := range r.Data {
			r.Data[i].Embedding = []float32{1, 2}
		}
		e := cache.Embedder(llm.New(llm.WithMock(r)), "x/m")
		v, err := e(t.Context(), "text")
		require.Equal(t, ok, err == nil)
		if ok {
			require.Equal(t, []float32{1, 2}, v)
		}
	}
	_, err := cache.Embedder(llm.New(llm.WithMock(&llm.Error{Kind: llm.ErrServer})), "x/m")(t.Context(), "text")
	require.ErrorIs(t, err, llm.ErrServer)
}

func TestMemoryIndex(t *testing.T) {
	add := func(x *cache.MemoryIndex, scope, k int, degrees float64, ttl time.Duration) {
		require.NoError(t, x.Add(t.Context(), key(scope), cache.Vector{Key: key(k), Values: unit(degrees), TTL: ttl}))
	}
	nearest := func(x *cache.MemoryIndex, scope int, degrees float64) cache.Match {
		m, err := x.Nearest(t.Context(), key(scope), unit(degrees))
		require.NoError(t, err)
		return m
	}
	t.Run("nearest of its scope", func(t *testing.T) {
		x := cache.NewMemoryIndex(cache.MemoryIndexConfig{})
		add(x, 1, 10, 0, 0)
		add(x, 1, 11, 30, 0)
		add(x, 2, 12, 18, 0)
		m := nearest(x, 1, 20)
		require.Equal(t, key(11), m.Key)
		require.InDelta(t, math.Cos(10*math.Pi/180), m.Similarity, 1e-6)
		require.Zero(t, nearest(x, 3, 20))
		add(x, 1, 11, 90, 0)
		require.Equal(t, key(10), nearest(x, 1, 20).Key, "replaced")
	})
	t.Run("time", func(t *testing.T) {
		c := newClock()
		x := cache.NewMemoryIndex(cache.MemoryIndexConfig{Now: c.Now})
		add(x, 1, 10, 0, time.Minute)
		add(x, 1, 11, 30, 0)
		c.Advance(time.Minute)
		require.Equal(t, key(11), nearest(x, 1, 0).Key)
	})
	t.Run("bounds", func(t *testing.T) {
		for _, config := range []cache.MemoryIndexConfig{{MaxEntries: 10}, {MaxBytes: 10 * 420}} {
			x := cache.NewMemoryIndex(config)
			for i := range 100 {
				add(x, i%3, i, float64(i), 0)
			}
			for i := range 3 {
				require.Less(t, nearest(x, i, 0).Similarity, 0.1, "only the last ten are there, at 90 degrees and more")
			}
			require.InDelta(t, 1, nearest(x, 0, 99).Similarity, 1e-6)
		}
	})
	t.Run("many at once", func(t *testing.T) {
		x := cache.NewMemoryIndex(cache.MemoryIndexConfig{MaxEntries: 50})
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(1, uint64(g)))
				for range 300 {
					add(x, r.IntN(3), r.IntN(100), r.Float64()*90, time.Duration(r.IntN(2)))
					nearest(x, r.IntN(3), 10)
				}
			})
		}
		wg.Wait()
	})
}

func unit(degrees float64) []float32 {
	v := at(degrees)
	return []float32{v[0] / 3, v[1] / 3}
}

func BenchmarkNearest(b *testing.B) {
	x := cache.NewMemoryIndex(cache.MemoryIndexConfig{})
	r := rand.New(rand.NewPCG(1, 2))
	vector := func() []float32 {
		v := make([]float32, 1536)
		for i := range v {
			v[i] = r.Float32()
		}
		return v
	}
	for i := range 1000 {
		if err := x.Add(b.Context(), key(1), cache.Vector{Key: key(i), Values: vector()}); err != nil {
			b.Fatal(err)
		}
	}
	q := vector()
	for b.Loop() {
		_, _ = x.Nearest(b.Context(), key(1), q)
	}
}
