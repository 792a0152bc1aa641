package replicate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/providers/providertest"
	"github.com/stretchr/testify/require"
)

func TestConformance(t *testing.T) { providertest.Run(t, Provider(), "testdata") }

// fake is Replicate with one prediction: what each request gets is decided by its method and path.
type fake struct {
	mu       sync.Mutex
	sent     []string // "POST /v1/predictions"
	bodies   []string
	keys     []string
	answers  map[string][]string // the last one repeats
	hang     map[string]bool     // answered when the request ends
	statuses map[string]int
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	key := r.Method + " " + r.URL.Path
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body.Close()
	}
	f.mu.Lock()
	f.sent = append(f.sent, key)
	f.bodies = append(f.bodies, string(body))
	f.keys = append(f.keys, r.Header.Get("Authorization"))
	hang := f.hang[key]
	list := f.answers[key]
	text := ""
	if len(list) > 0 {
		text = list[0]
		if len(list) > 1 {
			f.answers[key] = list[1:]
		}
	}
	status := f.statuses[key]
	f.mu.Unlock()
	if hang {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("unexpected request %s", key)
	}
	if status == 0 {
		status = 200
	}
	h := http.Header{"Content-Type": {"application/json"}}
	var b io.Reader = strings.NewReader(text)
	if strings.HasPrefix(text, "event:") {
		h.Set("Content-Type", "text/event-stream")
		if rest, ok := strings.CutSuffix(text, "…"); ok {
			b = io.MultiReader(strings.NewReader(rest), silent{r.Context()})
		}
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(b), Request: r, ContentLength: -1}, nil
}

// silent never says anything.
type silent struct{ ctx context.Context }

func (s silent) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func (f *fake) count(key string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.sent {
		if s == key {
			n++
		}
	}
	return n
}

const (
	create = "POST /v1/models/a/b/predictions"
	poll   = "GET /v1/predictions/p1"
	cancel = "POST /v1/predictions/p1/cancel"
	events = "GET /v1/files/s1"
)

func state(status, more string) string {
	return `{"id":"p1","model":"a/b","status":"` + status + `","created_at":"2024-10-04T18:07:40Z","urls":{"stream":"https://stream.replicate.com/v1/files/s1"}` + more + `}`
}

func (f *fake) client(opts ...llm.Option) *llm.Client {
	return llm.New(append([]llm.Option{llm.WithProvider(provider), llm.WithHTTPClient(&http.Client{Transport: f}), llm.WithoutEnv(), llm.WithAPIKey("r8_key")}, opts...)...)
}

func question() *llm.CompletionRequest {
	return &llm.CompletionRequest{Model: "replicate/a/b", Messages: []llm.Message{llm.User("Hm?")}}
}

func TestCancelWhenTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answers: map[string][]string{create: {state("starting", "")}, poll: {state("processing", "")}, cancel: {state("canceled", "")}}}
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second+200*time.Millisecond, stop)
		_, err := f.client().Completion(ctx, question())
		require.ErrorIs(t, err, llm.ErrCanceled)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 1, f.count(cancel))
		require.Equal(t, "Bearer r8_key", f.keys[len(f.keys)-1])
		// 0.5, 0.75, 1.125 s …: three polls in 3.2 seconds.
		require.Equal(t, 3, f.count(poll))
	})
}

func TestCancelWhenTheTotalTimeoutEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answers: map[string][]string{create: {state("starting", "")}, poll: {state("processing", "")}, cancel: {state("canceled", "")}}}
		began := time.Now()
		_, err := f.client(llm.WithTimeout(7*time.Second)).Completion(t.Context(), question())
		require.ErrorIs(t, err, llm.ErrTotalTimeout)
		require.Equal(t, 7*time.Second, time.Since(began))
		require.Equal(t, 1, f.count(cancel))
	})
}

// A host that does not answer the cancelling delays the caller by a second, and no more.
func TestCancelIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answers: map[string][]string{create: {state("starting", "")}, poll: {state("processing", "")}}, hang: map[string]bool{cancel: true}}
		began := time.Now()
		_, err := f.client(llm.WithTimeout(7*time.Second)).Completion(t.Context(), question())
		require.ErrorIs(t, err, llm.ErrTotalTimeout)
		require.Equal(t, 7*time.Second+cancelTime, time.Since(began))
		require.Equal(t, 1, f.count(cancel))
	})
}

func TestCancelWhenTheReaderLeaves(t *testing.T) {
	for name, leave := range map[string]func(*llm.Stream[llm.CompletionChunk]){
		"break": func(s *llm.Stream[llm.CompletionChunk]) {
			for range s.All() {
				break
			}
		},
		"close": func(s *llm.Stream[llm.CompletionChunk]) { s.Close(); s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{answers: map[string][]string{create: {state("starting", "")}, cancel: {state("canceled", "")},
					events: {"event: output\ndata: Once\n\n…"}}}
				s, err := f.client().CompletionStream(t.Context(), question())
				require.NoError(t, err)
				leave(s)
				require.Equal(t, 1, f.count(cancel), "cancelled before Close returns")
			})
		})
	}
}

func TestCancelWhenTheStreamStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answers: map[string][]string{create: {state("starting", "")}, cancel: {state("canceled", "")}, events: {"event: output\ndata: Once\n\n…"}}}
		s, err := f.client(llm.WithStallTimeout(time.Minute)).CompletionStream(t.Context(), question())
		require.NoError(t, err)
		_, err = llm.Collect(s)
		require.ErrorIs(t, err, llm.ErrStallTimeout)
		var e *llm.Error
		require.True(t, errors.As(err, &e))
		require.Equal(t, "Once", e.Partial.Text())
		require.Equal(t, 1, f.count(cancel))
	})
}

// What has ended at Replicate is not cancelled there.
func TestNoCancelAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answers: map[string][]string{create: {state("starting", "")}, poll: {state("failed", `,"error":"boom"`)}}}
		_, err := f.client().Completion(t.Context(), question())
		require.ErrorIs(t, err, llm.ErrServer)
		require.Zero(t, f.count(cancel))
	})
}

// After done the prediction says what it used; folded, the stream is the unary answer.
func TestStreamUsage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := state("succeeded", `,"output":["On","ce"],"metrics":{"input_token_count":3,"output_token_count":2,"predict_time":0.5}`)
		f := &fake{answers: map[string][]string{create: {state("starting", "")}, poll: {state("processing", ""), end},
			events: {"event: output\ndata: On\n\nevent: output\ndata: ce\n\nevent: done\ndata: {}\n\n"}}}
		s, err := f.client().CompletionStream(t.Context(), question())
		require.NoError(t, err)
		streamed, err := llm.Collect(s)
		require.NoError(t, err)
		require.Empty(t, s.Meta().Warnings)
		f.answers[poll] = []string{end}
		whole, err := f.client().Completion(t.Context(), question())
		require.NoError(t, err)
		a, _ := json.Marshal(streamed)
		b, _ := json.Marshal(whole)
		require.JSONEq(t, string(b), string(a))
		require.Equal(t, 5, streamed.Usage.TotalTokens)
		require.Zero(t, f.count(cancel))
	})
}

func TestStreamOfAModelThatCannot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answers: map[string][]string{create: {`{"id":"p1","status":"starting","urls":{}}`}, poll: {state("processing", ""), state("succeeded", `,"output":["Yes","?"]`)}}}
		s, err := f.client().CompletionStream(t.Context(), question())
		require.NoError(t, err)
		r, err := llm.Collect(s)
		require.NoError(t, err)
		require.Equal(t, "Yes?", r.Text())
		require.Equal(t, "stream", s.Meta().Warnings[0].Code)
	})
}

// The answer decides neither where the key goes nor which path is asked.
func TestHostileAnswers(t *testing.T) {
	for name, first := range map[string]string{
		"id":     `{"id":"../../v1/account","status":"starting"}`,
		"stream": `{"id":"p1","status":"starting","urls":{"stream":"http://evil.example/x"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{answers: map[string][]string{create: {first}, cancel: {state("canceled", "")}}}
				s, err := f.client(llm.WithMaxAttempts(1)).CompletionStream(t.Context(), question())
				require.ErrorIs(t, err, llm.ErrProtocol)
				require.Nil(t, s)
				for _, sent := range f.sent {
					require.Contains(t, []string{create, cancel}, sent)
				}
			})
		})
	}
}

func TestPictures(t *testing.T) {
	parts := []llm.Part{llm.ImagePart("https://example.com/a.png"), llm.ImagePart("https://example.com/b.png")}
	for model, want := range map[string]string{
		"openai/gpt-4o":             `{"input":{"image_input":["https://example.com/a.png","https://example.com/b.png"],"prompt":"What?"}}`,
		"anthropic/claude-4-sonnet": "", // takes one
	} {
		f := &fake{answers: map[string][]string{"POST /v1/models/" + model + "/predictions": {state("succeeded", "")}}}
		_, err := f.client().Completion(t.Context(), &llm.CompletionRequest{Model: "replicate/" + model, Messages: []llm.Message{llm.User("What?", parts...)}})
		if want == "" {
			require.ErrorIs(t, err, llm.ErrInvalidRequest)
			require.Empty(t, f.sent)
			continue
		}
		require.NoError(t, err)
		require.JSONEq(t, want, f.bodies[0])
	}
}

func TestErrorKinds(t *testing.T) {
	for text, want := range map[string]llm.ErrorKind{
		"NSFW content detected. Try running it again, or try a different prompt.": llm.ErrContentPolicy,
		"Service is currently unavailable due to high demand. (E003)":             llm.ErrOverloaded,
		"This model's maximum context length is 8192 tokens":                      llm.ErrContextWindow,
		"Prediction interrupted; please retry (code: PA)":                         llm.ErrServer,
		"division by zero": llm.ErrServer,
	} {
		require.Equal(t, want, ended("failed", text).Kind, text)
	}
	require.True(t, ended("failed", "Prediction interrupted; please retry (code: PA)").Temporary)
	require.False(t, ended("failed", "division by zero").Temporary)
	e := readError(429, nil, []byte(`{"title":"Too many requests","detail":"…","status":429,"retry_after":10}`))
	require.Equal(t, 10*time.Second, e.RetryAfter)
	require.Equal(t, llm.ErrServer, readError(500, nil, []byte(`<html>`)).Kind)
}

func FuzzPrediction(f *testing.F) {
	f.Add([]byte(state("succeeded", `,"output":["a","b"],"metrics":{"input_token_count":3}`)))
	f.Add([]byte(`{"status":"failed","error":{"a":1},"output":{"x":[1,2]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := decodePrediction(body)
		readError(422, nil, body)
		streamError(body)
		if err != nil {
			return
		}
		if !json.Valid(body) {
			t.Fatal("what is not JSON was decoded")
		}
		p.text()
		p.images()
		p.err()
		for k, v := range p.extra {
			if !json.Valid(v.(json.RawMessage)) {
				t.Fatalf("member %q is not JSON", k)
			}
		}
	})
}

func FuzzStream(f *testing.F) {
	f.Add("event: output\ndata: On\n\nevent: done\ndata: {}\n\n")
	f.Add("event: error\ndata: {\"detail\":\"x\"}\n\n")
	f.Add(": hi\n\nevent: done\ndata: {\"reason\":\"canceled\"}\n\n")
	f.Fuzz(func(t *testing.T, body string) {
		fk := &fake{answers: map[string][]string{create: {state("starting", "")}, cancel: {state("canceled", "")}, poll: {state("succeeded", "")}, events: {body}}}
		s, err := fk.client(llm.WithMaxAttempts(1)).CompletionStream(t.Context(), question())
		if err != nil {
			return
		}
		if _, err := llm.Collect(s); err == nil && !strings.Contains(body, "done") {
			t.Fatal("a stream without a done event is whole")
		}
	})
}
