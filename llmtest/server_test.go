package llmtest_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/llmtest"
	"github.com/llm-go/llm/stream"
	"github.com/stretchr/testify/require"
)

func TestTheServersOwnAnswers(t *testing.T) {
	eachChat(t, func(t *testing.T, srv *llmtest.Server, c *llm.Client, model string) {
		r, err := c.Completion(t.Context(), ask(model, "Good morning!"))
		require.NoError(t, err)
		require.Equal(t, "You said: Good morning!", r.Text())
		require.Equal(t, llm.FinishStop, r.FinishReason())
		require.Equal(t, 4, r.Usage.PromptTokens, "words")
		require.Equal(t, 4, r.Usage.CompletionTokens)

		req := ask(model, "And the weather?")
		req.Messages = append(req.Messages,
			llm.Message{Role: llm.RoleAssistant, ToolCalls: []llm.ToolCall{{ID: "call_1", Type: "function", Function: llm.FunctionCall{Name: "get_weather", Arguments: `{"city":"Paris"}`}}}},
			llm.ToolResult("call_1", "18 °C"))
		req.Tools = []llm.Tool{{Function: &llm.FunctionTool{Name: "get_weather", Parameters: json.RawMessage(`{"type":"object","properties":{}}`)}}}
		r, err = c.Completion(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, "The tool says: 18 °C", r.Text())
		got := srv.Requests()[1]
		require.Equal(t, "And the weather?", got.LastUserText())
		text, ok := got.ToolResult()
		require.True(t, ok)
		require.Equal(t, "18 °C", text)
		var calls []llm.ToolCall
		for _, m := range got.Messages {
			calls = append(calls, m.ToolCalls...)
		}
		require.Len(t, calls, 1)
		require.Equal(t, "get_weather", calls[0].Function.Name)
		require.JSONEq(t, `{"city":"Paris"}`, calls[0].Function.Arguments)
	})
}

func TestRequestsSayWhatArrived(t *testing.T) {
	eachChat(t, func(t *testing.T, srv *llmtest.Server, c *llm.Client, model string) {
		req := ask(model, "What is in the picture?")
		req.Messages[1] = llm.User("What is in the picture?", llm.ImageDataPart("image/png", []byte("png")))
		req.Tools = []llm.Tool{{Function: &llm.FunctionTool{Name: "zoom", Description: "Zoom in.", Parameters: json.RawMessage(`{"type":"object","properties":{}}`)}}}
		_, err := c.Completion(t.Context(), req)
		require.NoError(t, err)
		got := srv.Requests()[0]
		provider, name, _ := strings.Cut(model, "/")
		require.Equal(t, provider, got.Provider)
		require.Equal(t, provider, string(got.Dialect))
		require.Equal(t, name, got.Model)
		require.Equal(t, []string{"zoom"}, got.Tools)
		require.Equal(t, http.MethodPost, got.Method)
		var images int
		for _, p := range got.Messages[len(got.Messages)-1].Content {
			if p.ImageURL != nil {
				images++
				require.Equal(t, "data:image/png;base64,"+base64.StdEncoding.EncodeToString([]byte("png")), p.ImageURL.URL)
			}
		}
		require.Equal(t, 1, images)
		require.NotContains(t, fmt.Sprint(got), llmtest.Key)
		require.True(t, got.Get("@this").IsObject())
	})
}

func TestScriptIsInOrderAndTheLastRepeats(t *testing.T) {
	eachChat(t, func(t *testing.T, srv *llmtest.Server, c *llm.Client, model string) {
		srv.Reply(llmtest.ToolCall("get_weather", `{"city":"Paris"}`), llmtest.Text("18 °C."))
		var got []string
		for range 3 {
			r, err := c.Completion(t.Context(), ask(model, "?"))
			require.NoError(t, err)
			if calls := r.ToolCalls(); len(calls) > 0 {
				got = append(got, calls[0].Function.Name)
			} else {
				got = append(got, r.Text())
			}
		}
		require.Equal(t, []string{"get_weather", "18 °C.", "18 °C."}, got)
		srv.Reset()
		require.Empty(t, srv.Requests())
		r, err := c.Completion(t.Context(), ask(model, "?"))
		require.NoError(t, err)
		require.Equal(t, "You said: ?", r.Text())
	})
}

func TestHandle(t *testing.T) {
	eachChat(t, func(t *testing.T, srv *llmtest.Server, c *llm.Client, model string) {
		srv.Reply(llmtest.Text("scripted"))
		srv.Handle(func(r llmtest.Request) llmtest.Answer {
			switch r.LastUserText() {
			case "fail":
				return llmtest.Error(429, "Slow down, please.")
			case "script":
				return llmtest.Answer{Header: map[string]string{"X-Answer": "script"}}
			case "raw":
				return llmtest.Answer{Body: []byte("<p>"), ContentType: "text/html"}
			}
			return llmtest.Text(strings.ToUpper(r.LastUserText()))
		})
		r, err := c.Completion(t.Context(), ask(model, "shout"))
		require.NoError(t, err)
		require.Equal(t, "SHOUT", r.Text())
		r, err = c.Completion(t.Context(), ask(model, "script"))
		require.NoError(t, err)
		require.Equal(t, "scripted", r.Text())
		require.Equal(t, "script", r.Meta.Header.Get("X-Answer"))
		_, err = c.Completion(t.Context(), ask(model, "fail"), llm.WithMaxAttempts(1))
		require.ErrorIs(t, err, llm.ErrRateLimit)
		require.ErrorContains(t, err, "Slow down, please.")
		_, err = c.Completion(t.Context(), ask(model, "raw"), llm.WithMaxAttempts(1))
		require.ErrorIs(t, err, llm.ErrProtocol)
	})
}

func TestPace(t *testing.T) {
	eachChat(t, func(t *testing.T, srv *llmtest.Server, c *llm.Client, model string) {
		srv.Reply(llmtest.Answer{Chunks: []string{"a", "b", "c"}, Latency: 60 * time.Millisecond, ChunkDelay: 30 * time.Millisecond})
		start := time.Now()
		s, err := c.CompletionStream(t.Context(), ask(model, "?"))
		require.NoError(t, err)
		var texts []string
		for chunk, err := range s.All() {
			require.NoError(t, err)
			if chunk.Text() != "" {
				texts = append(texts, chunk.Text())
			}
		}
		require.Equal(t, []string{"a", "b", "c"}, texts)
		require.GreaterOrEqual(t, time.Since(start), 150*time.Millisecond)
	})
}

func TestFinishReasons(t *testing.T) {
	eachChat(t, func(t *testing.T, srv *llmtest.Server, c *llm.Client, model string) {
		for _, reason := range []llm.FinishReason{llm.FinishStop, llm.FinishLength, llm.FinishContentFilter} {
			srv.Reset()
			srv.Reply(llmtest.Answer{Text: "Well", FinishReason: reason})
			r, err := c.Completion(t.Context(), ask(model, "?"))
			require.NoError(t, err)
			require.Equal(t, reason, r.FinishReason())
			r, err = collect(t.Context(), c, ask(model, "?"))
			require.NoError(t, err)
			require.Equal(t, reason, r.FinishReason())
		}
	})
}

func TestStructuredOutputIsSampled(t *testing.T) {
	type recipe struct {
		Name    string   `json:"name"`
		Minutes int      `json:"minutes"`
		Vegan   bool     `json:"vegan"`
		Steps   []string `json:"steps"`
	}
	schema := map[string]any{"type": "object", "additionalProperties": false, "required": []string{"name", "minutes", "vegan", "steps"},
		"properties": map[string]any{"name": map[string]any{"type": "string", "minLength": 9}, "minutes": map[string]any{"type": "integer", "minimum": 5},
			"vegan": map[string]any{"type": "boolean"}, "steps": map[string]any{"type": "array", "items": map[string]any{"type": "string", "enum": []string{"Stir."}}}}}
	eachChat(t, func(t *testing.T, srv *llmtest.Server, c *llm.Client, model string) {
		req := ask(model, "A recipe, please.")
		req.ResponseFormat = &llm.ResponseFormat{Type: "json_schema", JSONSchema: &llm.JSONSchema{Name: "recipe", Schema: schema}}
		r, err := c.Completion(t.Context(), req, llm.WithDropParams())
		require.NoError(t, err)
		var got recipe
		require.NoError(t, json.Unmarshal([]byte(r.Text()), &got), r.Text())
		require.Equal(t, []string{"Stir."}, got.Steps)
		require.NotEmpty(t, got.Name)
	})
}

// The events of the Responses API, as they are on the wire.
func TestResponses(t *testing.T) {
	srv := llmtest.NewServer(t)
	srv.Reply(llmtest.Answer{Text: "It is warm.", Reasoning: "Let me see.", ToolCalls: []llm.ToolCall{{Function: llm.FunctionCall{Name: "f", Arguments: `{"a":1}`}}}})
	const ask = `{"model":"gpt-x","instructions":"Be brief.","input":"Warm?","include":["reasoning.encrypted_content"]`
	whole := post(t, srv.URL+"/v1/responses", ask+"}")
	require.Equal(t, "completed", whole["status"])

	resp, err := http.Post(srv.URL+"/v1/responses", "application/json", strings.NewReader(ask+`,"stream":true}`))
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, "text/event-stream; charset=utf-8", resp.Header.Get("Content-Type"))
	var text, arguments, summary string
	var done []any // items
	var last map[string]any
	events := stream.NewSSE(resp.Body, 0)
	for n := 0; ; n++ {
		ev, err := events.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		last = nil
		require.NoError(t, json.Unmarshal(ev.Data, &last))
		require.Equal(t, last["type"], string(ev.Name))
		require.EqualValues(t, n, last["sequence_number"])
		switch last["type"] {
		case "response.output_text.delta":
			text += last["delta"].(string)
		case "response.function_call_arguments.delta":
			arguments += last["delta"].(string)
		case "response.reasoning_summary_text.delta":
			summary += last["delta"].(string)
		case "response.output_item.done":
			done = append(done, last["item"])
		}
	}
	require.Equal(t, "It is warm.", text)
	require.Equal(t, `{"a":1}`, arguments)
	require.Equal(t, "Let me see.", summary)
	require.Equal(t, "response.completed", last["type"])
	streamed := last["response"].(map[string]any)
	require.Equal(t, done, streamed["output"], "the items that were done are the answer's")
	require.Equal(t, whole["usage"], streamed["usage"])
	var types []any
	for _, item := range done {
		types = append(types, item.(map[string]any)["type"])
	}
	require.Equal(t, []any{"reasoning", "message", "function_call"}, types)
	require.NotEmpty(t, done[0].(map[string]any)["encrypted_content"])

	got := srv.Requests()[0]
	require.Equal(t, llmtest.Responses, got.Dialect)
	require.Equal(t, llm.Operation("responses"), got.Operation)
	require.Equal(t, "Warm?", got.LastUserText())
	require.Equal(t, "Be brief.", got.System())

	srv.Reset()
	srv.Reply(llmtest.Answer{Text: "It", FinishReason: llm.FinishLength})
	require.Equal(t, "incomplete", post(t, srv.URL+"/v1/responses", ask+"}")["status"])
}

func TestEmbeddings(t *testing.T) {
	srv := llmtest.NewServer(t)
	c := srv.Client()
	for _, model := range []string{"openai/e", "gemini/gemini-embedding-001"} {
		r, err := c.Embedding(t.Context(), &llm.EmbeddingRequest{Model: model, Dimensions: 256, Input: []string{"the red fox", "the red fox", "a red fox runs", "quarterly tax report"}})
		require.NoError(t, err, model)
		require.Len(t, r.Data, 4)
		require.Len(t, r.Data[0].Embedding, 256)
		require.Equal(t, r.Data[0].Embedding, r.Data[1].Embedding, "the same text, the same vector")
		near, far := cosine(r.Data[0].Embedding, r.Data[2].Embedding), cosine(r.Data[0].Embedding, r.Data[3].Embedding)
		require.Greater(t, near, far+0.2)
		require.InDelta(t, 1, cosine(r.Data[0].Embedding, r.Data[0].Embedding), 1e-5)
		require.Equal(t, llmtest.Vector("the red fox", 256), r.Data[0].Embedding, "base64 or not")
		require.Equal(t, "quarterly tax report", srv.Requests()[len(srv.Requests())-1].Input[3])
	}
	body := post(t, srv.URL+"/v1/embeddings", `{"model":"e","input":"one text"}`)
	require.Equal(t, "list", body["object"])
	require.Len(t, body["data"].([]any)[0].(map[string]any)["embedding"], 64)
	body = post(t, srv.URL+"/v1/embeddings", `{"model":"e","input":[[1,2],[3]]}`)
	require.Len(t, body["data"], 2, "token ids")

	srv.Handle(func(llmtest.Request) llmtest.Answer { return llmtest.Answer{Vectors: [][]float32{{1, 0}}} })
	r, err := c.Embedding(t.Context(), &llm.EmbeddingRequest{Model: "openai/e", Input: []string{"x"}})
	require.NoError(t, err)
	require.Equal(t, []float32{1, 0}, r.Data[0].Embedding)
}

func cosine(a, b []float32) float64 {
	var dot, x, y float64
	for i := range a {
		dot += float64(a[i]) * float64(b[i])
		x += float64(a[i]) * float64(a[i])
		y += float64(b[i]) * float64(b[i])
	}
	return dot / math.Sqrt(x*y)
}

func TestOtherOperations(t *testing.T) {
	srv := llmtest.NewServer(t)
	c := srv.Client()
	ctx := t.Context()

	image, err := c.Image(ctx, &llm.ImageRequest{Model: "openai/i", Prompt: "a fox", N: 2})
	require.NoError(t, err)
	require.Len(t, image.Data, 2)
	png, err := base64.StdEncoding.DecodeString(image.Data[0].B64JSON)
	require.NoError(t, err)
	require.True(t, bytes.HasPrefix(png, []byte("\x89PNG")))
	require.Equal(t, []string{"a fox"}, srv.Requests()[0].Input)

	edit, err := c.ImageEdit(ctx, &llm.ImageEditRequest{ImageRequest: llm.ImageRequest{Model: "openai/i", Prompt: "a red fox"},
		Images: []llm.FileInput{{Name: "fox.png", MediaType: "image/png", Data: png}}})
	require.NoError(t, err)
	require.Len(t, edit.Data, 1)
	got := srv.Requests()[1]
	require.Equal(t, "i", got.Model)
	require.Equal(t, []string{"a red fox"}, got.Input)

	say, err := c.Speech(ctx, &llm.SpeechRequest{Model: "openai/s", Input: "Hello", Voice: "alloy", ResponseFormat: "wav"})
	require.NoError(t, err)
	require.True(t, bytes.HasPrefix(say.Audio, []byte("RIFF")))
	require.Equal(t, "audio/wav", say.MediaType)
	s, err := c.SpeechStream(ctx, &llm.SpeechRequest{Model: "openai/s", Input: "Hello", Voice: "alloy", ResponseFormat: "wav"})
	require.NoError(t, err)
	var sound []byte
	for chunk, err := range s.All() {
		require.NoError(t, err)
		sound = append(sound, chunk.Audio...)
	}
	require.Equal(t, say.Audio, sound)

	srv.Reply(llmtest.Text("The fox says hello."))
	file := llm.FileInput{Name: "fox.wav", MediaType: "audio/wav", Data: say.Audio}
	for _, format := range []string{"", "json", "text", "srt", "vtt", "verbose_json"} {
		tr, err := c.Transcription(ctx, &llm.TranscriptionRequest{Model: "openai/whisper-1", File: file, ResponseFormat: format})
		require.NoError(t, err, format)
		require.Contains(t, tr.Text, "The fox says hello.")
	}
	ts, err := c.TranscriptionStream(ctx, &llm.TranscriptionRequest{Model: "openai/gpt-4o-transcribe", File: file})
	require.NoError(t, err)
	var delta, whole string
	for chunk, err := range ts.All() {
		require.NoError(t, err)
		delta += chunk.Delta
		whole = chunk.Text
	}
	require.Equal(t, "The fox says hello.", delta)
	require.Equal(t, delta, whole)
	tl, err := c.Translation(ctx, &llm.TranslationRequest{Model: "openai/whisper-1", File: file})
	require.NoError(t, err)
	require.Equal(t, "The fox says hello.", tl.Text)

	mod, err := c.Moderation(ctx, &llm.ModerationRequest{Model: "openai/m", Input: []string{"a", "b"}})
	require.NoError(t, err)
	require.Len(t, mod.Results, 2)
	require.False(t, mod.Results[0].Flagged)
	srv.Handle(func(llmtest.Request) llmtest.Answer { return llmtest.Answer{Flagged: true} })
	mod, err = c.Moderation(ctx, &llm.ModerationRequest{Model: "openai/m", Input: []string{"a"}})
	require.NoError(t, err)
	require.True(t, mod.Results[0].Flagged)
	srv.Handle(nil)

	text, err := c.TextCompletion(ctx, &llm.TextCompletionRequest{Model: "openai/t", Prompt: []string{"Once"}})
	require.NoError(t, err)
	require.Equal(t, "The fox says hello.", text.Text())
	tcs, err := c.TextCompletionStream(ctx, &llm.TextCompletionRequest{Model: "openai/t", Prompt: []string{"Once"}})
	require.NoError(t, err)
	whole = ""
	for chunk, err := range tcs.All() {
		require.NoError(t, err)
		whole += chunk.Text()
	}
	require.Equal(t, "The fox says hello.", whole)
}

func TestCountTokensAndModels(t *testing.T) {
	srv := llmtest.NewServer(t)
	c := srv.Client()
	for _, model := range []string{"anthropic/c", "gemini/g", "bedrock/b"} {
		n, err := c.CountTokens(t.Context(), &llm.CountTokensRequest{Model: model, Messages: []llm.Message{llm.User("one two three")}})
		require.NoError(t, err, model)
		require.Equal(t, 3, n.InputTokens, model)
		require.Equal(t, llm.Operation("count_tokens"), srv.Requests()[len(srv.Requests())-1].Operation)
	}
	for _, provider := range []string{"openai", "anthropic", "gemini", "bedrock"} {
		list, err := c.Models(t.Context(), &llm.ModelsRequest{Provider: provider})
		require.NoError(t, err, provider)
		var names []string
		for _, m := range list.Data {
			names = append(names, m.ID)
		}
		require.Equal(t, []string{"llmtest-large", "llmtest-small"}, names, provider)
	}
}

// Other libraries and plain HTTP are served as well.
func TestPlainHTTP(t *testing.T) {
	srv := llmtest.NewServer(t)
	srv.Reply(llmtest.Text("a b"))
	for path, body := range map[string]string{
		"/v1/chat/completions":                      `{"model":"m","messages":[{"role":"user","content":"hi"}]}`,
		"/chat/completions":                         `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}`,
		"/v1/responses":                             `{"model":"m","input":"hi"}`,
		"/v1/messages":                              `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`,
		"/v1beta/models/m:generateContent":          `{"contents":[{"parts":[{"text":"hi"}]}]}`,
		"/model/vendor.m%3A0/converse":              `{"messages":[{"role":"user","content":[{"text":"hi"}]}]}`,
		"/openai/deployments/m/chat/completions?x=": `{"messages":[{"role":"user","content":"hi"}]}`,
	} {
		answer, err := json.Marshal(post(t, srv.URL+path, body))
		require.NoError(t, err)
		require.Contains(t, string(answer), "a b", path)
		got := srv.Requests()[len(srv.Requests())-1]
		require.Equal(t, "hi", got.LastUserText(), path)
		require.False(t, got.HasKey)
	}
	require.Equal(t, "vendor.m:0", requestTo(srv, "/model/vendor.m:0/converse").Model)

	resp, err := http.Post(srv.URL+"/v1beta/models/m:streamGenerateContent", "application/json", strings.NewReader(`{"contents":[]}`))
	require.NoError(t, err)
	defer resp.Body.Close()
	var list []map[string]any
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&list), "without alt=sse it is a list")
	require.Len(t, list, 3)

	resp, err = http.Get(srv.URL + "/v1/nothing")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 404, resp.StatusCode)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Contains(t, string(text), "llmtest does not know GET /v1/nothing.")
}

func requestTo(srv *llmtest.Server, path string) llmtest.Request {
	for _, r := range srv.Requests() {
		if r.Path == path {
			return r
		}
	}
	return llmtest.Request{}
}

func post(t *testing.T, url, body string) map[string]any {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)
	var v map[string]any
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&v))
	return v
}

func TestManyAtOnce(t *testing.T) {
	srv := llmtest.NewServer(t)
	srv.Handle(func(r llmtest.Request) llmtest.Answer { return llmtest.Text(r.LastUserText()) })
	c := srv.Client()
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			text := fmt.Sprint("number ", i)
			r, err := collect(t.Context(), c, ask(chatModels[i%len(chatModels)], text))
			if err != nil || r.Text() != text {
				t.Errorf("%v: got %v", err, r)
			}
		})
	}
	wg.Wait()
	require.Len(t, srv.Requests(), 40)
	require.Len(t, srv.TakeRequests(), 40)
	require.Empty(t, srv.Requests())
}

// A host that speaks a dialect is as good as the vendor.
func TestOtherHosts(t *testing.T) {
	srv := llmtest.NewServer(t)
	c := llm.New(srv.Options("groq", "mistral")...)
	for _, provider := range []string{"groq", "mistral"} {
		r, err := c.Completion(t.Context(), ask(provider+"/model-x", "hi"))
		require.NoError(t, err)
		require.Equal(t, "You said: hi", r.Text())
		require.Equal(t, provider, srv.Requests()[len(srv.Requests())-1].Provider)
	}
}

// A server that is closed, and clients that leave, leave nothing behind.
func TestNothingIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	srv, err := llmtest.Start()
	require.NoError(t, err)
	srv.FaultAlways(llmtest.Stall)
	transport := &http.Transport{}
	c := srv.Client(llm.WithHTTPClient(&http.Client{Transport: transport}))
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, err := collect(ctx, c, ask(chatModels[0], "?"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		cancel()
	}
	left := make(chan error)
	go func() {
		_, err := c.Completion(t.Context(), ask(chatModels[0], "?"), llm.WithMaxAttempts(1))
		left <- err
	}()
	for len(srv.Requests()) < 6 {
		time.Sleep(time.Millisecond)
	}
	srv.Close()
	srv.Close()
	require.Error(t, <-left, "the client is not kept waiting by a server that is gone")
	transport.CloseIdleConnections()
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+1 }, 3*time.Second, 5*time.Millisecond)
}
