package cache_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/cache"
	"github.com/stretchr/testify/require"
)

// spy is a store that only notes the keys that it is asked for.
type spy struct{ keys []cache.Key }

func (s *spy) Get(_ context.Context, k cache.Key) ([]byte, error) {
	s.keys = append(s.keys, k)
	return nil, nil
}
func (s *spy) Set(context.Context, cache.Key, []byte, time.Duration) error { return nil }

// send makes the call that a request is of.
func send(c *llm.Client, req any, opts ...llm.Option) {
	ctx := context.Background()
	switch r := req.(type) {
	case *llm.CompletionRequest:
		_, _ = c.Completion(ctx, r, opts...)
	case *llm.ResponsesRequest:
		_, _ = c.Responses(ctx, r, opts...)
	case *llm.TextCompletionRequest:
		_, _ = c.TextCompletion(ctx, r, opts...)
	case *llm.EmbeddingRequest:
		_, _ = c.Embedding(ctx, r, opts...)
	case *llm.TranscriptionRequest:
		_, _ = c.Transcription(ctx, r, opts...)
	case *llm.TranslationRequest:
		_, _ = c.Translation(ctx, r, opts...)
	case *llm.ModerationRequest:
		_, _ = c.Moderation(ctx, r, opts...)
	case *llm.SpeechRequest:
		_, _ = c.Speech(ctx, r, opts...)
	case *llm.CountTokensRequest:
		_, _ = c.CountTokens(ctx, r, opts...)
	case *llm.ModelsRequest:
		_, _ = c.Models(ctx, r, opts...)
	case *llm.ImageRequest:
		_, _ = c.Image(ctx, r, opts...)
	case *llm.ImageEditRequest:
		_, _ = c.ImageEdit(ctx, r, opts...)
	case *llm.ImageVariationRequest:
		_, _ = c.ImageVariation(ctx, r, opts...)
	default:
		panic(fmt.Sprintf("%T", req))
	}
}

// keysOf returns a function that tells the key of a request.
func keysOf(t testing.TB, config cache.Config, opts ...llm.Option) func(req any, opts ...llm.Option) cache.Key {
	s := &spy{}
	config.Store = s
	config.Operations = append(cache.DefaultOperations(), "translation", "moderation", "speech", "count_tokens", "models", "image", "image_edit", "image_variation")
	c, _, _ := setup(t, config, func(context.Context, *llm.Call) (*llm.Result, error) { return nil, &llm.Error{Kind: llm.ErrServer} }, opts...)
	return func(req any, opts ...llm.Option) cache.Key {
		s.keys = nil
		send(c, req, opts...)
		require.Len(t, s.keys, 1, "the store was not asked")
		return s.keys[0]
	}
}

// fill sets every field below v.
func fill(t testing.TB, v reflect.Value, depth int) {
	if depth > 12 {
		return // types that hold themselves
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("s")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Float64, reflect.Float32:
		v.SetFloat(1)
	case reflect.Uint8:
		v.SetUint('1') // which is JSON, too
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), depth+1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0), depth+1)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		elem := reflect.New(v.Type().Elem()).Elem()
		fill(t, elem, depth+1)
		v.SetMapIndex(reflect.ValueOf("k"), elem)
	case reflect.Interface:
		v.Set(reflect.ValueOf(map[string]any{"member": "s"}))
	case reflect.Struct:
		for i := range v.NumField() {
			require.True(t, v.Type().Field(i).IsExported(), "%s.%s would not be in a key", v.Type(), v.Type().Field(i).Name)
			fill(t, v.Field(i), depth+1)
		}
	default:
		t.Fatalf("a request holds a %s: teach the key what it is", v.Type())
	}
}

// flip calls changed once for each change of one thing below v, and undoes it.
func flip(v reflect.Value, path string, changed func(path string)) {
	try := func(what string, to reflect.Value) {
		old := reflect.New(v.Type()).Elem()
		old.Set(v)
		v.Set(to.Convert(v.Type()))
		changed(path + what)
		v.Set(old)
	}
	if !v.IsZero() && v.Kind() != reflect.Struct { // of a struct each field is
		try(" unset", reflect.Zero(v.Type()))
	}
	switch v.Kind() {
	case reflect.String:
		try(" other", reflect.ValueOf("t"))
		try(" longer", reflect.ValueOf("ss"))
	case reflect.Int, reflect.Int64:
		try(" other", reflect.ValueOf(2))
		try(" negative", reflect.ValueOf(-1))
	case reflect.Float64, reflect.Float32:
		try(" other", reflect.ValueOf(1.5))
	case reflect.Uint8:
		try(" other", reflect.ValueOf(uint8(2)))
	case reflect.Pointer:
		if !v.IsNil() {
			flip(v.Elem(), path, changed)
		}
	case reflect.Slice:
		if v.Len() > 0 {
			try(" twice", reflect.Append(reflect.AppendSlice(reflect.Zero(v.Type()), v), v.Index(0)))
			try(" empty", reflect.MakeSlice(v.Type(), 0, 0))
			for i := range v.Len() {
				flip(v.Index(i), fmt.Sprintf("%s[%d]", path, i), changed)
			}
		}
	case reflect.Map:
		if v.Len() > 0 {
			more := reflect.MakeMap(v.Type())
			more.SetMapIndex(reflect.ValueOf("k"), v.MapIndex(reflect.ValueOf("k")))
			more.SetMapIndex(reflect.ValueOf("l"), v.MapIndex(reflect.ValueOf("k")))
			try(" with another member", more)
			renamed := reflect.MakeMap(v.Type())
			renamed.SetMapIndex(reflect.ValueOf("l"), v.MapIndex(reflect.ValueOf("k")))
			try(" with a member renamed", renamed)
			try(" with a member unset", reflect.MakeMap(v.Type()))
			other := reflect.MakeMap(v.Type())
			other.SetMapIndex(reflect.ValueOf("k"), reflect.Zero(v.Type().Elem()))
			try(" with another value", other)
		}
	case reflect.Interface:
		if !v.IsNil() {
			for _, x := range []any{map[string]any{"member": "t"}, map[string]any{"other": "s"}, "s", 1, "1", true, []any{"s"}} {
				old := v.Elem()
				v.Set(reflect.ValueOf(x))
				changed(fmt.Sprintf("%s %v", path, x))
				v.Set(old)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			flip(v.Field(i), path+"."+v.Type().Field(i).Name, changed)
		}
	}
}

// Flip any field of any request, at any depth: another key.
func TestEveryFieldIsInTheKey(t *testing.T) {
	keyOf := keysOf(t, cache.Config{})
	for _, req := range []any{new(llm.CompletionRequest), new(llm.ResponsesRequest), new(llm.TextCompletionRequest), new(llm.EmbeddingRequest),
		new(llm.TranscriptionRequest), new(llm.TranslationRequest), new(llm.ModerationRequest), new(llm.SpeechRequest), new(llm.CountTokensRequest),
		new(llm.ModelsRequest), new(llm.ImageRequest), new(llm.ImageEditRequest), new(llm.ImageVariationRequest)} {
		t.Run(fmt.Sprintf("%T", req), func(t *testing.T) {
			v := reflect.ValueOf(req).Elem()
			fill(t, v, 0)
			if r, ok := req.(*llm.ResponsesRequest); ok {
				r.Background = nil // such requests are not cached
			}
			seen := map[cache.Key]string{keyOf(req): "the request itself"}
			require.Contains(t, seen, keyOf(req), "the same request has two keys")
			flip(v, "", func(path string) {
				k := keyOf(req)
				require.Empty(t, seen[k], "%s: the key is that of another change", path)
				seen[k] = path
			})
			require.Contains(t, seen, keyOf(req), "the test has not undone its changes")
			t.Logf("%d keys", len(seen))
			require.Greater(t, len(seen), 3*v.NumField()/2)
		})
	}
}

// What is around a request counts, too.
func TestScopeIsInTheKey(t *testing.T) {
	req := &llm.CompletionRequest{Model: "openai/m", Messages: []llm.Message{llm.User("?")}}
	embed := &llm.EmbeddingRequest{Model: "openai/m"}
	base := keysOf(t, cache.Config{})
	tenant := func(s string) llm.Option { return llm.WithMetadata(map[string]any{"tenant": s}) }
	seen := map[cache.Key]string{}
	add := func(what string, k cache.Key) {
		t.Helper()
		require.NotContains(t, seen, k, "%s has the key of %s", what, seen[k])
		seen[k] = what
	}
	add("nothing", base(req))
	add("another operation", base(embed))
	add("a model given by an option", base(req, llm.WithModel("openai/n")))
	add("a tenant", base(req, tenant("a")))
	add("another tenant", base(req, tenant("b")))
	add("a namespace of the call", base(req, cache.WithNamespace("a")))
	add("a namespace of the cache", keysOf(t, cache.Config{Namespace: "a"})(req))
	add("both", keysOf(t, cache.Config{Namespace: "a"})(req, cache.WithNamespace("a")))
	add("halves of both", keysOf(t, cache.Config{Namespace: "ab"})(req, cache.WithNamespace("c")))
	add("other halves", keysOf(t, cache.Config{Namespace: "a"})(req, cache.WithNamespace("bc")))
	add("a base URL", keysOf(t, cache.Config{}, llm.WithBaseURL("https://a.example"))(req))
	add("another base URL", base(req, llm.WithBaseURL("https://b.example")))
	add("a header", base(req, llm.WithHeader("anthropic-beta", "x")))
	add("a region", base(req, llm.WithSetting("AWS_REGION", "eu-west-1")))
	add("droppable parameters", base(req, llm.WithDropParams("seed")))
	own := keysOf(t, cache.Config{Tenant: func(call *llm.Call) string { return call.Tags()[0] }})
	add("a tag that is the tenant", own(req, llm.WithTags("x")))
	add("another tag", own(req, llm.WithTags("y")))

	require.Equal(t, base(req), keysOf(t, cache.Config{}, llm.WithAPIKey("k"))(req), "a key is no part of it")
	require.Equal(t, base(req), base(req, llm.WithTimeout(time.Minute), cache.WithTTL(time.Minute), cache.MaxAge(time.Minute)))
}

// Maps have no order, and the same JSON is the same request however it is held.
func TestSameRequestSameKey(t *testing.T) {
	keyOf := keysOf(t, cache.Config{})
	with := func(v any) *llm.CompletionRequest {
		return &llm.CompletionRequest{Model: "openai/m", Extra: llm.Extra{"x": v, "a": 1, "b": 2, "c": 3}}
	}
	type member struct {
		B int `json:"b"`
	}
	want := keyOf(with(map[string]any{"b": 1}))
	for range 20 {
		require.Equal(t, want, keyOf(with(map[string]any{"b": 1})))
	}
	require.Equal(t, want, keyOf(with(json.RawMessage(` {"b":1} `))))
	require.Equal(t, want, keyOf(with(member{1})))
	require.Equal(t, want, keyOf(with(&member{1})))
}

// Keys are the same in every process and in later versions, or shared answers are lost: this one may change only together
// with the version that keys begin with.
func TestKeyIsStable(t *testing.T) {
	keyOf := keysOf(t, cache.Config{Namespace: "n"}, llm.WithoutEnv())
	got := keyOf(&llm.CompletionRequest{Model: "m", Messages: []llm.Message{llm.System("s"), llm.User("u")}, Temperature: new(0.5),
		Extra: llm.Extra{"x": []any{1, nil}}})
	require.Equal(t, "0b528ef77ba40746f939fb563e36b4f793741f48d71dcf9cd7dfac724c93661a", got.String())
}

// A long text in pieces has the key of the text.
func TestKeysOfLongTexts(t *testing.T) {
	keyOf := keysOf(t, cache.Config{})
	seen := map[cache.Key]int{}
	for _, n := range []int{4095, 4096, 4097, 8191, 8192, 8193, 100_000} {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('a' + i%26)
		}
		first := keyOf(ask(string(b)))
		require.Equal(t, first, keyOf(ask(string(b))))
		b[n-1] ^= 1
		for _, k := range []cache.Key{first, keyOf(ask(string(b)))} {
			require.NotContains(t, seen, k)
			seen[k] = n
		}
	}
}
