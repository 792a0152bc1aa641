package llm_test

import (
	"context"
	"encoding/json"
	"io"
	"reflect"
	"testing"

	"github.com/llm-go/llm"
	"github.com/stretchr/testify/require"
)

// keeping returns a client whose middleware keeps the whole answers of its calls.
func keeping(limit int, opts ...llm.Option) (*llm.Client, *[]any) {
	var kept []any
	m := func(next llm.Handler) llm.Handler {
		return func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
			res, err := next(ctx, call)
			if err == nil {
				call.OnAnswer(res, limit, func(r any, m *llm.Meta) {
					b, err := json.Marshal(r)
					if err != nil {
						panic(err)
					}
					fresh := reflect.New(reflect.TypeOf(r).Elem()).Interface()
					if err := json.Unmarshal(b, fresh); err != nil {
						panic(err)
					}
					kept = append(kept, fresh)
				})
			}
			return res, err
		}
	}
	return llm.New(append(opts, llm.WithMiddleware(m))...), &kept
}

func drain[T any](t *testing.T, s *llm.Stream[T], err error) {
	t.Helper()
	require.NoError(t, err)
	for _, err := range s.All() {
		require.NoError(t, err)
	}
}

// What a stream said is the answer that was given at once, for every operation that streams.
func TestOnAnswerFoldsEveryStream(t *testing.T) {
	var completion llm.CompletionResponse
	require.NoError(t, json.Unmarshal([]byte(everyResponse), &completion))
	completion.Choices[0].Message.Content = llm.Content{llm.TextPart("Look:")}
	completion.Choices[0].Message.Name = ""
	responses := &llm.ResponsesResponse{ID: "r", Object: "response", CreatedAt: 5, Status: "completed", Model: "m",
		Output: []llm.ResponsesItem{{Type: "message", ID: "i", Status: "completed", Role: llm.RoleAssistant,
			Content: []llm.ResponsesContent{{Type: "output_text", Text: "Hi."}}}},
		Usage: &llm.Usage{PromptTokens: 1, CompletionTokens: 2, TotalTokens: 3}}
	text := &llm.TextCompletionResponse{ID: "t", Object: "text_completion", Created: 3, Model: "m",
		Choices: []llm.TextChoice{
			{Text: "one", FinishReason: llm.FinishStop, NativeFinishReason: "eos", Logprobs: &llm.TextLogprobs{Tokens: []string{"one"},
				TokenLogprobs: []*float64{new(-0.5)}, TopLogprobs: []map[string]float64{{"one": -0.5}}, TextOffset: []int{0}},
				Extra: llm.Extra{"x": json.RawMessage("1")}},
			{Index: 1, Text: "two", FinishReason: llm.FinishLength}},
		Usage: &llm.Usage{PromptTokens: 1, CompletionTokens: 2, TotalTokens: 3}, Extra: llm.Extra{"y": json.RawMessage("2")}}
	transcription := &llm.TranscriptionResponse{Text: "hello", Task: "transcribe", Language: "en", Duration: 1.5,
		Words:    []llm.TranscriptionWord{{Word: "hello", Start: 0.5, End: 1}},
		Segments: []llm.TranscriptionSegment{{ID: 1, Text: "hello", Start: 0.5, End: 1, Tokens: []int{4}}},
		Usage:    &llm.Usage{PromptTokens: 1, CompletionTokens: 2, TotalTokens: 3}, Extra: llm.Extra{"z": json.RawMessage("3")}}

	type stream func(t *testing.T, c *llm.Client)
	for name, tt := range map[string]struct {
		answer any
		stream stream
	}{
		"completion": {&completion, func(t *testing.T, c *llm.Client) {
			s, err := c.CompletionStream(t.Context(), &llm.CompletionRequest{Model: "x/m"})
			drain(t, s, err)
		}},
		"responses": {responses, func(t *testing.T, c *llm.Client) {
			s, err := c.ResponsesStream(t.Context(), &llm.ResponsesRequest{Model: "x/m"})
			drain(t, s, err)
		}},
		"text_completion": {text, func(t *testing.T, c *llm.Client) {
			s, err := c.TextCompletionStream(t.Context(), &llm.TextCompletionRequest{Model: "x/m"})
			drain(t, s, err)
		}},
		"transcription": {transcription, func(t *testing.T, c *llm.Client) {
			s, err := c.TranscriptionStream(t.Context(), &llm.TranscriptionRequest{Model: "x/m"})
			drain(t, s, err)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c, kept := keeping(1<<20, llm.WithMock(tt.answer))
			tt.stream(t, c)
			require.Len(t, *kept, 1)
			want, err := json.Marshal(tt.answer)
			require.NoError(t, err)
			got, err := json.Marshal((*kept)[0])
			require.NoError(t, err)
			sameJSON(t, string(want), string(got))
		})
	}
}

func TestOnAnswerFoldsSpeech(t *testing.T) {
	for mediaType, kept := range map[string]int{"audio/mpeg": 1, "text/event-stream": 0} {
		var got []any
		m := func(llm.Handler) llm.Handler {
			return func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
				res, err := call.Answer(&llm.SpeechResponse{Audio: []byte("abc")},
					llm.Meta{Header: map[string][]string{"Content-Type": {mediaType}}})
				call.OnAnswer(res, 100, func(r any, _ *llm.Meta) { got = append(got, r) })
				return res, err
			}
		}
		s, err := llm.New(llm.WithMiddleware(m)).SpeechStream(t.Context(), &llm.SpeechRequest{Model: "x/m"})
		drain(t, s, err)
		require.Len(t, got, kept, mediaType)
		if kept > 0 {
			require.Equal(t, &llm.SpeechResponse{Audio: []byte("abc"), MediaType: mediaType}, got[0])
		}
	}
}

func TestOnAnswerIsNotCalledForWhatIsNotWhole(t *testing.T) {
	chunk := func(text string) *llm.CompletionChunk {
		return &llm.CompletionChunk{ID: "x", Choices: []llm.ChunkChoice{{Delta: llm.Delta{Content: text}}}}
	}
	ask := &llm.CompletionRequest{Model: "x/m"}
	t.Run("left early", func(t *testing.T) {
		c, kept := keeping(100, llm.WithMock([]*llm.CompletionChunk{chunk("a"), chunk("b")}))
		s, err := c.CompletionStream(t.Context(), ask)
		require.NoError(t, err)
		for range s.All() {
			break
		}
		require.Empty(t, *kept)
	})
	t.Run("too long", func(t *testing.T) {
		c, kept := keeping(1, llm.WithMock([]*llm.CompletionChunk{chunk("a"), chunk("b")}))
		s, err := c.CompletionStream(t.Context(), ask)
		drain(t, s, err)
		require.Empty(t, *kept)
	})
	t.Run("two attempts", func(t *testing.T) {
		c, kept := keeping(100, llm.WithMock([]*llm.CompletionChunk{chunk("a"), {Marker: llm.MarkerContinue}, chunk("b")}))
		s, err := c.CompletionStream(t.Context(), ask)
		drain(t, s, err)
		require.Empty(t, *kept)
	})
	t.Run("failed", func(t *testing.T) {
		kept := 0
		m := func(llm.Handler) llm.Handler {
			return func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
				n := 0
				s := llm.NewStream(func() (*llm.CompletionChunk, error) {
					if n++; n == 2 {
						return nil, io.ErrUnexpectedEOF
					}
					return chunk("a"), nil
				}, nil)
				res := &llm.Result{Stream: s}
				call.OnAnswer(res, 100, func(any, *llm.Meta) { kept++ })
				return res, nil
			}
		}
		s, err := llm.New(llm.WithMiddleware(m)).CompletionStream(t.Context(), ask)
		require.NoError(t, err)
		_, err = llm.Collect(s)
		require.Error(t, err)
		require.Zero(t, kept)
	})
}

// Each option that changes who answers, or what is sent, changes the target; keys and timeouts do not.
func TestTarget(t *testing.T) {
	p := &llm.Provider{Name: "x", BaseURL: "https://x.example/v1", BaseURLEnv: []string{"X_TEST_BASE_URL"}}
	target := func(model string, opts ...llm.Option) (sum [32]byte) {
		m := func(llm.Handler) llm.Handler {
			return func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
				sum = call.Target()
				return call.Answer(&llm.CompletionResponse{}, llm.Meta{})
			}
		}
		opts = append([]llm.Option{llm.WithProvider(p), llm.WithMiddleware(m)}, opts...)
		_, err := llm.New(opts...).Completion(t.Context(), &llm.CompletionRequest{Model: model})
		require.NoError(t, err)
		return sum
	}
	base := target("x/m")
	for name, o := range map[string]llm.Option{
		"key": llm.WithAPIKey("k"), "secret setting": llm.WithSetting("AWS_SECRET_ACCESS_KEY", "k"),
		"timeout": llm.WithTimeout(5), "metadata": llm.WithMetadata(map[string]any{"a": 1}),
	} {
		require.Equal(t, base, target("x/m", o), name)
	}
	seen := map[[32]byte]string{base: "nothing", target("unknown"): "a group"}
	for name, o := range map[string]llm.Option{
		"base URL": llm.WithBaseURL("https://y.example/v1"), "provider's base URL": llm.WithProviderBaseURL("x", "https://z.example"),
		"header": llm.WithHeader("X-Beta", "1"), "header's value": llm.WithHeader("X-Beta", "2"),
		"setting": llm.WithSetting("AWS_REGION", "a"), "setting's value": llm.WithSetting("AWS_REGION", "b"),
		"drop all": llm.WithDropParams(), "drop one": llm.WithDropParams("seed"), "default provider": llm.WithDefaultProvider("x"),
		"mock": llm.WithMock("a"),
	} {
		sum := target("x/m", o)
		require.NotContains(t, seen, sum, "%s is as %s", name, seen[sum])
		seen[sum] = name
	}
	t.Setenv("X_TEST_BASE_URL", "https://env.example")
	require.NotContains(t, seen, target("x/m"))
}

func TestAnswerRefusesAnotherOperations(t *testing.T) {
	m := func(llm.Handler) llm.Handler {
		return func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
			return call.Answer(&llm.EmbeddingResponse{}, llm.Meta{})
		}
	}
	_, err := llm.New(llm.WithMiddleware(m)).Completion(t.Context(), &llm.CompletionRequest{Model: "x/m"})
	require.ErrorIs(t, err, llm.ErrProtocol)
	require.ErrorContains(t, err, "a *llm.EmbeddingResponse cannot answer completion")
}
