package bedrock

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
	"github.com/llm-go/llm/providers/providertest"
	"github.com/llm-go/llm/stream"
	"github.com/stretchr/testify/require"
)

func TestConformance(t *testing.T) { providertest.Run(t, Provider(), "testdata") }

// wire keeps the last request and answers with a fixed body.
type wire struct {
	request *http.Request
	sent    []byte
	answer  []byte
	media   string
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.request = r
	if r.Body != nil {
		w.sent, _ = io.ReadAll(r.Body)
	}
	media := w.media
	if media == "" {
		media = "application/json"
	}
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {media}}, Body: io.NopCloser(bytes.NewReader(w.answer)), Request: r}, nil
}

func (w *wire) client(p *llm.Provider, opts ...llm.Option) *llm.Client {
	return llm.New(append([]llm.Option{llm.WithProvider(p), llm.WithHTTPClient(&http.Client{Transport: w}), llm.WithMaxAttempts(1)}, opts...)...)
}

// The example credentials and date of AWS's Signature Version 4 test suite.
const (
	suiteKey    = "AKIDEXAMPLE"
	suiteSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

func suiteTime() time.Time { return time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC) }

// AWS's Signature Version 4 test suite (aws-sig-v4-test-suite), the cases that net/http can send.
func TestSignatureSuite(t *testing.T) {
	for _, c := range []struct{ name, method, target, token, signed, signature string }{
		{"get-vanilla", "GET", "/", "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"post-vanilla", "POST", "/", "", "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		{"post-vanilla-query", "POST", "/?Param1=value1", "", "host;x-amz-date", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
		{"get-vanilla-with-session-token", "GET", "/", "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267",
			"host;x-amz-date;x-amz-security-token", "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newProvider(signer{suiteTime, "service"})
			p.Models = &llm.Op[llm.ModelsRequest, llm.ModelsResponse, llm.None]{
				Encode: func(*llm.Call, *llm.ModelsRequest) (*http.Request, error) {
					return llm.NewRequest(c.method, "https://example.amazonaws.com"+c.target, "", nil)
				},
				Decode: decodeModels,
			}
			w := &wire{answer: []byte(`{"modelSummaries":[]}`)}
			opts := []llm.Option{llm.WithoutEnv(), llm.WithBaseURL("https://example.amazonaws.com"), llm.WithSetting("AWS_REGION", "us-east-1"),
				llm.WithSetting(accessKeyID, suiteKey), llm.WithSetting(secretAccessKey, suiteSecret)}
			if c.token != "" {
				opts = append(opts, llm.WithSetting(sessionToken, c.token))
			}
			_, err := w.client(p, opts...).Models(t.Context(), &llm.ModelsRequest{Provider: "bedrock"})
			require.NoError(t, err)
			require.Equal(t, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders="+c.signed+", Signature="+c.signature,
				w.request.Header.Get("Authorization"))
			require.Equal(t, c.token, w.request.Header.Get("X-Amz-Security-Token"))
		})
	}
}

// A whole Converse request is signed as AWS's guide "Create a signed AWS API request" says, worked out here from
// what goes over the wire: the path of the wire escaped once more, and the hash of the very bytes sent.
func TestSignatureOfConverse(t *testing.T) {
	for _, model := range []string{
		"anthropic.claude-3-haiku-20240307-v1:0",
		"arn:aws:bedrock:eu-central-1:111122223333:application-inference-profile/a1b2c3d4e5f6",
		"zz model+with~odd/characters@é",
	} {
		t.Run(model, func(t *testing.T) {
			w := &wire{answer: []byte(`{"output":{"message":{"role":"assistant","content":[{"text":"Hi."}]}},"stopReason":"end_turn"}`)}
			p := newProvider(signer{suiteTime, service})
			_, err := w.client(p, llm.WithoutEnv(), llm.WithSetting("AWS_REGION_NAME", "eu-central-1"),
				llm.WithSetting(accessKeyID, suiteKey), llm.WithSetting(secretAccessKey, suiteSecret), llm.WithSetting(sessionToken, "token")).
				Completion(t.Context(), &llm.CompletionRequest{Model: "bedrock/" + model, Messages: []llm.Message{llm.User("Größe?")}})
			require.NoError(t, err)
			r := w.request
			require.Equal(t, "bedrock-runtime.eu-central-1.amazonaws.com", r.URL.Host)
			require.Equal(t, "/model/"+escape(model)+"/converse", r.URL.EscapedPath())

			auth := r.Header.Get("Authorization")
			_, signed, ok := strings.Cut(auth, "SignedHeaders=")
			require.True(t, ok)
			signed, _, _ = strings.Cut(signed, ",")
			names := strings.Split(signed, ";")
			for _, must := range []string{"host", "x-amz-date", "x-amz-security-token", "content-type", "content-length"} {
				require.Contains(t, names, must)
			}
			canonical := "POST\n/model/" + escape(escape(model)) + "/converse\n\n"
			for _, n := range names {
				v := r.Header.Get(n)
				switch n {
				case "host":
					v = r.URL.Host
				case "content-length":
					v = fmt.Sprint(len(w.sent))
				}
				canonical += n + ":" + v + "\n"
			}
			canonical += "\n" + signed + "\n" + hash(w.sent)
			const scope = "20150830/eu-central-1/bedrock/aws4_request"
			text := "AWS4-HMAC-SHA256\n20150830T123600Z\n" + scope + "\n" + hash([]byte(canonical))
			key := []byte("AWS4" + suiteSecret)
			for _, part := range strings.Split(scope, "/") {
				key = mac(key, part)
			}
			require.Equal(t, "AWS4-HMAC-SHA256 Credential="+suiteKey+"/"+scope+", SignedHeaders="+signed+", Signature="+hex.EncodeToString(mac(key, text)), auth)
		})
	}
}

func hash(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

var hello = &llm.CompletionRequest{Model: "bedrock/m", Messages: []llm.Message{llm.User("Hello?")}}

func TestCredentials(t *testing.T) {
	answer := []byte(`{"output":{"message":{"role":"assistant","content":[{"text":"Hi."}]}},"stopReason":"end_turn"}`)
	for name, c := range map[string]struct {
		env  map[string]string
		opts []llm.Option
		auth string // how Authorization begins
		fail string
	}{
		"api key from the environment": {env: map[string]string{bearerToken: "key-1", "AWS_REGION": "us-east-1"}, auth: "Bearer key-1"},
		"api key wins over secrets":    {env: map[string]string{bearerToken: "key-1", accessKeyID: "a", secretAccessKey: "s", "AWS_REGION": "us-east-1"}, auth: "Bearer key-1"},
		"secrets from the environment": {env: map[string]string{accessKeyID: "AKID", secretAccessKey: "s", "AWS_DEFAULT_REGION": "us-west-2"}, auth: "AWS4-HMAC-SHA256 Credential=AKID/20150830/us-west-2/bedrock/"},
		"only half":                    {env: map[string]string{accessKeyID: "AKID", "AWS_REGION": "us-east-1"}, fail: "AWS_SECRET_ACCESS_KEY is not"},
		"the other half":               {env: map[string]string{secretAccessKey: "s", "AWS_REGION": "us-east-1"}, fail: "AWS_ACCESS_KEY_ID is not"},
		"AWS's own host given": {env: map[string]string{accessKeyID: "AKID", secretAccessKey: "s", "AWS_REGION": "us-east-1"},
			opts: []llm.Option{llm.WithBaseURL("https://bedrock-runtime.us-east-1.amazonaws.com")}, auth: "AWS4-HMAC-SHA256 Credential=AKID/"},
		"secrets stay with their host": {env: map[string]string{accessKeyID: "AKID", secretAccessKey: "s", sessionToken: "t", "AWS_REGION": "us-east-1"},
			opts: []llm.Option{llm.WithBaseURL("https://proxy.example.com")}, fail: "no credentials"},
		"secrets beside a host": {opts: []llm.Option{llm.WithBaseURL("https://vpce-1-2.bedrock-runtime.eu-west-1.vpce.amazonaws.com"),
			llm.WithSetting(accessKeyID, "AKID"), llm.WithSetting(secretAccessKey, "s")}, auth: "AWS4-HMAC-SHA256 Credential=AKID/20150830/eu-west-1/bedrock/"},
		"a host that tells no region": {opts: []llm.Option{llm.WithBaseURL("https://proxy.example.com"),
			llm.WithSetting(accessKeyID, "AKID"), llm.WithSetting(secretAccessKey, "s")}, fail: "AWS_REGION"},
		"endpoint from the environment": {env: map[string]string{"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://localhost:4566", bearerToken: "key-1"}, auth: "Bearer key-1"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, v := range []string{bearerToken, accessKeyID, secretAccessKey, sessionToken, "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_REGION_NAME", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_BEDROCK_RUNTIME_ENDPOINT"} {
				t.Setenv(v, c.env[v])
			}
			w := &wire{answer: answer}
			_, err := w.client(newProvider(signer{suiteTime, service}), c.opts...).Completion(t.Context(), hello)
			if c.fail != "" {
				require.ErrorContains(t, err, c.fail)
				require.Nil(t, w.request, "nothing is sent")
				return
			}
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(w.request.Header.Get("Authorization"), c.auth), w.request.Header.Get("Authorization"))
		})
	}
}

func TestSignWith(t *testing.T) {
	p := *Provider()
	calls := 0
	p.Auth = SignWith(func(context.Context) (Credentials, error) {
		if calls++; calls > 1 {
			return Credentials{}, errors.New("the role is gone")
		}
		return Credentials{llm.NewSecret("ASIA"), llm.NewSecret("secret"), llm.NewSecret("session")}, nil
	})
	w := &wire{answer: []byte(`{"output":{"message":{"content":[]}},"stopReason":"end_turn"}`)}
	c := w.client(&p, llm.WithoutEnv(), llm.WithSetting("AWS_REGION", "us-east-1"))
	_, err := c.Completion(t.Context(), hello)
	require.NoError(t, err)
	require.Contains(t, w.request.Header.Get("Authorization"), "Credential=ASIA/")
	require.Equal(t, "session", w.request.Header.Get("X-Amz-Security-Token"))
	_, err = c.Completion(t.Context(), hello)
	require.ErrorIs(t, err, llm.ErrAuthentication)
}

func TestRegionOf(t *testing.T) {
	for host, want := range map[string]string{
		"bedrock-runtime.us-east-1.amazonaws.com":                 "us-east-1",
		"bedrock-runtime-fips.us-gov-west-1.amazonaws.com":        "us-gov-west-1",
		"bedrock-runtime.cn-north-1.amazonaws.com.cn":             "cn-north-1",
		"bedrock.eu-west-3.amazonaws.com":                         "eu-west-3",
		"bedrock-runtime.us-west-2.api.aws":                       "us-west-2",
		"vpce-0a-1b.bedrock-runtime.eu-west-1.vpce.amazonaws.com": "eu-west-1",
		"example.amazonaws.com":                                   "",
		"localhost":                                               "",
		"bedrock-runtime.us-east-1.amazonaws.com.evil.example":    "",
	} {
		require.Equal(t, want, regionOf(host), host)
	}
}

func TestFamilies(t *testing.T) {
	for model, prefix := range map[string]string{
		"anthropic.claude-3-haiku-20240307-v1:0":                                              "anthropic.claude-3-",
		"us.anthropic.claude-3-7-sonnet-20250219-v1:0":                                        "anthropic.claude-3-7-sonnet-",
		"us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0":                                    "anthropic.claude-sonnet-4-5-",
		"global.anthropic.claude-opus-4-6-v1":                                                 "anthropic.",
		"arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0":                    "amazon.nova-",
		"arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.amazon.nova-2-lite-v1:0": "amazon.nova-2-",
		"arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/a1b2c3d4e5f6":   "",
		"not.anthropic.claude":       "",
		"my-anthropic.claude-tuned":  "",
		"meta.llama3-3-70b-instruct": "",
	} {
		require.Equal(t, prefix, familyOf(model).prefix, model)
	}
	// No row may stand behind one that takes its models away.
	for i, f := range families {
		for _, g := range families[:i] {
			require.False(t, strings.HasPrefix(f.prefix, g.prefix), "%s is never reached: %s is before it", f.prefix, g.prefix)
		}
	}
}

func TestToolUseID(t *testing.T) {
	seen := make(map[string]string)
	for _, id := range []string{"tooluse_k7Zp0Q", "call:1.2-3", "", "a b", "a_b", "a/b", strings.Repeat("x", 65), strings.Repeat("x", 66), "é"} {
		got := toolUseID(id)
		require.Regexp(t, `^[a-zA-Z0-9_.:-]{1,64}$`, got, id)
		require.Equal(t, got, toolUseID(id))
		require.NotContains(t, seen, got, "%q and %q", id, seen[got])
		seen[got] = id
	}
	require.Equal(t, "tooluse_k7Zp0Q", toolUseID("tooluse_k7Zp0Q"))
}

func TestDocumentNames(t *testing.T) {
	w := &writer{}
	for _, c := range [][2]string{
		{"report.pdf", "report"}, {"report.csv", "report 2"}, {"", "document"}, {"???.pdf", "document 2"},
		{`C:\docs\a__b  (1).txt`, "a b (1)"}, {strings.Repeat("n", 400) + ".md", strings.Repeat("n", 180)},
	} {
		require.Equal(t, c[1], w.documentName(c[0]), c[0])
	}
}

func TestJoinBase64(t *testing.T) {
	var have []byte
	for _, more := range []string{"aA==", "ZWw=", "bG8g", "d29ybGQ="} {
		have = joinBase64(have, []byte(more))
	}
	require.Equal(t, "aGVsbG8gd29ybGQ=", string(have))
}

// A schema of the caller's is not written to.
func TestConstrainLeavesTheSchema(t *testing.T) {
	schema := map[string]any{"type": "object", "properties": map[string]any{"n": map[string]any{"type": "integer", "minimum": 1}}}
	before, _ := json.Marshal(schema)
	w := &wire{answer: []byte(`{"output":{"message":{"content":[{"text":"{}"}]}},"stopReason":"end_turn"}`)}
	_, err := w.client(provider, llm.WithoutEnv(), llm.WithAPIKey("k"), llm.WithSetting("AWS_REGION", "us-east-1")).Completion(t.Context(), &llm.CompletionRequest{
		Model: "bedrock/m", Messages: hello.Messages, ResponseFormat: &llm.ResponseFormat{Type: "json_schema", JSONSchema: &llm.JSONSchema{Name: "n", Schema: schema}}})
	require.NoError(t, err)
	after, _ := json.Marshal(schema)
	require.JSONEq(t, string(before), string(after))
	require.Contains(t, string(w.sent), `additionalProperties\":false`)
	require.NotContains(t, string(w.sent), `\"minimum\"`)
}

func frame(b []byte, event, payload string) []byte {
	return stream.AppendAWS(b, stream.Message{Headers: []stream.Header{{Name: ":message-type", Value: "event"}, {Name: ":event-type", Value: event}}, Payload: []byte(payload)})
}

// A stream whose metadata comes first, or whose blocks give their delta before their index, is read all the same.
func TestStreamInOtherOrders(t *testing.T) {
	b := frame(nil, "metadata", `{"usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3}}`)
	b = frame(b, "contentBlockDelta", `{"delta":{"text":"Hi"},"contentBlockIndex":0}`)
	b = frame(b, "somethingNew", `{"a":1}`)
	b = frame(b, "messageStop", `{"stopReason":"end_turn"}`)
	r, err := collect(t, b)
	require.NoError(t, err)
	require.Equal(t, "Hi", r.Text())
	require.Equal(t, 3, r.Usage.TotalTokens)
}

func collect(t testing.TB, body []byte) (*llm.CompletionResponse, error) {
	w := &wire{answer: body, media: "application/vnd.amazon.eventstream"}
	s, err := w.client(provider, llm.WithoutEnv(), llm.WithAPIKey("k"), llm.WithSetting("AWS_REGION", "us-east-1")).CompletionStream(t.Context(), hello)
	if err != nil {
		return nil, err
	}
	return llm.Collect(s)
}

// An answer too long to be kept a second time loses its native form, and says so.
func TestLongHistoryIsGivenUp(t *testing.T) {
	long := strings.Repeat("x", 64<<10)
	var b []byte
	for range 20 {
		b = frame(b, "contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"`+long+`"}}`)
	}
	b = frame(b, "contentBlockDelta", `{"contentBlockIndex":1,"delta":{"reasoningContent":{"text":"hm"}}}`)
	b = frame(b, "messageStop", `{"stopReason":"end_turn"}`)
	b = frame(b, "metadata", `{"usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3}}`)
	r, err := collect(t, b)
	require.NoError(t, err)
	require.Nil(t, r.Message().Native)
	require.True(t, slices.ContainsFunc(r.Meta.Warnings, func(w llm.Warning) bool { return w.Code == "stream" }))
	require.Len(t, r.Text(), 20*len(long))
}

// text is a stream that repeats one frame for ever.
type text struct {
	frame []byte
	rest  []byte
}

func (r *text) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		r.rest = r.frame
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func newConverse(frame []byte) *converse {
	return &converse{frames: stream.NewAWS(&text{frame: frame}, 0), model: "m", origin: dialect, call: &llm.Call{}}
}

func TestStreamAllocations(t *testing.T) {
	for name, payload := range map[string]string{
		"text":       `{"contentBlockIndex":0,"delta":{"text":"Hello, here are some words"},"p":"abcdefghijklmnop"}`,
		"tool input": `{"contentBlockIndex":0,"delta":{"toolUse":{"input":"{\"a\": \"some input\""}},"p":"abcdefghijklmnop"}`,
	} {
		s := newConverse(frame(nil, "contentBlockDelta", payload))
		s.at(0).kind = blockText
		if name == "tool input" {
			s.at(0).kind = blockTool
		}
		n := testing.AllocsPerRun(2000, func() {
			if _, err := s.next(); err != nil {
				t.Fatal(err)
			}
		})
		require.LessOrEqual(t, n, 3.0, name)
	}
}

func BenchmarkStreamText(b *testing.B) {
	s := newConverse(frame(nil, "contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":" word"},"p":"abcdefghijklmnop"}`))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.next(); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"output":{"message":{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"a","signature":"b"}}},{"text":"c"},{"toolUse":{"toolUseId":"t","name":"n","input":{"a":1}}}]}},"stopReason":"tool_use","usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3,"cacheDetails":[{"ttl":"1h","inputTokens":2}]},"metrics":{"latencyMs":1}}`))
	f.Add([]byte(`{"output":{"message":{"content":[{"text":"c"},{"reasoningContent":{"redactedContent":"YQ=="}},{"citationsContent":{"content":[{"text":"x"}],"citations":[{"location":{"web":{"url":"u"}}}]}},{"image":{"format":"png","source":{"bytes":"YQ=="}}}]}},"stopReason":"max_tokens"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		w := &wire{answer: body}
		r, err := w.client(provider, llm.WithoutEnv(), llm.WithAPIKey("k"), llm.WithSetting("AWS_REGION", "us-east-1")).Completion(t.Context(), hello)
		readError(400, nil, body)
		if err != nil {
			return
		}
		if !jsonValid(body) {
			t.Fatal("what is not JSON was decoded")
		}
		first, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range r.Message().ToolCalls {
			if !object([]byte(c.Function.Arguments)) {
				t.Fatal("a complete call has arguments that are not an object")
			}
		}
		if len(first) == 0 {
			t.Fatal("nothing")
		}
	})
}

// jsonValid is json.Valid without its limits on what this package's decoder also takes: a byte order mark.
func jsonValid(b []byte) bool {
	d := jsonx.NewDecoder(b)
	d.Skip()
	return d.End() == nil
}

func FuzzStream(f *testing.F) {
	b := frame(nil, "messageStart", `{"role":"assistant"}`)
	b = frame(b, "contentBlockStart", `{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"t","name":"n"}}}`)
	b = frame(b, "contentBlockDelta", `{"contentBlockIndex":0,"delta":{"toolUse":{"input":"{}"}}}`)
	b = frame(b, "contentBlockStop", `{"contentBlockIndex":0}`)
	f.Add(b, "contentBlockDelta", `{"contentBlockIndex":1,"delta":{"reasoningContent":{"redactedContent":"YQ=="}}}`)
	f.Add(b, "contentBlockDelta", `{"delta":{"citation":{"location":{"documentPage":{"start":1}}}},"contentBlockIndex":2}`)
	f.Add(b, "messageStop", `{"stopReason":"tool_use"}`)
	f.Fuzz(func(t *testing.T, raw []byte, event, payload string) {
		if len(event) > 1000 {
			return
		}
		body := frame(slices.Clone(raw), event, payload)
		r, err := collect(t, body)
		if err == nil && !bytes.Contains(body, []byte("messageStop")) {
			t.Fatalf("a stream without messageStop is whole: %v", r)
		}
	})
}
