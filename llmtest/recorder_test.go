package llmtest_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/llmtest"
	"github.com/stretchr/testify/require"
)

// record makes a recording of a whole and a streamed answer of each dialect.
func record(t *testing.T, file string, rec *llmtest.Recorder, srv *llmtest.Server, model string) (whole, folded *llm.CompletionResponse) {
	t.Helper()
	c := srv.Client(llm.WithHTTPClient(&http.Client{Transport: rec}))
	whole, err := c.Completion(t.Context(), ask(model, "Where does Ada live?"))
	require.NoError(t, err)
	folded, err = collect(t.Context(), c, ask(model, "Where does Ada live?"))
	require.NoError(t, err)
	require.NoError(t, rec.Save(file))
	return whole, folded
}

func TestRecordAndReplay(t *testing.T) {
	eachChat(t, func(t *testing.T, srv *llmtest.Server, _ *llm.Client, model string) {
		srv.Reply(llmtest.Answer{Text: "Ada lives\r\nin London. Ada's key is sk-proj-abcdefghijklmnopqrstuvwx.", Reasoning: "Hm.",
			ToolCalls: []llm.ToolCall{{Function: llm.FunctionCall{Name: "f", Arguments: `{"a":"ü"}`}}},
			Header:    map[string]string{"Set-Cookie": "session=very-secret-cookie", "X-Echo": llmtest.Key}})
		file := filepath.Join(t.TempDir(), "dir", "chat.txtar")
		rec := llmtest.NewRecorder(nil, "London")
		whole, folded := record(t, file, rec, srv, model)

		data, err := os.ReadFile(file)
		require.NoError(t, err)
		text := string(data)
		for _, secret := range []string{llmtest.Key, "London", "sk-proj-", "very-secret-cookie"} {
			require.NotContains(t, text, secret)
		}
		require.Contains(t, text, "REDACTED")
		require.Contains(t, text, "Where does Ada live?", "the prompt stays")

		base := srv.URL
		opts := srv.Options()
		srv.Close()
		p, err := llmtest.Replay(file, "London")
		require.NoError(t, err)
		require.Len(t, p.Unused(), 2)
		require.Contains(t, p.Unused()[0], "POST "+base)
		c := llm.New(append(opts, llm.WithHTTPClient(&http.Client{Transport: p}))...)
		again, err := c.Completion(t.Context(), ask(model, "Where does Ada live?"))
		require.NoError(t, err)
		require.Equal(t, clean(whole.Text()), again.Text())
		require.Equal(t, whole.ToolCalls(), again.ToolCalls())
		require.Equal(t, whole.Usage, again.Usage)
		streamed, err := collect(t.Context(), c, ask(model, "Where does Ada live?"))
		require.NoError(t, err)
		require.Equal(t, folded.ToolCalls(), streamed.ToolCalls())
		require.Equal(t, folded.Message().ReasoningContent, streamed.Message().ReasoningContent)
		require.Empty(t, p.Unused())

		_, err = c.Completion(t.Context(), ask(model, "Where does Ada live?"))
		require.ErrorContains(t, err, "it was asked for more often than it was recorded")
		var e *llm.Error
		require.ErrorAs(t, err, &e)
		require.Len(t, e.Attempts, 1, "there is no use in asking again")
	})
}

func clean(s string) string {
	return strings.NewReplacer("London", "REDACTED", "sk-proj-abcdefghijklmnopqrstuvwx", "REDACTED").Replace(s)
}

func TestReplayNamesTheDifference(t *testing.T) {
	srv := llmtest.NewServer(t)
	file := filepath.Join(t.TempDir(), "chat.txtar")
	record(t, file, llmtest.NewRecorder(nil), srv, chatModels[0])
	p, err := llmtest.Replay(file)
	require.NoError(t, err)
	c := srv.Client(llm.WithHTTPClient(&http.Client{Transport: p}))
	_, err = c.Completion(t.Context(), ask(chatModels[0], "Where does Bob live?"))
	require.ErrorContains(t, err, "the recording has no POST")
	require.ErrorContains(t, err, "differs")
	require.ErrorIs(t, err, llm.ErrRefused)
	require.Len(t, srv.Requests(), 2, "nothing is sent")
}

func TestRecordingOfABrokenStream(t *testing.T) {
	srv := llmtest.NewServer(t)
	rec := llmtest.NewRecorder(nil)
	c := srv.Client(llm.WithHTTPClient(&http.Client{Transport: rec}))
	srv.Reply(llmtest.Text("one two three four"))
	srv.Fault(llmtest.NoLastChunk)
	_, err := collect(t.Context(), c, ask(chatModels[0], "?"))
	require.ErrorIs(t, err, llm.ErrTruncated)
	file := filepath.Join(t.TempDir(), "cut.txtar")
	require.NoError(t, rec.Save(file))
	p, err := llmtest.Replay(file)
	require.NoError(t, err)
	_, err = collect(t.Context(), srv.Client(llm.WithHTTPClient(&http.Client{Transport: p})), ask(chatModels[0], "?"))
	require.ErrorIs(t, err, llm.ErrTruncated, "what was cut is replayed as such")
}

// Bytes come back as they were, whatever they are, and forms match although their boundaries differ.
func TestRecordingOfBytesAndForms(t *testing.T) {
	srv := llmtest.NewServer(t)
	rec := llmtest.NewRecorder(nil)
	sound := []byte("\x00\xff\r\n-- request.1.http --\nnot a section\n")
	srv.Handle(func(r llmtest.Request) llmtest.Answer {
		if r.Operation == "speech" {
			return llmtest.Answer{Audio: sound}
		}
		return llmtest.Text("heard")
	})
	calls := func(next http.RoundTripper) {
		c := srv.Client(llm.WithHTTPClient(&http.Client{Transport: next}))
		say, err := c.Speech(t.Context(), &llm.SpeechRequest{Model: "openai/s", Input: "hi", Voice: "v"})
		require.NoError(t, err)
		require.Equal(t, sound, say.Audio)
		tr, err := c.Transcription(t.Context(), &llm.TranscriptionRequest{Model: "openai/t", File: llm.FileInput{Name: "a.wav", Data: sound}, ResponseFormat: "text"})
		require.NoError(t, err)
		require.Equal(t, "heard\n", tr.Text)
	}
	calls(rec)
	file := filepath.Join(t.TempDir(), "bytes.txtar")
	require.NoError(t, rec.Save(file))
	p, err := llmtest.Replay(file)
	require.NoError(t, err)
	srv.Reset()
	calls(p)
	require.Empty(t, srv.Requests())
}

func TestKeysInURLs(t *testing.T) {
	srv := llmtest.NewServer(t)
	rec := llmtest.NewRecorder(nil)
	get := func(next http.RoundTripper) string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/v1beta/models?key=a-very-secret-key&pageSize=2", nil)
		require.NoError(t, err)
		resp, err := next.RoundTrip(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return string(body)
	}
	live := get(rec)
	file := filepath.Join(t.TempDir(), "url.txtar")
	require.NoError(t, rec.Save(file))
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NotContains(t, string(data), "a-very-secret-key")
	require.Contains(t, string(data), "pageSize=2")
	p, err := llmtest.Replay(file)
	require.NoError(t, err)
	require.JSONEq(t, live, get(p))
	require.True(t, srv.Requests()[0].HasKey)
	require.Equal(t, "REDACTED", srv.Requests()[0].Query.Get("key"))
}

func TestReplayOfWhatIsNoRecording(t *testing.T) {
	_, err := llmtest.Replay(filepath.Join(t.TempDir(), "none.txtar"))
	require.ErrorIs(t, err, os.ErrNotExist)
	file := filepath.Join(t.TempDir(), "bad.txtar")
	for text, want := range map[string]string{
		"":                              "no recorded exchange",
		"-- request.1.http --\nGET /\n": "request 1 has no response",
		"-- request.1.http --\nGET\n-- response.1.http --\nHTTP/1.1 200\n":      `begins with "GET"`,
		"-- request.1.http --\nGET /\nX\n-- response.1.http --\nHTTP/1.1 200\n": "has no colon",
		"-- request.1.http --\nGET /\n-- response.1.http --\nHTTP/1.1\n":        "the response begins with",
	} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o666))
		_, err := llmtest.Replay(file)
		require.ErrorContains(t, err, want, text)
	}
	require.ErrorContains(t, llmtest.NewRecorder(nil).Save(file), "nothing was recorded")
}

func TestTape(t *testing.T) {
	srv := llmtest.NewServer(t)
	file := filepath.Join(t.TempDir(), "tape.txtar")
	ask := func(t *testing.T) {
		c := srv.Client(llm.WithHTTPClient(llmtest.Tape(t, file, "Greta")))
		r, err := c.Completion(t.Context(), ask(chatModels[0], "Who is Greta?"))
		require.NoError(t, err)
		require.Contains(t, r.Text(), "You said: Who is")
	}
	t.Run("record", func(t *testing.T) {
		t.Setenv("LLMTEST_RECORD", "1")
		ask(t)
	})
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NotContains(t, string(data), "Greta")
	srv.Reset()
	t.Run("replay", func(t *testing.T) {
		t.Setenv("LLMTEST_RECORD", "")
		ask(t)
	})
	require.Empty(t, srv.Requests())
}
