package cache_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/cache"
	"github.com/stretchr/testify/require"
)

// upstream stands for the engine: it counts calls, and answers them by a function.
type upstream struct {
	calls atomic.Int32
	mu    sync.Mutex
	serve llm.Handler
}

func (u *upstream) middleware(llm.Handler) llm.Handler {
	return func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
		u.calls.Add(1)
		u.mu.Lock()
		serve := u.serve
		u.mu.Unlock()
		return serve(ctx, call)
	}
}

// meta is that of an answer that came over the network.
func upstreamMeta() llm.Meta {
	return llm.Meta{Provider: "openai", Model: "m", Status: 200, RequestID: "req_1", Header: map[string][]string{"Set-Cookie": {"canary-cookie"}},
		Raw: []byte("canary-raw"), Warnings: []llm.Warning{{Code: "dropped_param", Param: "seed", Message: "no such member"}},
		Attempts: []llm.Attempt{{Provider: "openai"}}}
}

// answering gives every call a copy of an answer, as a stream or whole.
func answering(answer any) llm.Handler {
	return func(_ context.Context, call *llm.Call) (*llm.Result, error) {
		b, err := json.Marshal(answer)
		if err != nil {
			return nil, err
		}
		fresh := reflect.New(reflect.TypeOf(answer).Elem()).Interface()
		if err := json.Unmarshal(b, fresh); err != nil {
			return nil, err
		}
		return call.Answer(fresh, upstreamMeta())
	}
}

func text(s string) *llm.CompletionResponse {
	return &llm.CompletionResponse{ID: "id", Object: "chat.completion", Created: 5, Model: "m",
		Choices: []llm.Choice{{Message: llm.Assistant(s), FinishReason: llm.FinishStop}},
		Usage:   &llm.Usage{PromptTokens: 7, CompletionTokens: 3, TotalTokens: 10}}
}

func ask(words string) *llm.CompletionRequest {
	return &llm.CompletionRequest{Model: "openai/m", Messages: []llm.Message{llm.User(words)}}
}

func newCache(t testing.TB, c cache.Config) *cache.Cache {
	t.Helper()
	made, err := cache.New(c)
	require.NoError(t, err)
	return made
}

// setup is a client with a cache in front of an upstream.
func setup(t testing.TB, c cache.Config, serve llm.Handler, opts ...llm.Option) (*llm.Client, *upstream, *cache.Cache) {
	t.Helper()
	made := newCache(t, c)
	u := &upstream{serve: serve}
	return llm.New(append(opts, llm.WithMiddleware(made.Middleware, u.middleware))...), u, made
}

func complete(t testing.TB, c *llm.Client, req *llm.CompletionRequest, opts ...llm.Option) *llm.CompletionResponse {
	t.Helper()
	r, err := c.Completion(t.Context(), req, opts...)
	require.NoError(t, err)
	return r
}

func collect(t testing.TB, c *llm.Client, req *llm.CompletionRequest, opts ...llm.Option) *llm.CompletionResponse {
	t.Helper()
	s, err := c.CompletionStream(t.Context(), req, opts...)
	require.NoError(t, err)
	r, err := llm.Collect(s)
	require.NoError(t, err)
	return r
}

// rich has every part that an answer can have.
const rich = `{"id":"x","object":"chat.completion","created":1700000000,"model":"m","system_fingerprint":"fp","service_tier":"flex",
	"choices":[{"index":0,"finish_reason":"tool_calls","native_finish_reason":"tool_use","stop_sequence":"END","choice_member":1,
		"logprobs":{"content":[{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[{"token":"b","logprob":-1}]}]},
		"message":{"role":"assistant","content":"Look: \u00e9\u2028","refusal":"no","reasoning_content":"hm","message_member":{"a":[1,null]},
			"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"},"signature":"c2ln","origin":"gemini","call_member":true},
				{"id":"c2","type":"custom","custom":{"name":"g","input":"free text"}}],
			"thinking_blocks":[{"type":"thinking","thinking":"","signature":"EuYBCkQYAiJA==","origin":"anthropic"},
				{"type":"redacted_thinking","data":"EroBCk==","origin":"anthropic","id":"r1"}],
			"annotations":[{"type":"url_citation","url_citation":{"start_index":1,"end_index":2,"url":"https://example.com","title":"T","cited_text":"c"}}],
			"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}],
			"audio":{"id":"a1","data":"AAAA","expires_at":1700000000,"transcript":"hi"},
			"native":{"origin":"anthropic","content":[{"type":"text","text":"Look"}]}}},
		{"index":1,"finish_reason":"length","message":{"role":"assistant","content":"second"}}],
	"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30,"prompt_tokens_details":{"cached_tokens":1},
		"completion_tokens_details":{"reasoning_tokens":4},"cost":0.25},"answer_member":"kept"}`

// However an answer came and however it is asked for again, every part is there, and no call is made.
func TestHitReplaysEveryPart(t *testing.T) {
	var answer llm.CompletionResponse
	require.NoError(t, json.Unmarshal([]byte(rich), &answer))
	want, err := json.Marshal(&answer)
	require.NoError(t, err)
	type caller func(testing.TB, *llm.Client, *llm.CompletionRequest, ...llm.Option) *llm.CompletionResponse
	for first, store := range map[string]caller{"whole": complete, "stream": collect} {
		for second, read := range map[string]caller{"whole": complete, "stream": collect} {
			for name, st := range map[string]func() cache.Store{
				"memory": func() cache.Store { return nil },
				"disk":   func() cache.Store { return openDisk(t, cache.DiskConfig{Dir: t.TempDir()}) },
			} {
				t.Run(first+" then "+second+", "+name, func(t *testing.T) {
					clk := newClock()
					c, u, made := setup(t, cache.Config{Store: st(), Now: clk.Now}, answering(&answer))
					store(t, c, ask("?"))
					clk.Advance(90 * time.Second)
					got := read(t, c, ask("?"))
					require.EqualValues(t, 1, u.calls.Load())
					b, err := json.Marshal(got)
					require.NoError(t, err)
					require.JSONEq(t, string(want), string(b))
					require.Equal(t, &llm.CacheInfo{Age: 90 * time.Second, Similarity: 1}, got.Meta.Cache)
					m := upstreamMeta()
					m.Header, m.Raw, m.Attempts, m.Cache = nil, nil, nil, got.Meta.Cache
					require.Equal(t, m, got.Meta)
					require.Equal(t, cache.Stats{Hits: 1, Misses: 1, Stored: 1}, made.Stats())
				})
			}
		}
	}
}

// Callbacks see the hit as such, with what the first answer used.
func TestHitIsToldToCallbacks(t *testing.T) {
	var seen []*llm.Outcome
	cb := llm.WithCallback(llm.Callback{OnSuccess: func(_ context.Context, _ *llm.Call, o *llm.Outcome) { seen = append(seen, o) }})
	c, _, _ := setup(t, cache.Config{}, answering(text("Paris.")), cb)
	complete(t, c, ask("?"))
	complete(t, c, ask("?"))
	collect(t, c, ask("?"))
	require.Len(t, seen, 3)
	require.Nil(t, seen[0].Meta.Cache)
	for _, o := range seen[1:] {
		require.NotNil(t, o.Meta.Cache)
		require.Empty(t, o.Meta.Attempts)
		require.Equal(t, 10, o.Usage.TotalTokens)
	}
}

func TestOtherOperations(t *testing.T) {
	all := append(cache.DefaultOperations(), "translation", "moderation", "speech", "count_tokens", "models", "image", "image_edit", "image_variation")
	usage := &llm.Usage{PromptTokens: 1, TotalTokens: 1}
	file := llm.FileInput{Name: "a.mp3", Data: []byte("sound")}
	image := &llm.ImageResponse{Created: 1, Data: []llm.ImageData{{B64JSON: "AAAA"}}, Usage: usage}
	for name, tt := range map[string]struct {
		answer any
		call   func(c *llm.Client) (any, *llm.Meta, error)
	}{
		"embedding": {&llm.EmbeddingResponse{Object: "list", Model: "m", Data: []llm.EmbeddingData{{Embedding: []float32{0.1, -1e-7}}}, Usage: usage},
			func(c *llm.Client) (any, *llm.Meta, error) {
				r, err := c.Embedding(t.Context(), &llm.EmbeddingRequest{Model: "x/m", Input: []string{"a"}})
				return r, &r.Meta, err
			}},
		"responses": {&llm.ResponsesResponse{ID: "r", Object: "response", Status: "completed", Model: "m", Usage: usage,
			Output: []llm.ResponsesItem{{Type: "reasoning", EncryptedContent: "gAAA"}, {Type: "message", Role: llm.RoleAssistant, Content: []llm.ResponsesContent{{Type: "output_text", Text: "Hi"}}}}},
			func(c *llm.Client) (any, *llm.Meta, error) {
				r, err := c.Responses(t.Context(), &llm.ResponsesRequest{Model: "x/m", Input: []llm.ResponsesItem{llm.InputText("a")}})
				return r, &r.Meta, err
			}},
		"text_completion": {&llm.TextCompletionResponse{ID: "t", Object: "text_completion", Model: "m", Choices: []llm.TextChoice{{Text: "x", FinishReason: llm.FinishLength}}},
			func(c *llm.Client) (any, *llm.Meta, error) {
				r, err := c.TextCompletion(t.Context(), &llm.TextCompletionRequest{Model: "x/m", Prompt: []string{"a"}})
				return r, &r.Meta, err
			}},
		"transcription": {&llm.TranscriptionResponse{Text: "hello", Duration: 1.5, Usage: usage},
			func(c *llm.Client) (any, *llm.Meta, error) {
				r, err := c.Transcription(t.Context(), &llm.TranscriptionRequest{Model: "x/m", File: file})
				return r, &r.Meta, err
			}},
		"translation": {&llm.TranscriptionResponse{Text: "hello"},
			func(c *llm.Client) (any, *llm.Meta, error) {
				r, err := c.Translation(t.Context(), &llm.TranslationRequest{Model: "x/m", File: file})
				return r, &r.Meta, err
			}},
		"speech": {&llm.SpeechResponse{Audio: []byte{0, 255}, MediaType: "audio/mpeg"},
			func(c *llm.Client) (any, *llm.Meta, error) {
				r, err := c.Speech(t.Context(), &llm.SpeechRequest{Model: "x/m", Input: "a"})
				return r, &r.Meta, err
			}},
		"moderation": {&llm.ModerationResponse{ID: "m", Model: "m", Results: []llm.ModerationResult{{Flagged: true, CategoryScores: map[string]float64{"a": 0.5}}}},
			func(c *llm.Client) (any, *llm.Meta, error) {
				r, err := c.Moderation(t.Context(), &llm.ModerationRequest{Model: "x/m", Input: []string{"a"}})
				return r, &r.Meta, err
			}},
		"count_tokens": {&llm.CountTokensResponse{InputTokens: 5},
			func(c *llm.Client) (any, *llm.Meta, error) {
				r, err := c.CountTokens(t.Context(), &llm.CountTokensRequest{Model: "x/m"})
				return r, &r.Meta, err
			}},
		"models": {&llm.ModelsResponse{Data: []llm.Model{{ID: "m"}}},
			func(c *llm.Client) (any, *llm.Meta, error) {
				r, err := c.Models(t.Context(), &llm.ModelsRequest{Provider: "x"})
				return r, &r.Meta, err
			}},
		"image": {image, func(c *llm.Client) (any, *llm.Meta, error) {
			r, err := c.Image(t.Context(), &llm.ImageRequest{Model: "x/m", Prompt: "a"})
			return r, &r.Meta, err
		}},
		"image_edit": {image, func(c *llm.Client) (any, *llm.Meta, error) {
			r, err := c.ImageEdit(t.Context(), &llm.ImageEditRequest{Images: []llm.FileInput{file}})
			return r, &r.Meta, err
		}},
		"image_variation": {image, func(c *llm.Client) (any, *llm.Meta, error) {
			r, err := c.ImageVariation(t.Context(), &llm.ImageVariationRequest{Model: "x/m", Image: file})
			return r, &r.Meta, err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c, u, _ := setup(t, cache.Config{Operations: all}, answering(tt.answer))
			_, _, err := tt.call(c)
			require.NoError(t, err)
			got, m, err := tt.call(c)
			require.NoError(t, err)
			require.NotNil(t, m.Cache)
			require.EqualValues(t, 1, u.calls.Load())
			*m = llm.Meta{}
			want, err := json.Marshal(tt.answer)
			require.NoError(t, err)
			b, err := json.Marshal(got)
			require.NoError(t, err)
			require.JSONEq(t, string(want), string(b))
		})
	}
	_, err := cache.New(cache.Config{Operations: []llm.Operation{"fly"}})
	require.ErrorContains(t, err, `"fly"`)
	c, u, _ := setup(t, cache.Config{}, answering(image))
	for range 2 {
		_, err := c.Image(t.Context(), &llm.ImageRequest{Model: "x/m", Prompt: "a"})
		require.NoError(t, err)
	}
	require.EqualValues(t, 2, u.calls.Load(), "pictures are not kept unless that is asked for")
}

func TestNeverStored(t *testing.T) {
	with := func(change func(*llm.CompletionResponse)) *llm.CompletionResponse {
		r := text("Paris.")
		change(r)
		return r
	}
	failing := func(err error) llm.Handler {
		return func(context.Context, *llm.Call) (*llm.Result, error) { return nil, err }
	}
	streaming := func(chunks ...any) llm.Handler {
		return func(context.Context, *llm.Call) (*llm.Result, error) {
			list := chunks
			return &llm.Result{Stream: llm.NewStream(func() (*llm.CompletionChunk, error) {
				if len(list) == 0 {
					return nil, io.EOF
				}
				next := list[0]
				list = list[1:]
				if err, ok := next.(error); ok {
					return nil, err
				}
				return next.(*llm.CompletionChunk), nil
			}, nil)}, nil
		}
	}
	said := &llm.CompletionChunk{ID: "x", Choices: []llm.ChunkChoice{{Delta: llm.Delta{Content: "a"}}}}
	end := &llm.CompletionChunk{ID: "x", Choices: []llm.ChunkChoice{{FinishReason: llm.FinishStop}}}
	cut := &llm.Error{Kind: llm.ErrTruncated, Scope: llm.ScopeRoute, Message: "cut"}
	for name, tt := range map[string]struct {
		serve  llm.Handler
		stream bool
		stored bool
	}{
		"a good answer":    {serve: answering(text("Paris.")), stored: true},
		"a good stream":    {serve: streaming(said, end), stream: true, stored: true},
		"cut by MaxTokens": {serve: answering(with(func(r *llm.CompletionResponse) { r.Choices[0].FinishReason = llm.FinishLength })), stored: true},
		"a failure":        {serve: failing(&llm.Error{Kind: llm.ErrServer})},
		"a broken stream":  {serve: streaming(said, cut), stream: true},
		"two attempts":     {serve: streaming(said, &llm.CompletionChunk{Marker: llm.MarkerRestart}, said, end), stream: true},
		"incomplete calls": {serve: answering(with(func(r *llm.CompletionResponse) {
			r.Choices[0].Message.IncompleteToolCalls = []llm.ToolCall{{ID: "c", Function: llm.FunctionCall{Name: "f", Arguments: "{"}}}
		}))},
		"a content filter": {serve: answering(with(func(r *llm.CompletionResponse) { r.Choices[0].FinishReason = llm.FinishContentFilter }))},
		"one of two filtered": {serve: answering(with(func(r *llm.CompletionResponse) {
			r.Choices = append(r.Choices, llm.Choice{Index: 1, FinishReason: llm.FinishContentFilter, Message: llm.Assistant("x")})
		}))},
		"nothing said":   {serve: answering(with(func(r *llm.CompletionResponse) { r.Choices[0].Message.Content = nil }))},
		"no choice":      {serve: answering(with(func(r *llm.CompletionResponse) { r.Choices = nil }))},
		"too large":      {serve: answering(text(string(make([]byte, 5000))))},
		"a large stream": {serve: streaming(&llm.CompletionChunk{Choices: []llm.ChunkChoice{{Delta: llm.Delta{Content: string(make([]byte, 5000))}}}}, end), stream: true},
	} {
		t.Run(name, func(t *testing.T) {
			c, u, made := setup(t, cache.Config{MaxBytes: 4000}, tt.serve)
			for range 2 {
				if tt.stream {
					if s, err := c.CompletionStream(t.Context(), ask("?")); err == nil {
						_, _ = llm.Collect(s)
					}
				} else {
					_, _ = c.Completion(t.Context(), ask("?"))
				}
			}
			if tt.stored {
				require.EqualValues(t, 1, u.calls.Load())
				require.EqualValues(t, 1, made.Stats().Stored)
			} else {
				require.EqualValues(t, 2, u.calls.Load())
				require.Zero(t, made.Stats().Stored)
			}
		})
	}
	t.Run("left early", func(t *testing.T) {
		c, _, made := setup(t, cache.Config{}, streaming(said, said, end))
		s, err := c.CompletionStream(t.Context(), ask("?"))
		require.NoError(t, err)
		for range s.All() {
			break
		}
		require.Zero(t, made.Stats().Stored)
	})
}

func TestResponsesThatAreNotWholeAreNeverStored(t *testing.T) {
	message := llm.ResponsesItem{Type: "message", Role: llm.RoleAssistant, Content: []llm.ResponsesContent{{Type: "output_text", Text: "Hi"}}}
	call := func(arguments string) llm.ResponsesItem {
		return llm.ResponsesItem{Type: "function_call", CallID: "c", Name: "f", Arguments: arguments}
	}
	for name, tt := range map[string]struct {
		r      llm.ResponsesResponse
		req    llm.ResponsesRequest
		stored bool
	}{
		"completed":     {r: llm.ResponsesResponse{Status: "completed", Output: []llm.ResponsesItem{message, call("{}")}}, stored: true},
		"cut":           {r: llm.ResponsesResponse{Status: "incomplete", IncompleteReason: "max_output_tokens", Output: []llm.ResponsesItem{message}}, stored: true},
		"filtered":      {r: llm.ResponsesResponse{Status: "incomplete", IncompleteReason: "content_filter", Output: []llm.ResponsesItem{message}}},
		"queued":        {r: llm.ResponsesResponse{Status: "queued", Output: []llm.ResponsesItem{message}}},
		"nothing":       {r: llm.ResponsesResponse{Status: "completed"}},
		"cut call":      {r: llm.ResponsesResponse{Status: "incomplete", IncompleteReason: "max_output_tokens", Output: []llm.ResponsesItem{call(`{"a`)}}},
		"background":    {r: llm.ResponsesResponse{Status: "completed", Output: []llm.ResponsesItem{message}}, req: llm.ResponsesRequest{Background: new(true)}},
		"conversation":  {r: llm.ResponsesResponse{Status: "completed", Output: []llm.ResponsesItem{message}}, req: llm.ResponsesRequest{Extra: llm.Extra{"conversation": "c"}}},
		"other members": {r: llm.ResponsesResponse{Status: "completed", Output: []llm.ResponsesItem{message}}, req: llm.ResponsesRequest{Extra: llm.Extra{"x": "c"}}, stored: true},
	} {
		t.Run(name, func(t *testing.T) {
			c, _, made := setup(t, cache.Config{}, answering(&tt.r))
			tt.req.Model = "x/m"
			_, err := c.Responses(t.Context(), &tt.req)
			require.NoError(t, err)
			require.Equal(t, tt.stored, made.Stats().Stored == 1)
		})
	}
}

// A hit that deltas cannot say is none for a stream.
func TestPartsThatDoNotStream(t *testing.T) {
	r := text("a")
	r.Choices[0].Message.Content = append(r.Choices[0].Message.Content, llm.Part{Type: "chart", Extra: llm.Extra{"x": json.RawMessage("1")}})
	c, u, _ := setup(t, cache.Config{}, answering(r))
	complete(t, c, ask("?"))
	require.Len(t, complete(t, c, ask("?")).Message().Content, 2)
	require.EqualValues(t, 1, u.calls.Load())
	collect(t, c, ask("?"))
	require.EqualValues(t, 2, u.calls.Load())
}

func TestOptions(t *testing.T) {
	clk := newClock()
	n := 0
	serve := func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
		n++
		return answering(text(string(rune('a'+n-1))))(ctx, call)
	}
	c, _, _ := setup(t, cache.Config{TTL: time.Minute, Now: clk.Now}, serve)
	say := func(opts ...llm.Option) string { return complete(t, c, ask("?"), opts...).Text() }
	require.Equal(t, "a", say())
	require.Equal(t, "a", say())
	require.Equal(t, "b", say(cache.WithNamespace("n")))
	require.Equal(t, "b", say(cache.WithNamespace("n")))
	require.Equal(t, "c", say(cache.NoCache(), cache.NoStore()))
	require.Equal(t, "a", say(cache.NoStore()))
	require.Equal(t, "d", say(cache.NoCache()))
	require.Equal(t, "d", say(), "what was fresh is stored")
	clk.Advance(30 * time.Second)
	require.Equal(t, "d", say(cache.MaxAge(30*time.Second)))
	require.Equal(t, "e", say(cache.MaxAge(29*time.Second)))
	clk.Advance(59 * time.Second)
	require.Equal(t, "e", say())
	clk.Advance(time.Second)
	require.Equal(t, "f", say(cache.WithTTL(time.Hour)), "a minute is over")
	clk.Advance(59 * time.Minute)
	require.Equal(t, "f", say())
	clk.Advance(time.Minute)
	require.Equal(t, "g", say(cache.WithTTL(-1)))
	clk.Advance(100 * 365 * 24 * time.Hour)
	require.Equal(t, "g", say())
	require.Equal(t, "h", say(llm.WithMetadata(map[string]any{"user_id": "ada"})), "a tenant")
	require.Equal(t, "i", say(llm.WithMetadata(map[string]any{"user_id": "bob"})))
	require.Equal(t, "h", say(llm.WithMetadata(map[string]any{"tenant": "ada", "user_id": "bob"})))
	require.Equal(t, "j", say(llm.WithBaseURL("https://example.com/v1")), "another host")
}

func TestSkip(t *testing.T) {
	c, u, made := setup(t, cache.Config{Skip: func(call *llm.Call) bool { return call.Request.(*llm.CompletionRequest).N > 1 }}, answering(text("a")))
	req := ask("?")
	req.N = 2
	complete(t, c, req)
	complete(t, c, req)
	require.EqualValues(t, 2, u.calls.Load())
	require.Equal(t, cache.Stats{}, made.Stats())
}

func TestConfigMistakes(t *testing.T) {
	for field, c := range map[string]cache.Config{
		"MaxBytes": {MaxBytes: -1}, "StoreTimeout": {StoreTimeout: -1}, "Semantic: Embed": {Semantic: &cache.Semantic{}},
		"Semantic: Threshold": {Semantic: &cache.Semantic{Embed: cache.Embedder(nil, ""), Threshold: 2}},
	} {
		_, err := cache.New(c)
		require.ErrorIs(t, err, llm.ErrInvalidRequest)
		require.ErrorContains(t, err, field)
	}
}

// A request that cannot be written as JSON is for the provider to refuse.
func TestUnwritableRequestsGoOn(t *testing.T) {
	c, u, _ := setup(t, cache.Config{}, answering(text("a")))
	req := ask("?")
	req.Extra = llm.Extra{"f": func() {}}
	complete(t, c, req)
	req.Extra = nil
	complete(t, c, req)
	complete(t, c, req)
	require.EqualValues(t, 2, u.calls.Load())
}

// frozen is a store that answers nothing, or errs.
type frozen struct {
	err   error
	asked atomic.Int32
}

func (f *frozen) wait(ctx context.Context) error {
	f.asked.Add(1)
	if f.err != nil {
		return f.err
	}
	<-ctx.Done()
	return ctx.Err()
}

func (f *frozen) Get(ctx context.Context, _ cache.Key) ([]byte, error) { return nil, f.wait(ctx) }
func (f *frozen) Set(ctx context.Context, _ cache.Key, _ []byte, _ time.Duration) error {
	return f.wait(ctx)
}

// A store that has frozen costs a call its budget twice at most, and then almost nothing.
func TestFrozenStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &frozen{}
		var errs []error
		c, u, _ := setup(t, cache.Config{Store: st, OnError: func(err error) { errs = append(errs, err) }}, answering(text("a")))
		took := func() time.Duration {
			start := time.Now()
			require.Equal(t, "a", complete(t, c, ask("?")).Text())
			return time.Since(start)
		}
		require.Equal(t, 100*time.Millisecond, took())
		require.Equal(t, 50*time.Millisecond, took(), "after three failures it is left alone")
		require.Len(t, errs, 3)
		require.ErrorIs(t, errs[0], context.DeadlineExceeded)
		for range 100 {
			require.Zero(t, took())
		}
		require.EqualValues(t, 3, st.asked.Load())
		time.Sleep(time.Second)
		require.Equal(t, 50*time.Millisecond, took(), "one try a second")
		require.EqualValues(t, 4, st.asked.Load())
		require.EqualValues(t, 103, u.calls.Load())
	})
}

// Many calls of a store that has frozen add no more than the budget each.
func TestFrozenStoreUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, _ := setup(t, cache.Config{Store: &frozen{}, StoreTimeout: 20 * time.Millisecond}, answering(text("a")))
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				start := time.Now()
				complete(t, c, ask(string(rune('a'+i))))
				require.LessOrEqual(t, time.Since(start), 40*time.Millisecond)
			})
		}
		wg.Wait()
	})
}

func TestStoreThatErrs(t *testing.T) {
	st := &frozen{err: errors.New("no space")}
	c, u, _ := setup(t, cache.Config{Store: st}, answering(text("a")))
	for range 10 {
		complete(t, c, ask("?"))
	}
	require.EqualValues(t, 10, u.calls.Load())
	require.EqualValues(t, 3, st.asked.Load())
}

// No key, header or native body is in what is stored, whatever was given.
func TestNoKeysInStoredBytes(t *testing.T) {
	const canary = "sk-canary-7f3a9c"
	dir := t.TempDir()
	c, _, made := setup(t, cache.Config{Store: openDisk(t, cache.DiskConfig{Dir: dir})}, answering(text("a")),
		llm.WithAPIKey(canary+"1"), llm.WithProviderKey("openai", canary+"2"), llm.WithSetting("AWS_SECRET_ACCESS_KEY", canary+"3"),
		llm.WithHeader("X-Custom", canary+"4"), llm.WithMetadata(map[string]any{"tenant": canary + "5"}))
	req := ask(canary + "6")
	req.User = canary + "7"
	complete(t, c, req, cache.WithNamespace(canary+"8"))
	require.EqualValues(t, 1, made.Stats().Stored)
	paths, _ := files(t, dir)
	require.Len(t, paths, 1)
	b, err := os.ReadFile(paths[0])
	require.NoError(t, err)
	require.Contains(t, string(b), "chat.completion")
	require.NotContains(t, string(b)+paths[0], "canary")
}

// A cache in memory before one that is shared: what others have asked is found there once, and is as old as it is.
func TestTwoLevels(t *testing.T) {
	clk := newClock()
	shared := cache.NewMemory(cache.MemoryConfig{Now: clk.Now})
	u := &upstream{serve: answering(text("a"))}
	process := func() (*llm.Client, *cache.Cache, *cache.Cache) {
		near := newCache(t, cache.Config{TTL: 10 * time.Minute, Now: clk.Now})
		far := newCache(t, cache.Config{Store: shared, TTL: time.Hour, Now: clk.Now})
		return llm.New(llm.WithMiddleware(near.Middleware, far.Middleware, u.middleware)), near, far
	}
	one, _, _ := process()
	complete(t, one, ask("?"))
	clk.Advance(6 * time.Minute)
	two, near, far := process()
	for range 3 {
		require.Equal(t, 6*time.Minute, complete(t, two, ask("?")).Meta.Cache.Age)
	}
	require.Equal(t, cache.Stats{Hits: 2, Misses: 1, Stored: 1}, near.Stats())
	require.EqualValues(t, 1, far.Stats().Hits)
	clk.Advance(4 * time.Minute)
	require.Equal(t, 10*time.Minute, complete(t, two, ask("?")).Meta.Cache.Age)
	require.EqualValues(t, 2, far.Stats().Hits, "the near one takes nothing that is older than it keeps")
	complete(t, two, ask("?"))
	require.EqualValues(t, 3, far.Stats().Hits)
	require.EqualValues(t, 1, u.calls.Load())
}

// endless is a store that keeps no time, as object storage does.
type endless struct{ cache.Store }

func (e endless) Set(ctx context.Context, k cache.Key, value []byte, _ time.Duration) error {
	return e.Store.Set(ctx, k, value, 0)
}

// An answer knows its own end.
func TestStoreThatKeepsNoTime(t *testing.T) {
	clk := newClock()
	c, u, _ := setup(t, cache.Config{Store: endless{cache.NewMemory(cache.MemoryConfig{})}, TTL: time.Minute, Now: clk.Now}, answering(text("a")))
	complete(t, c, ask("?"))
	clk.Advance(time.Minute - time.Millisecond)
	require.NotNil(t, complete(t, c, ask("?")).Meta.Cache)
	clk.Advance(time.Millisecond)
	require.Nil(t, complete(t, c, ask("?")).Meta.Cache)
	require.EqualValues(t, 2, u.calls.Load())
}
