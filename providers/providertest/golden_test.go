package providertest

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/stream"
	"github.com/stretchr/testify/require"
)

func plainProvider() *llm.Provider {
	return &llm.Provider{Name: "acme", Aliases: []string{"acme2"}, Completion: &llm.Op[llm.CompletionRequest, llm.CompletionResponse, llm.CompletionChunk]{
		Decode: func(*llm.Call, http.Header, []byte) (*llm.CompletionResponse, error) { return nil, nil },
	}}
}

// A case that is wrong in itself must not pass by checking less.
func TestMistakesInCases(t *testing.T) {
	const call = "-- call.json --\n" + `{"operation": "completion", "model": "acme/x", "request": {}}` + "\n"
	for text, want := range map[string]string{
		"-- call.json --\n{}\n": "no comment at the top",
		"c\n":                   "no section call.json",
		"c\n-- call.json --\n{\"operation\":\"complexion\"}\n":         `unknown operation "complexion"; there are completion, responses`,
		"c\n-- call.json --\n{\"operation\":\"embedding\"}\n":          "does not offer embedding",
		"c\n-- call.json --\n{\"operation\":\"completion\",\"x\":1}\n": `unknown field "x"`,
		"c\n-- call.json --\n{\"operation\":\"completion\"}\n":         `want "acme/…"`,
		"c\n" + strings.Replace(call, `{}}`, `{"messages":1}}`, 1):     "request:",
		"c\n" + call:                             "nothing to check",
		"c\n" + call + "-- anwser.json --\n{}\n": "section anwser.json is not known",
		"c\n" + call + "-- answer.json --\n-- answer.json --\n":                    "section answer.json is there twice",
		"c\n" + call + "-- response.http --\nHTTP/1.1 200\n\n{}\n":                 "either answer.json or error.json",
		"c\n" + call + "-- response.http --\n200\n\n{}\n":                          "want a status line",
		"c\n" + call + "-- response.http --\nHTTP/1.1 200\nX\n\n{}\n":              "has no colon",
		"c\n" + call + "-- request.http --\nPOST\n":                                "want a method and a target",
		"c\n" + call + "-- stream.http --\nHTTP/1.1 200\n\n":                       "does not stream completion",
		"c\n" + strings.Replace(call, `{}}`, `{},"options":{"drop_params":3}}`, 1): "drop_params is true or a list",
	} {
		_, err := parseGolden(plainProvider(), "case.txtar", []byte(text))
		require.ErrorContains(t, err, want, text)
	}
	_, err := parseGolden(plainProvider(), "case.txtar", []byte("c\n"+strings.Replace(call, "acme/", "acme2/", 1)+"-- request.http --\nPOST /\n"))
	require.NoError(t, err, "an alias is as good as the name")
}

func TestResponses(t *testing.T) {
	c, err := parseResponse([]byte("HTTP/1.1 200\nContent-Type: audio/mpeg\nX-Golden-Encoding: base64\n\nAAEC\nAw==\n"))
	require.NoError(t, err)
	require.Equal(t, "\x00\x01\x02\x03", string(c.body))
	require.Empty(t, c.header.Get("X-Golden-Encoding"))

	c, err = parseResponse([]byte("HTTP/1.1 200\nContent-Type: text/event-stream; charset=utf-8\n\ndata: 1\n"))
	require.NoError(t, err)
	require.Equal(t, "data: 1\n\n", string(c.body), "a blank line that an editor trimmed is put back")

	c, err = parseAWS([]byte("HTTP/1.1 200\nContent-Type: application/vnd.amazon.eventstream\n\n" +
		`{"headers": {":message-type": "event", ":event-type": "x"}, "payload": {"a": 1}}` + "\n\n" + `{"headers": {}, "payload": "raw"}` + "\n"))
	require.NoError(t, err)
	r := stream.NewAWS(strings.NewReader(string(c.body)), 0)
	m, err := r.Next()
	require.NoError(t, err)
	require.Equal(t, "x", m.Header(":event-type"))
	require.Equal(t, `{"a": 1}`, string(m.Payload))
	m, err = r.Next()
	require.NoError(t, err)
	require.Equal(t, "raw", string(m.Payload))
	_, err = r.Next()
	require.Equal(t, io.EOF, err)
}

func TestRequestDiff(t *testing.T) {
	u, err := url.Parse("https://api.acme.example/v1/a%2Fb?x=1&y=2")
	require.NoError(t, err)
	s := &sent{method: "POST", url: u, host: u.Host, header: http.Header{"Content-Type": {"multipart/form-data; boundary=abc"}, "X-Key": {Key}},
		body: []byte("--abc\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--abc--\r\n")}
	const form = "\n\n--B\nContent-Disposition: form-data; name=\"a\"\n\n1\n--B--\n"
	for text, want := range map[string]string{
		"POST /v1/a%2Fb?y=2&x=1\nContent-Type: multipart/form-data; boundary=B\nX-Key: $KEY" + form: "",
		"POST https://api.acme.example/v1/a%2Fb?x=1&y=2\nX-Key: canary*\n!X-Other" + form:           "",
		"POST https://api.other.example/v1/a%2Fb?x=1&y=2" + form:                                    "target: got https://api.acme.example",
		"GET /v1/a%2Fb?x=1&y=2" + form:                                                              "method: got POST, want GET",
		"POST /v1/a/b?x=1&y=2" + form:                                                               "target: got",
		"POST /v1/a%2Fb?x=1" + form:                                                                 "target: got",
		"POST /v1/a%2Fb?x=1&y=2\nX-Other: 1" + form:                                                 "header X-Other is missing",
		"POST /v1/a%2Fb?x=1&y=2\n!X-Key" + form:                                                     "header X-Key must be absent",
		"POST /v1/a%2Fb?x=1&y=2\nX-Key: other" + form:                                               `want "other"`,
		"POST /v1/a%2Fb?x=1&y=2" + strings.Replace(form, "\n1\n", "\n2\n", 1):                       "- 2\n+ 1",
		"POST /v1/a%2Fb?x=1&y=2\n\n{\"a\":1}\n":                                                     "body is not JSON",
	} {
		w, err := parseRequest([]byte(text))
		require.NoError(t, err)
		if d := w.diff(s); want == "" {
			require.Empty(t, d, text)
		} else {
			require.Contains(t, d, want, text)
		}
	}
}

func TestGlob(t *testing.T) {
	require.True(t, glob("AWS4-HMAC-SHA256 Credential=*, Signature=*", "AWS4-HMAC-SHA256 Credential=AKID/x, Signature=00ff"))
	require.True(t, glob("a", "a"))
	require.True(t, glob("*", ""))
	require.False(t, glob("a*a", "a"))
	require.False(t, glob("a*b*c", "acb"))
	require.False(t, glob("a", "ab"))
}

func TestMutationsAreWellFramed(t *testing.T) {
	sse, err := parseResponse([]byte("HTTP/1.1 200\nContent-Type: text/event-stream\n\nevent: a\ndata: {\"type\":\"a\",\"n\":1}\n\n: ping\n\ndata: {\"type\":\"b\"}\n\n"))
	require.NoError(t, err)
	var all []string
	mutations(sse, 1000, func(_ string, body []byte) { all = append(all, string(body)) })
	require.Contains(t, all, "event: a\ndata: {\"n\":null,\"type\":\"a\"}\n\n: ping\n\ndata: {\"type\":\"b\"}\n\n")
	require.Contains(t, all, "event: a\ndata: {\"type\":\"b\"}\n\n", "an event is lost")
	require.Greater(t, len(all), 30)

	aws, err := parseAWS([]byte("HTTP/1.1 200\nContent-Type: application/vnd.amazon.eventstream\n\n" +
		`{"headers": {":event-type": "x"}, "payload": {"a": 1}}` + "\n"))
	require.NoError(t, err)
	n := 0
	mutations(aws, 1000, func(_ string, body []byte) {
		n++
		_, err := stream.NewAWS(strings.NewReader(string(body)), 0).Next()
		require.NoError(t, err, "the payload is hostile, not the frame")
	})
	require.Greater(t, n, 10)
}

func TestSpeechFolds(t *testing.T) {
	r, err := foldSpeech([]*llm.SpeechChunk{{Audio: []byte("a")}, {Audio: []byte("b"), Usage: &llm.Usage{TotalTokens: 3}}})
	require.NoError(t, err)
	require.Equal(t, "ab", string(r.Audio))
	require.Equal(t, 3, r.Usage.TotalTokens)
	x, err := foldTranscription([]*llm.TranscriptionChunk{{Type: "transcript.text.delta", Delta: "Mee"}, {Type: "transcript.text.done", Text: "Meep."}})
	require.NoError(t, err)
	require.Equal(t, "Meep.", x.Text)
	txt, err := foldText([]*llm.TextCompletionChunk{{ID: "1", Choices: []llm.TextChoice{{Index: 1, Text: "b"}}}, {Choices: []llm.TextChoice{{Text: "a"}, {Index: 1, Text: "c", FinishReason: "stop"}}}})
	require.NoError(t, err)
	require.Equal(t, []llm.TextChoice{{Text: "a"}, {Index: 1, Text: "bc", FinishReason: "stop"}}, txt.Choices)
}
