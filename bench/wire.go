package main

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	embedCount = 100
	embedDims  = 1536

	// flushEvery is how many events the server writes before it flushes: the same for everybody.
	flushEvery = 16
	// firstPause is the silence after the first content chunk in the first-chunk case.
	firstPause = 2 * time.Millisecond
)

// An answer is what the fake upstream serves under one path: prepared bytes.
type answer struct {
	header  http.Header
	body    []byte   // unary
	base64  []byte   // unary, when the request asks for encoding_format base64
	batches [][]byte // stream: one write and one flush each
	pause   bool     // stream: firstPause after the first batch
	hold    bool     // stream: never ends after the first batch; the client goes away
}

// wire holds everything that is served, by the first element of the path, and what is expected of it.
type wire struct {
	answers map[string]*answer
	want    map[string]*Want
}

// prepared builds the wire once. Everything is derived from fixed seeds, so the server's process and the
// client's agree without talking about it.
var prepared = sync.OnceValue(func() *wire {
	w := &wire{map[string]*answer{}, map[string]*Want{}}

	for _, u := range []struct {
		key  string
		size int
	}{{"chat-1k", 1 << 10}, {"chat-100k", 100 << 10}} {
		text := prose(1, u.size)
		w.unary(u.key, openAIHeader, chatAnswer(text), &Want{Text: text})
	}
	text := prose(2, 1<<10)
	w.unary("anthropic", anthropicHeader, anthropicAnswer(text), &Want{Text: text})
	w.unary("gemini", geminiHeader, geminiAnswer(text), &Want{Text: text})

	for _, s := range []struct {
		key string
		n   int
	}{{"stream-1k", 1000}, {"stream-10k", 10000}, {"first-chunk", 32}, {"hold", 4}} {
		toks := tokens(3, s.n)
		w.stream(s.key, openAIHeader, chatEvents(toks), &Want{Text: strings.Join(toks, "")})
	}
	// The role chunk and the first content chunk go out together, at once; what comes later is not timed.
	for _, key := range []string{"first-chunk", "hold"} {
		a := w.answers[key]
		ev := chatEvents(tokens(3, 32))
		if key == "hold" {
			a.hold, a.batches = true, [][]byte{[]byte(strings.Join(ev[:4], ""))}
		} else {
			a.pause, a.batches = true, [][]byte{[]byte(strings.Join(ev[:2], "")), []byte(strings.Join(ev[2:], ""))}
		}
	}
	toks := tokens(4, 1000)
	w.stream("anthropic-stream", anthropicHeader, anthropicEvents(toks), &Want{Text: strings.Join(toks, "")})
	w.stream("gemini-stream", geminiHeader, geminiEvents(toks), &Want{Text: strings.Join(toks, "")})

	events, calls := toolEvents(4, 50)
	w.stream("tools", openAIHeader, events, &Want{Calls: calls})

	vecs := vectors()
	probe := 0.0
	for i, v := range vecs {
		probe += float64(v[i])
	}
	want := &Want{Vectors: embedCount, Probe: probe}
	w.unary("embed", openAIHeader, embedAnswer(vecs, false), want)
	wb := *want
	w.unary("embed-base64", openAIHeader, w.answers["embed"].body, &wb)
	w.answers["embed-base64"].base64 = embedAnswer(vecs, true)
	wb.Raw = len(w.answers["embed-base64"].base64)
	return w
})

func (w *wire) unary(key string, h http.Header, body []byte, want *Want) {
	h = h.Clone()
	h.Set("Content-Type", "application/json")
	want.Raw = len(body)
	w.answers[key], w.want[key] = &answer{header: h, body: body}, want
}

func (w *wire) stream(key string, h http.Header, events []string, want *Want) {
	h = h.Clone()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	a := &answer{header: h}
	for from := 0; from < len(events); from += flushEvery {
		a.batches = append(a.batches, []byte(strings.Join(events[from:min(from+flushEvery, len(events))], "")))
	}
	want.Stream, want.Raw = true, len(events)
	w.answers[key], w.want[key] = a, want
}

// Headers as the vendors send them, so that reading them costs what it costs.
var (
	openAIHeader = http.Header{
		"Openai-Organization":            {"bench"},
		"Openai-Processing-Ms":           {"412"},
		"Openai-Version":                 {"2020-10-01"},
		"X-Envoy-Upstream-Service-Time":  {"437"},
		"X-Ratelimit-Limit-Requests":     {"10000"},
		"X-Ratelimit-Limit-Tokens":       {"30000000"},
		"X-Ratelimit-Remaining-Requests": {"9999"},
		"X-Ratelimit-Remaining-Tokens":   {"29999981"},
		"X-Ratelimit-Reset-Requests":     {"6ms"},
		"X-Ratelimit-Reset-Tokens":       {"0s"},
		"X-Request-Id":                   {"req_6d1f7c0f2b3f4c0d9f0e8a7b6c5d4e3f"},
		"Cf-Cache-Status":                {"DYNAMIC"},
		"Strict-Transport-Security":      {"max-age=31536000; includeSubDomains; preload"},
		"X-Content-Type-Options":         {"nosniff"},
	}
	anthropicHeader = http.Header{
		"Anthropic-Organization-Id":                   {"8c8d2f5e-0d0b-4f0e-9a57-0c5f7b6a1d2e"},
		"Anthropic-Ratelimit-Input-Tokens-Limit":      {"2000000"},
		"Anthropic-Ratelimit-Input-Tokens-Remaining":  {"2000000"},
		"Anthropic-Ratelimit-Input-Tokens-Reset":      {"2026-01-01T00:00:00Z"},
		"Anthropic-Ratelimit-Output-Tokens-Limit":     {"400000"},
		"Anthropic-Ratelimit-Output-Tokens-Remaining": {"400000"},
		"Anthropic-Ratelimit-Output-Tokens-Reset":     {"2026-01-01T00:00:00Z"},
		"Anthropic-Ratelimit-Requests-Limit":          {"4000"},
		"Anthropic-Ratelimit-Requests-Remaining":      {"3999"},
		"Request-Id":                                  {"req_011CSHoEeqs5C35K2UUqR7Fy"},
		"Strict-Transport-Security":                   {"max-age=31536000; includeSubDomains; preload"},
		"Via":                                         {"1.1 google"},
	}
	geminiHeader = http.Header{
		"Server-Timing":          {"gfet4t7; dur=583"},
		"Vary":                   {"Origin", "X-Origin", "Referer"},
		"X-Content-Type-Options": {"nosniff"},
		"X-Frame-Options":        {"SAMEORIGIN"},
		"X-Xss-Protection":       {"0"},
	}
)

// pieces are tokens as a model streams them: mostly a blank and a word, now and then what JSON must escape,
// and what is not ASCII.
var pieces = strings.Split(" the| of| a| stream| each| token| arrives| and| library| model| answer|,|.|:| in| to| is| that| with| measure|"+
	"ment| request| response| network| latency| for| every| chunk| it| reads|ing| parse|d| value| typed| client| server| time| result|s| function| returns|"+
	"\n\n|\n|\"|\\|\t| é| –| naïve| 数据| 😀| <b>| &|()| {|}|:=| err| nil|1|2|6| 100| if| not| or| one| large| small| pass", "|")

// tokens returns n tokens. About one in twelve needs escaping or is not ASCII.
func tokens(seed uint64, n int) []string {
	r := rand.New(rand.NewPCG(seed, 2026))
	out := make([]string, n)
	for i := range out {
		out[i] = pieces[r.IntN(len(pieces))]
	}
	return out
}

// prose returns exactly size bytes of text.
func prose(seed uint64, size int) string {
	var b strings.Builder
	for _, t := range tokens(seed, size) { // a token has at least one byte
		if b.Len()+len(t) > size {
			break
		}
		b.WriteString(t)
	}
	b.WriteString(strings.Repeat(".", size-b.Len()))
	return b.String()
}

// quote is s as JSON, with <, > and & as they are.
func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // a string always encodes
	}
	return strings.TrimSuffix(b.String(), "\n")
}

const chatUsage = `{"prompt_tokens":58,"completion_tokens":1000,"total_tokens":1058,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},` +
	`"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`

func chatAnswer(text string) []byte {
	return indent(`{"id":"chatcmpl-CQ7YwVq4hTz0xJmB2n5eKd8RsLfAu","object":"chat.completion","created":1767225600,"model":"gpt-4o-2024-08-06",` +
		`"choices":[{"index":0,"message":{"role":"assistant","content":` + quote(text) + `,"refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],` +
		`"usage":` + chatUsage + `,"service_tier":"default","system_fingerprint":"fp_cbf1785567"}`)
}

// indent lays JSON out as OpenAI and Gemini send unary answers.
func indent(s string) []byte {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(json.RawMessage(s)); err != nil {
		panic(fmt.Sprintf("the prepared answer is no JSON: %v", err))
	}
	return []byte(b.String())
}

func chatEvent(choices, usage string) string {
	return `data: {"id":"chatcmpl-CQ7YwVq4hTz0xJmB2n5eKd8RsLfAu","object":"chat.completion.chunk","created":1767225600,"model":"gpt-4o-2024-08-06",` +
		`"service_tier":"default","system_fingerprint":"fp_cbf1785567","choices":[` + choices + `],"usage":` + usage + "}\n\n"
}

func chatDelta(delta, finish string) string {
	return chatEvent(`{"index":0,"delta":`+delta+`,"logprobs":null,"finish_reason":`+finish+`}`, "null")
}

func chatEvents(toks []string) []string {
	ev := []string{chatDelta(`{"role":"assistant","content":"","refusal":null}`, "null")}
	for _, t := range toks {
		ev = append(ev, chatDelta(`{"content":`+quote(t)+`}`, "null"))
	}
	return append(ev, chatDelta(`{}`, `"stop"`), chatEvent("", chatUsage), "data: [DONE]\n\n")
}

// toolEvents streams n calls one after the other, each with its arguments in so many fragments.
func toolEvents(n, fragments int) ([]string, []wantCall) {
	ev := []string{chatDelta(`{"role":"assistant","content":null}`, "null")}
	var calls []wantCall
	for i := range n {
		name := []string{"get_weather", "search_documents"}[i%2]
		ev = append(ev, chatDelta(fmt.Sprintf(`{"tool_calls":[{"index":%d,"id":"call_5Yx0mQz7LrT9vWc%d","type":"function","function":{"name":"%s","arguments":""}}]}`, i, i, name), "null"))
		toks := tokens(uint64(10+i), fragments-2)
		args := `{"query":` + quote(strings.Join(toks, "")) + `}`
		// Cut where a token ends, as models do: two marks open and close, the fragments between are escaped text.
		parts := []string{`{"query":"`}
		for _, t := range toks {
			q := quote(t)
			parts = append(parts, q[1:len(q)-1])
		}
		parts = append(parts, `"}`)
		for _, p := range parts {
			ev = append(ev, chatDelta(fmt.Sprintf(`{"tool_calls":[{"index":%d,"function":{"arguments":%s}}]}`, i, quote(p)), "null"))
		}
		calls = append(calls, wantCall{name, args})
	}
	return append(ev, chatDelta(`{}`, `"tool_calls"`), chatEvent("", chatUsage), "data: [DONE]\n\n"), calls
}

func vectors() [][]float32 {
	r := rand.New(rand.NewPCG(5, 2026))
	out := make([][]float32, embedCount)
	for i := range out {
		out[i] = make([]float32, embedDims)
		for j := range out[i] {
			out[i][j] = float32(r.NormFloat64() / 39) // a unit vector of this length
		}
	}
	return out
}

func embedAnswer(vecs [][]float32, asBase64 bool) []byte {
	var b strings.Builder
	b.WriteString(`{"object":"list","data":[`)
	for i, v := range vecs {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"object":"embedding","index":%d,"embedding":`, i)
		if asBase64 {
			raw := make([]byte, 0, 4*len(v))
			raw, _ = binary.Append(raw, binary.LittleEndian, v)
			b.WriteString(`"` + base64.StdEncoding.EncodeToString(raw) + `"`)
		} else {
			j, err := json.Marshal(v)
			if err != nil {
				panic(err) // the numbers are finite
			}
			b.Write(j)
		}
		b.WriteByte('}')
	}
	b.WriteString(`],"model":"text-embedding-3-small","usage":{"prompt_tokens":812,"total_tokens":812}}`)
	return indent(b.String())
}

func anthropicAnswer(text string) []byte {
	return []byte(`{"model":"claude-sonnet-4-5-20250929","id":"msg_01XFDUDYJgAACzvnptvVoYEL","type":"message","role":"assistant","content":[{"type":"text","text":` + quote(text) +
		`}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":58,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,` +
		`"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":256,"service_tier":"standard"}}`)
}

func anthropicEvents(toks []string) []string {
	event := func(name, data string) string { return "event: " + name + "\ndata: " + data + "\n\n" }
	ev := []string{
		event("message_start", `{"type":"message_start","message":{"model":"claude-sonnet-4-5-20250929","id":"msg_01XFDUDYJgAACzvnptvVoYEL","type":"message","role":"assistant","content":[],`+
			`"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":58,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,`+
			`"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":1,"service_tier":"standard"}}}`),
		event("content_block_start", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`),
		event("ping", `{"type": "ping"}`),
	}
	for _, t := range toks {
		ev = append(ev, event("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":`+quote(t)+`}}`))
	}
	return append(ev,
		event("content_block_stop", `{"type":"content_block_stop","index":0}`),
		event("message_delta", `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":58,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1000}}`),
		event("message_stop", `{"type":"message_stop"}`))
}

func geminiBody(text, finish string) string {
	return `{"candidates":[{"content":{"parts":[{"text":` + quote(text) + `}],"role":"model"}` + finish + `,"index":0}],` +
		`"usageMetadata":{"promptTokenCount":58,"candidatesTokenCount":256,"totalTokenCount":314,"promptTokensDetails":[{"modality":"TEXT","tokenCount":58}]},` +
		`"modelVersion":"gemini-2.5-flash","responseId":"mWt2aM7yLrXh7dcPqOuJ4Ac"}`
}

func geminiAnswer(text string) []byte {
	return indent(geminiBody(text, `,"finishReason":"STOP"`))
}

// geminiEvents ends its lines as Gemini does, and like it has no mark after the last.
func geminiEvents(toks []string) []string {
	var ev []string
	for i, t := range toks {
		finish := ""
		if i == len(toks)-1 {
			finish = `,"finishReason":"STOP"`
		}
		ev = append(ev, "data: "+geminiBody(t, finish)+"\r\n\r\n")
	}
	return ev
}
