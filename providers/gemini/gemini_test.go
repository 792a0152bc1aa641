package gemini

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
	"github.com/stretchr/testify/require"
)

func chat(model string) *llm.CompletionRequest {
	return &llm.CompletionRequest{Model: "gemini/" + model, Messages: []llm.Message{llm.User("Hi")}}
}

// What the model said goes back as it came, after a stay on disk: unary, streamed, signed and interleaved.
func TestAnswersGoBackAsTheyCame(t *testing.T) {
	const sig = `"thoughtSignature":"EjQKMgFyyNp8VRG2uDen0QENDjUJEy6Z/+=="`
	for name, parts := range map[string]string{
		"text":              `[{"text":"Hello."}]`,
		"signed text":       `[{"text":"Hello.",` + sig + `}]`,
		"thought and text":  `[{"text":"Hm.","thought":true},{"text":"Hello."}]`,
		"signed thought":    `[{"text":"Hm.","thought":true,` + sig + `},{"text":"Hello.",` + sig + `}]`,
		"calls":             `[{"text":"I look."},{"functionCall":{"id":"a","name":"f","args":{"x":1}},` + sig + `},{"functionCall":{"id":"b","name":"f","args":{"x":2}}}]`,
		"call, then text":   `[{"functionCall":{"id":"a","name":"f","args":{}},` + sig + `},{"text":"Called."}]`,
		"call, then a sign": `[{"functionCall":{"id":"a","name":"f","args":{}},` + sig + `},{"text":"",` + sig + `}]`,
		"two signed texts":  `[{"text":"One.",` + sig + `},{"text":"Two.",` + sig + `}]`,
		"thought after":     `[{"text":"One."},{"text":"Hm.","thought":true,` + sig + `},{"text":"Two."}]`,
		"code":              `[{"text":"Run:"},{"executableCode":{"language":"PYTHON","code":"1"},` + sig + `},{"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"1"}},{"text":"Done."}]`,
		"server tool":       `[{"toolCall":{"id":"t","toolType":"GOOGLE_SEARCH_WEB","args":{"queries":["q"]}},` + sig + `},{"toolResponse":{"id":"t","toolType":"GOOGLE_SEARCH_WEB","response":{}}},{"text":"Found."}]`,
		"picture":           `[{"text":"Here."},{"inlineData":{"mimeType":"image/png","data":"AAAA"},` + sig + `}]`,
		"picture, text":     `[{"inlineData":{"mimeType":"image/png","data":"AAAA"},` + sig + `},{"text":"There."}]`,
		"thought picture":   `[{"inlineData":{"mimeType":"image/png","data":"BBBB"},"thought":true},{"inlineData":{"mimeType":"image/png","data":"AAAA"},` + sig + `}]`,
	} {
		t.Run(name, func(t *testing.T) {
			var list []json.RawMessage
			require.NoError(t, json.Unmarshal([]byte(parts), &list))
			unary := fmt.Sprintf(`{"candidates":[{"content":{"role":"model","parts":%s},"finishReason":"STOP"}],"usageMetadata":{"totalTokenCount":1}}`, parts)
			var stream strings.Builder
			for _, p := range list {
				fmt.Fprintf(&stream, "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[%s]}}]}\n\n", p)
			}
			stream.WriteString("data: {\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"totalTokenCount\":1}}\n\n")

			whole, err := llm.Completion(t.Context(), chat("gemini-3-flash-preview"), canned("application/json", unary)...)
			require.NoError(t, err)
			s, err := llm.CompletionStream(t.Context(), chat("gemini-3-flash-preview"), canned("text/event-stream", stream.String())...)
			require.NoError(t, err)
			folded, err := llm.Collect(s)
			require.NoError(t, err)
			a, err := json.Marshal(whole)
			require.NoError(t, err)
			b, err := json.Marshal(folded)
			require.NoError(t, err)
			require.JSONEq(t, string(a), string(b))

			disk, err := json.Marshal(whole.Message())
			require.NoError(t, err)
			var m llm.Message
			require.NoError(t, json.Unmarshal(disk, &m))
			req := &llm.CompletionRequest{Messages: []llm.Message{llm.User("Hi"), m, llm.User("Go on.")}}
			body, _ := encoded(t, Host{}, req)
			var got struct {
				Contents []struct{ Parts json.RawMessage }
			}
			require.NoError(t, json.Unmarshal([]byte(body), &got))
			require.JSONEq(t, parts, string(got.Contents[1].Parts))
		})
	}
}

// Only where it is needed: Native costs memory, and hides edits of the message.
func TestNativeOnlyWhereNeeded(t *testing.T) {
	for parts, want := range map[string]bool{
		`[{"text":"a"},{"text":"b"}]`:                            false,
		`[{"text":"t","thought":true},{"text":"a"}]`:             false,
		`[{"text":"a"},{"functionCall":{"name":"f"}}]`:           false,
		`[{"functionCall":{"name":"f"}},{"text":""}]`:            false,
		`[{"text":"a"},{"text":"t","thought":true}]`:             false,
		`[{"functionCall":{"name":"f"}},{"text":"a"}]`:           true,
		`[{"executableCode":{"code":"1"}}]`:                      true,
		`[{"text":"a","partMetadata":{"k":"v"}}]`:                true,
		`[{"inlineData":{"mimeType":"text/csv","data":"YQ=="}}]`: true,
	} {
		a, err := readAnswer(callOf(t, chat("m")), nil, fmt.Appendf(nil, `{"candidates":[{"content":{"parts":%s}}]}`, parts))
		require.NoError(t, err)
		require.Equal(t, want, a.turns[0].nativeContent() != nil, parts)
	}
}

func TestVertexHost(t *testing.T) {
	h := Host{Vertex: true, Path: func(call *llm.Call, method string) string {
		return "/publishers/google/models/" + call.Model + ":" + method
	}}
	req := chat("gemini-3-flash-preview")
	req.Metadata = map[string]string{"team": "a"}
	req.Tools = []llm.Tool{{Function: &llm.FunctionTool{Name: "f"}}, {Type: "google_search"}}
	call := callOf(t, req)
	r, err := h.Completion().Encode(call, req)
	require.NoError(t, err)
	require.Equal(t, "/v1beta/publishers/google/models/gemini-3-flash-preview:streamGenerateContent?alt=sse", r.URL.RequestURI())
	require.JSONEq(t, `{"contents":[{"role":"user","parts":[{"text":"Hi"}]}],"tools":[{"functionDeclarations":[{"name":"f"}]},{"googleSearch":{}}],"labels":{"team":"a"}}`,
		string(llm.RequestBody(r)))

	req.Store = new(true)
	_, err = h.Completion().Encode(call, req)
	require.ErrorIs(t, err, llm.ErrUnsupportedParam)

	r, err = h.CountTokens().Encode(call, &llm.CountTokensRequest{Messages: req.Messages, ToolChoice: llm.ToolChoiceNone()})
	require.NoError(t, err)
	require.JSONEq(t, `{"contents":[{"role":"user","parts":[{"text":"Hi"}]}]}`, string(llm.RequestBody(r)))
}

func TestModelPath(t *testing.T) {
	for model, want := range map[string]string{
		"gemini-2.5-flash":        "/models/gemini-2.5-flash:generateContent",
		"models/gemini-2.5-flash": "/models/gemini-2.5-flash:generateContent",
		"tunedModels/my-1":        "/tunedModels/my-1:generateContent",
		"a/b?c#d":                 "/models/a%2Fb%3Fc%23d:generateContent",
	} {
		require.Equal(t, want, modelPath(&llm.Call{Model: model, BaseURL: baseURL}, "generateContent"))
	}
	for base, want := range map[string]string{
		baseURL: "", "https://h.test": "/v1beta", "https://h.test/v1": "", "http://localhost:8080/v1alpha?x=/a": "", "https://v1.test": "/v1beta",
		"https://gateway.ai.cloudflare.com/v1/account/gateway/google-ai-studio": "/v1beta",
	} {
		require.Equal(t, want, version(&llm.Call{BaseURL: base}), base)
	}
}

func TestFamilies(t *testing.T) {
	for model, want := range map[string]string{
		"gemini-2.5-pro": "gemini-2.5-pro", "gemini-2.5-pro-preview-06-05": "gemini-2.5-pro", "models/gemini-2.5-flash-lite-preview-09-2025": "gemini-2.5-flash-lite",
		"gemini-2.5-flash-image": "gemini-2.5-flash-image", "gemini-2.5-flash": "gemini-2.5-flash", "gemini-3.1-pro-preview": "gemini-3.1-pro",
		"gemini-3.5-flash-lite": "gemini-3.5-flash", "gemini-2.0-flash-001": "gemini-2.0", "gemini-flash-latest": "", "gemini-2.5-prose": "", "my-gemini-2.5-pro": "",
	} {
		require.Equal(t, want, familyOf(model).name, model)
	}
	for _, f := range families {
		require.True(t, f.thinking == byBudget == (f.maxBudget > 0), f.name)
		require.True(t, f.thinking == byLevel == (f.levels != nil), f.name)
		require.Same(t, familyOf(f.name), familyOf(f.name+"-001"), f.name)
	}
}

func TestEffortOfUnknownLevel(t *testing.T) {
	c, err := currentFamily.thinkingOf(callOf(t, chat("m")), nil, "ultra")
	require.NoError(t, err)
	require.Equal(t, "ULTRA", c.level, "a level of a time to come is sent as it is")
	c, err = familyOf("gemini-3.8-flash").thinkingOf(callOf(t, chat("m")), nil, llm.EffortMax)
	require.NoError(t, err)
	require.Equal(t, "HIGH", c.level)
}

// schemaOf converts a schema and tells what was lost.
func schemaOf(t *testing.T, f *family, schema string) (string, []string) {
	t.Helper()
	root, err := parseSchema(json.RawMessage(schema))
	require.NoError(t, err)
	var e jsonx.Encoder
	c := converter{e: &e, root: root}
	if f.openAPI {
		c.openAPI(root, "")
	} else {
		c.jsonSchema(root, "")
	}
	require.NoError(t, c.err)
	var lost []string
	for _, l := range c.lost {
		lost = append(lost, l.path+" "+l.keyword)
	}
	return string(e.B), lost
}

func TestJSONSchema(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		lost           []string
	}{
		{"order is kept", `{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"string"}}}`, `{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"string"}}}`, nil},
		{"nullable", `{"type":"string","nullable":true}`, `{"type":["string","null"]}`, nil},
		{"const null is a type", `{"type":"null","const":null}`, `{"type":"null"}`, []string{}},
		{"const true", `{"type":"boolean","const":true}`, `{"type":"boolean"}`, []string{" enum"}},
		{"enum with null", `{"type":["string","null"],"enum":["a",null]}`, `{"type":["string","null"],"enum":["a"]}`, nil},
		{"reference with a description", `{"type":"object","properties":{"p":{"$ref":"#/$defs/P","description":"the p"}},"$defs":{"P":{"type":"string","description":"a p"}}}`,
			`{"type":"object","properties":{"p":{"type":"string","description":"the p"}},"$defs":{"P":{"type":"string","description":"a p"}}}`, nil},
		{"recursion with a description", `{"$defs":{"N":{"type":"object","properties":{"next":{"$ref":"#/$defs/N","description":"d"}}}},"$ref":"#/$defs/N","title":"t"}`,
			`{"type":"object","properties":{"next":{"$ref":"#/$defs/N"}},"$defs":{"N":{"type":"object","properties":{"next":{"$ref":"#/$defs/N"}}}},"title":"t"}`, nil},
		{"root reference", `{"$ref":"#/$defs/N","$defs":{"N":{"type":"string"}}}`, `{"$ref":"#/$defs/N","$defs":{"N":{"type":"string"}}}`, nil},
		{"allOf", `{"allOf":[{"$ref":"#/$defs/A"},{"properties":{"b":{"type":"string"}},"required":["b"]}],"$defs":{"A":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}}}`,
			`{"$defs":{"A":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}},"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["a","b"]}`, nil},
		{"tuple", `{"type":"array","items":[{"type":"string"},{"type":"number"}],"additionalItems":false}`, `{"type":"array","prefixItems":[{"type":"string"},{"type":"number"}]}`, nil},
		{"bool schemas", `{"type":"object","properties":{"any":true},"additionalProperties":{"type":"string"}}`, `{"type":"object","properties":{"any":{}},"additionalProperties":{"type":"string"}}`, nil},
		{"exclusive bounds", `{"type":"number","exclusiveMinimum":0}`, `{"type":"number"}`, []string{" exclusiveMinimum"}},
		{"what is lost", `{"type":"string","minLength":1,"maxLength":2,"pattern":"x","not":{"const":"a"},"if":{},"x-order":1,"default":"a","examples":["b"]}`, `{"type":"string"}`,
			[]string{" minLength", " maxLength", " pattern", " not", " if"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, lost := schemaOf(t, &currentFamily, c.in)
			require.Equal(t, compactJSON(t, c.want), got)
			require.Equal(t, fmt.Sprint(c.lost), fmt.Sprint(lost))
		})
	}
}

func compactJSON(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, json.Compact(&b, []byte(s)))
	return b.String()
}

func TestOpenAPISchema(t *testing.T) {
	old := familyOf("gemini-2.0-flash")
	for _, c := range []struct {
		name, in, want string
		lost           []string
	}{
		{"recursion", `{"$ref":"#/$defs/N","$defs":{"N":{"type":"object","properties":{"v":{"type":"integer"},"next":{"$ref":"#/$defs/N"}}}}}`,
			`{"type":"OBJECT","properties":{"v":{"type":"INTEGER"},"next":{"type":"OBJECT"}}}`, []string{".properties.next $ref"}},
		{"several types", `{"type":["string","number","null"]}`, `{"nullable":true,"anyOf":[{"type":"STRING"},{"type":"NUMBER"}]}`, nil},
		{"oneOf", `{"oneOf":[{"type":"string"},{"type":"array","items":{"type":"string"}},{"type":"null"}]}`, `{"nullable":true,"anyOf":[{"type":"STRING"},{"type":"ARRAY","items":{"type":"STRING"}}]}`, []string{" oneOf"}},
		{"const", `{"const":"a"}`, `{"type":"STRING","enum":["a"]}`, nil},
		{"numbers as enum", `{"type":"integer","enum":[1,2]}`, `{"type":"INTEGER"}`, []string{" enum"}},
		{"bounds and lengths", `{"type":"string","minLength":1,"maxLength":9,"pattern":"^a","format":"uri"}`, `{"type":"STRING","minLength":1,"maxLength":9,"pattern":"^a"}`, []string{" format"}},
		{"a map", `{"type":"object","additionalProperties":{"type":"string"}}`, `{"type":"OBJECT"}`, []string{" additionalProperties"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, lost := schemaOf(t, old, c.in)
			require.Equal(t, compactJSON(t, c.want), got)
			require.Equal(t, fmt.Sprint(c.lost), fmt.Sprint(lost))
		})
	}
}

// References that multiply must not take the process with them.
func TestSchemaBomb(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"type":"object","properties":{"a":{"$ref":"#/$defs/d0"}},"$defs":{`)
	for i := range 40 {
		fmt.Fprintf(&b, `"d%d":{"type":"object","properties":{"x":{"$ref":"#/$defs/d%d"},"y":{"$ref":"#/$defs/d%d"}}},`, i, i+1, i+1)
	}
	b.WriteString(`"d40":{"type":"string"}}}`)
	req := chat("gemini-2.0-flash")
	req.ResponseFormat = &llm.ResponseFormat{Type: "json_schema", JSONSchema: &llm.JSONSchema{Schema: json.RawMessage(b.String())}}
	call := callOf(t, req)
	_, err := Host{}.Completion().Encode(call, req)
	require.ErrorIs(t, err, llm.ErrInvalidRequest)
	require.ErrorContains(t, err, "too large")
}

func FuzzSchema(f *testing.F) {
	for _, s := range []string{`{"$ref":"#"}`, `{"allOf":[{"$ref":"#"}]}`, `{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/a","description":"x"}}}`, `{"type":["null"],"enum":[null]}`,
		`{"anyOf":[{"type":"null"}]}`, `{"allOf":[{"allOf":[{"properties":{"a":1}}],"properties":{"a":2}}]}`, `{"properties":[],"items":1,"required":{},"const":{}}`, `{"$ref":"#/properties/a/items/0","properties":{"a":{"items":[true]}}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, schema []byte) {
		for _, model := range []string{"gemini-2.5-flash", "gemini-2.0-flash"} {
			root, err := parseSchema(json.RawMessage(schema))
			if err != nil || root.kind != jsonx.Object {
				return
			}
			var e jsonx.Encoder
			c := converter{e: &e, root: root}
			if familyOf(model).openAPI {
				c.openAPI(root, "")
			} else {
				c.jsonSchema(root, "")
			}
			if c.err == nil && !json.Valid(e.B) {
				t.Fatalf("%s: not JSON: %s", model, e.B)
			}
			takesNothing(json.RawMessage(schema))
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"candidates":[{"content":{"parts":[{"text":"a"},{"functionCall":{"name":"f","args":{}}},{"inlineData":{"mimeType":"audio/L16","data":"AA=="}}]},"finishReason":"STOP","groundingMetadata":{"groundingChunks":[{"web":{"uri":"u"}}],"groundingSupports":[{"segment":{"startIndex":1,"endIndex":9},"groundingChunkIndices":[0,7]}]}}],"usageMetadata":{"totalTokenCount":3}}`,
		`{"promptFeedback":{"blockReason":"SAFETY"}}`, `[{"error":{"code":429,"details":[{"retryDelay":"3s","violations":[{"quotaId":"PerDay"}]}]}}]`, `{"candidates":[{"index":5},{"index":5}]}`,
		`{"predictions":[{"bytesBase64Encoded":"AA=="}]}`} {
		f.Add([]byte(s))
	}
	call := callOf(f, chat("gemini-2.5-flash"))
	f.Fuzz(func(t *testing.T, body []byte) {
		check := func(v any, err error) {
			t.Helper()
			if err != nil {
				var e *llm.Error
				require.True(t, errors.As(err, &e), "%T", err)
				return
			}
			_, err = json.Marshal(v)
			require.NoError(t, err)
		}
		r, err := decodeCompletion(call, nil, body)
		check(r, err)
		i, err := decodeImage(call, nil, body)
		check(i, err)
		s, err := decodeSpeech(call, nil, body)
		check(s, err)
		v, err := decodeEmbedding(call, nil, body)
		check(v, err)
		require.NotNil(t, Error(500, nil, body))
	})
}

func FuzzStream(f *testing.F) {
	f.Add([]byte("data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\n\ndata: {\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"totalTokenCount\":1}}\n\n"))
	f.Add([]byte("data: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\",\"willContinue\":true}}]}}]}\n\ndata: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"partialArgs\":[{\"jsonPath\":\"$.a[3]['b']\",\"stringValue\":\"x\"}]}}]},\"finishReason\":\"STOP\"}]}\n\n"))
	f.Add([]byte("{\"error\":{\"code\":503,\"status\":\"UNAVAILABLE\"}}\n"))
	f.Add([]byte("data: {\"candidates\":[{\"index\":1}]}\n\ndata: {\"candidates\":[{\"index\":0,\"content\":{\"parts\":[{\"text\":\"\",\"thoughtSignature\":\"s\"}]}}]}"))
	call := callOf(f, chat("gemini-2.5-flash"))
	f.Fuzz(func(t *testing.T, body []byte) {
		next := streamCompletion(call, bytes.NewReader(body))
		var acc llm.Accumulator
		finished := false
		for n := 0; ; n++ {
			c, err := next()
			if err == io.EOF {
				require.True(t, finished, "the end without a finish reason")
				break
			}
			if err != nil {
				return
			}
			require.LessOrEqual(t, n, len(body))
			for i := range c.Choices {
				finished = finished || c.Choices[i].FinishReason != ""
			}
			acc.Add(c)
		}
		_, err := json.Marshal(acc.Response())
		require.NoError(t, err)
	})
}

// pieces is a stream without end.
type endless struct {
	piece []byte
	n     int
	rest  []byte
}

func (e *endless) Read(p []byte) (int, error) {
	if len(e.rest) == 0 {
		if e.n == 0 {
			return 0, io.EOF
		}
		e.n--
		e.rest = e.piece
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// A stream that is read and not kept costs constant memory.
func TestStreamMemory(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 400_000
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	call := callOf(t, chat("gemini-2.5-flash"))
	before := heap()
	next := streamCompletion(call, &endless{n: n, piece: []byte("data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \" some words\"}]}}]}\n\n")})
	chunks := 0
	for {
		if _, err := next(); err != nil {
			require.ErrorIs(t, err, llm.ErrTruncated)
			break
		}
		chunks++
	}
	require.Equal(t, n, chunks)
	after := heap()
	require.Less(t, int64(after)-int64(before), int64(5<<20))
	_, err := next()
	require.Error(t, err)
}

// Hostile numbers in paths and indices.
func TestPartialArgsBounds(t *testing.T) {
	o := &openCall{}
	o.apply([]byte(`[{"jsonPath":"$.a[999999999]","stringValue":"x"},{"jsonPath":"$.b[-1]","stringValue":"x"},{"jsonPath":"$.c","stringValue":"x"},{"jsonPath":"$.c.d","stringValue":"x"},{"jsonPath":"c","stringValue":"x"},{"jsonPath":"$['it''s']","numberValue":1.50},{"jsonPath":"$.l[1].m","boolValue":false}]`))
	require.Equal(t, `{"a":null,"b":null,"c":"x","it''s":1.50,"l":[null,{"m":false}]}`, o.arguments())
	o = &openCall{}
	o.apply(fmt.Appendf(nil, `[{"jsonPath":"$%s","stringValue":"x"}]`, strings.Repeat(".a", 100_000)))
	require.Less(t, len(o.arguments()), 10_000)
}

func TestRetryDelayAndStatus(t *testing.T) {
	e := Error(0, nil, []byte(`{"error":{"status":"UNAVAILABLE","message":"x"}}`))
	require.Equal(t, 503, e.Status)
	require.Equal(t, llm.ErrOverloaded, e.Kind)
	e = Error(429, nil, []byte(`{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED","details":[{"violations":[{"quotaId":"GenerateRequestsPerMinutePerProjectPerModel-FreeTier","quotaValue":"0"}]},{"retryDelay":"-3s"}]}}`))
	require.Equal(t, llm.ErrQuota, e.Kind, "a quota of nothing does not come back in a minute")
	require.Zero(t, e.RetryAfter)
}

// A corpus of error bodies that were seen in public.
func TestErrorCorpus(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		kind   llm.ErrorKind
	}{
		{400, `{"error":{"code":400,"message":"API Key not found. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}`, llm.ErrAuthentication},
		{400, `{"error":{"code":400,"message":"API key expired. Please renew the API key.","status":"INVALID_ARGUMENT"}}`, llm.ErrAuthentication},
		{401, `{"error":{"code":401,"message":"Request had invalid authentication credentials.","status":"UNAUTHENTICATED","details":[{"reason":"ACCESS_TOKEN_TYPE_UNSUPPORTED"}]}}`, llm.ErrAuthentication},
		{403, `{"error":{"code":403,"message":"Method doesn't allow unregistered callers","status":"PERMISSION_DENIED"}}`, llm.ErrPermission},
		{403, `{"error":{"code":403,"message":"Requests to this API generativelanguage.googleapis.com method google.ai.generativelanguage.v1beta.GenerativeService.GenerateContent are blocked.","status":"PERMISSION_DENIED","details":[{"reason":"API_KEY_SERVICE_BLOCKED"}]}}`, llm.ErrPermission},
		{403, `{"error":{"code":403,"message":"This API method requires billing to be enabled.","status":"PERMISSION_DENIED","details":[{"reason":"BILLING_DISABLED"}]}}`, llm.ErrBilling},
		{400, `{"error":{"code":400,"message":"Gemini API free tier is not available in your country. Please enable billing on your project in Google AI Studio.","status":"FAILED_PRECONDITION"}}`, llm.ErrBilling},
		{400, `{"error":{"code":400,"message":"The input token count exceeds the maximum number of tokens allowed 1048576.","status":"INVALID_ARGUMENT"}}`, llm.ErrContextWindow},
		{400, `{"error":{"code":400,"message":"Request payload size exceeds the limit: 20971520 bytes.","status":"INVALID_ARGUMENT"}}`, llm.ErrTooLarge},
		{400, `{"error":{"code":400,"message":"Thinking level MINIMAL is not supported for this model. Please retry with other thinking level.","status":"INVALID_ARGUMENT"}}`, llm.ErrInvalidRequest},
		{400, `{"error":{"code":400,"message":"Forced function calling (ANY mode) with a response mime type: 'application/json' is unsupported","status":"INVALID_ARGUMENT"}}`, llm.ErrInvalidRequest},
		{429, `{"error":{"code":429,"message":"Resource has been exhausted (e.g. check quota).","status":"RESOURCE_EXHAUSTED"}}`, llm.ErrRateLimit},
		{429, `{"error":{"code":429,"message":"Your prepayment credits are depleted.","status":"RESOURCE_EXHAUSTED"}}`, llm.ErrQuota},
		{499, `{"error":{"code":499,"message":"The operation was cancelled.","status":"CANCELLED"}}`, llm.ErrInvalidRequest},
		{500, `{"error":{"code":500,"message":"An internal error has occurred.","status":"INTERNAL"}}`, llm.ErrServer},
		{500, `not JSON`, llm.ErrServer},
	} {
		e := Error(c.status, http.Header{}, []byte(c.body))
		require.Equal(t, c.kind, e.Kind, c.body)
	}
}

// Nothing of a request is lost in silence: each field is on the wire, an error, or a warning.
func TestEveryEffortAndFamily(t *testing.T) {
	efforts := []llm.ReasoningEffort{llm.EffortNone, llm.EffortMinimal, llm.EffortLow, llm.EffortMedium, llm.EffortHigh, llm.EffortXHigh, llm.EffortMax}
	for i := range families {
		f := &families[i]
		for _, effort := range efforts {
			c, err := f.thinkingOf(callOf(t, chat("m")), nil, effort)
			switch {
			case err != nil:
				require.ErrorIs(t, err, llm.ErrUnsupportedParam)
			case f.thinking == never:
				require.True(t, c.empty() && effort == llm.EffortNone)
			case c.budget != nil:
				require.True(t, *c.budget == 0 || *c.budget >= f.minBudget && *c.budget <= f.maxBudget, "%s %s: %d", f.name, effort, *c.budget)
			default:
				require.True(t, slices.Contains(f.levels, c.level), "%s %s: %s", f.name, effort, c.level)
			}
			require.False(t, c.budget != nil && c.level != "", "the service refuses both")
		}
	}
}
