package llmtest

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"hash/fnv"
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/tidwall/gjson"
)

// streams says that the operation has a streamed form.
func (e *exchange) streams() bool {
	switch e.r.Operation {
	case "completion", "responses", "text_completion", "speech", "transcription":
		return true
	}
	return false
}

// whole is the answer in one piece.
func (e *exchange) whole() (body []byte, contentType string) {
	a, r := e.answer, e.r
	const jsonType = "application/json"
	switch r.Operation {
	case "embedding":
		return marshal(e.embeddings()), jsonType
	case "moderation":
		return marshal(moderation(a, r)), jsonType
	case "image", "image_edit", "image_variation":
		return marshal(e.images()), jsonType
	case "speech":
		return a.sound(r)
	case "transcription", "translation":
		return transcript(a, r)
	case "count_tokens":
		n := a.Tokens
		if n == 0 {
			n = r.tokens()
		}
		switch r.Dialect {
		case Gemini:
			return marshal(obj{"totalTokens": n, "promptTokensDetails": []obj{{"modality": "TEXT", "tokenCount": n}}}), jsonType
		case Bedrock:
			return marshal(obj{"inputTokens": n}), jsonType
		}
		return marshal(obj{"input_tokens": n}), jsonType
	case "models":
		return marshal(models(a, r)), jsonType
	}
	return marshal(e.codec.whole(a, r)), jsonType
}

// mediaStream is the streamed form of speech and transcription; OpenAI API reference, "Audio".
func (e *exchange) mediaStream() []frame {
	a := e.answer
	var frames []frame
	add := func(p part, v obj) { frames = append(frames, frame{data: marshal(v), part: p}) }
	usage := obj{"input_tokens": a.Usage.PromptTokens, "output_tokens": a.Usage.CompletionTokens, "total_tokens": a.Usage.TotalTokens}
	if e.r.Operation == "speech" {
		sound, _ := a.sound(e.r)
		for len(sound) > 0 {
			n := min(len(sound), 600)
			add(content, obj{"type": "speech.audio.delta", "audio": base64.StdEncoding.EncodeToString(sound[:n])})
			sound = sound[n:]
		}
		add(terminal, obj{"type": "speech.audio.done", "usage": usage})
		return frames
	}
	for _, piece := range a.Chunks {
		add(content, obj{"type": "transcript.text.delta", "delta": piece})
	}
	usage["type"] = "tokens"
	add(terminal, obj{"type": "transcript.text.done", "text": a.Text, "usage": usage})
	return frames
}

func (e *exchange) embeddings() any {
	a, r := e.answer, e.r
	size := 64
	for _, path := range []string{"dimensions", "outputDimensionality", "requests.0.outputDimensionality"} {
		if n := int(r.get(path).Int()); n > 0 && n <= 1<<16 {
			size = n
		}
	}
	vectors := a.Vectors
	inputs := len(r.Input)
	if inputs == 0 {
		inputs = max(r.tokenInputs(), 1)
	}
	for i := len(vectors); i < inputs; i++ {
		text := ""
		if i < len(r.Input) {
			text = r.Input[i]
		}
		vectors = append(vectors, Vector(text, size))
	}
	switch {
	case r.Dialect == Gemini && strings.HasSuffix(r.Path, ":embedContent"):
		return obj{"embedding": obj{"values": vectors[0]}}
	case r.Dialect == Gemini:
		list := []obj{}
		for _, v := range vectors {
			list = append(list, obj{"values": v})
		}
		return obj{"embeddings": list}
	case r.Dialect == Bedrock && r.get("inputText").Exists():
		return obj{"embedding": vectors[0], "inputTextTokenCount": r.tokens()}
	case r.Dialect == Bedrock:
		return obj{"embeddings": vectors, "texts": r.Input, "id": a.ID, "response_type": "embeddings_floats"}
	}
	data := []obj{}
	for i, v := range vectors {
		d := obj{"object": "embedding", "index": i, "embedding": v}
		if r.get("encoding_format").String() == "base64" {
			var b []byte
			for _, f := range v {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
			}
			d["embedding"] = base64.StdEncoding.EncodeToString(b)
		}
		data = append(data, d)
	}
	return obj{"object": "list", "data": data, "model": a.Model, "usage": obj{"prompt_tokens": r.tokens(), "total_tokens": r.tokens()}}
}

// tokenInputs counts inputs that are token ids: one list of numbers, or a list of those.
func (r *Request) tokenInputs() int {
	list := r.get("input").Array()
	if len(list) > 0 && list[0].Type == gjson.Number {
		return 1
	}
	return len(list)
}

// Vector is the embedding that the server makes of a text: of length 1, the same for the same text, and the nearer to
// that of another text the more words they share.
func Vector(text string, size int) []float32 {
	sum := make([]float64, size)
	for _, word := range append(strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }), "") {
		h := fnv.New64a()
		h.Write([]byte(word))
		x := h.Sum64() | 1
		weight := 1.0
		if word == "" {
			weight = 0.1 // no text is the zero vector
		}
		for i := range sum {
			x ^= x << 13 // xorshift: the same on every machine and in every release
			x ^= x >> 7
			x ^= x << 17
			sum[i] += weight * (float64(x>>11)/(1<<52) - 1)
		}
	}
	norm := 0.0
	for _, v := range sum {
		norm += v * v
	}
	norm = math.Sqrt(norm)
	vector := make([]float32, size)
	for i, v := range sum {
		vector[i] = float32(v / norm)
	}
	return vector
}

func moderation(a *Answer, r *Request) any {
	inputs := max(len(r.Input), 1)
	if v := r.get("input.0.type"); v.Exists() {
		inputs = 1 // parts are one input
	}
	results := []obj{}
	for range inputs {
		found, scores, kinds := obj{}, obj{}, obj{}
		for _, c := range []string{"harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
			"self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic"} {
			found[c], scores[c], kinds[c] = false, 0.0001, []string{"text"}
		}
		if a.Flagged {
			found["violence"], scores["violence"] = true, 0.98
		}
		results = append(results, obj{"flagged": a.Flagged, "categories": found, "category_scores": scores, "category_applied_input_types": kinds})
	}
	return obj{"id": "modr-" + strings.TrimPrefix(a.ID, "chatcmpl-"), "model": a.Model, "results": results}
}

// pixel is a PNG of one transparent pixel.
var pixel = must(base64.StdEncoding.DecodeString(
	"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="))

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (e *exchange) images() any {
	a, r := e.answer, e.r
	pictures := a.Images
	n := max(int(r.get("n").Int()), 1)
	for len(pictures) < n && a.Images == nil && n <= 10 {
		pictures = append(pictures, pixel)
	}
	asURL := r.get("response_format").String() == "url" || r.format == "url"
	data := []obj{}
	for _, p := range pictures {
		if asURL {
			data = append(data, obj{"url": "data:image/png;base64," + base64.StdEncoding.EncodeToString(p)})
		} else {
			data = append(data, obj{"b64_json": base64.StdEncoding.EncodeToString(p)})
		}
	}
	return obj{"created": time.Now().Unix(), "data": data, "output_format": "png", "size": or(r.get("size").String(), "1024x1024"),
		"usage": obj{"input_tokens": a.Usage.PromptTokens, "output_tokens": a.Usage.CompletionTokens, "total_tokens": a.Usage.TotalTokens,
			"input_tokens_details": obj{"text_tokens": a.Usage.PromptTokens, "image_tokens": 0}}}
}

// sound is the audio of an answer: what is given, or a tenth of a second of silence. Only wav and pcm are what
// they say; nobody listens to the others.
func (a *Answer) sound(r *Request) (data []byte, contentType string) {
	format := or(r.get("response_format").String(), "mp3")
	types := map[string]string{"mp3": "audio/mpeg", "opus": "audio/ogg", "aac": "audio/aac", "flac": "audio/flac", "wav": "audio/wav", "pcm": "audio/pcm"}
	contentType = or(types[format], "application/octet-stream")
	if a.Audio != nil {
		return a.Audio, contentType
	}
	pcm := make([]byte, 24000/10*2)
	switch format {
	case "pcm":
		return pcm, contentType
	case "wav":
		var b bytes.Buffer
		b.WriteString("RIFF")
		binary.Write(&b, binary.LittleEndian, uint32(36+len(pcm)))
		b.WriteString("WAVEfmt ")
		for _, v := range []any{uint32(16), uint16(1), uint16(1), uint32(24000), uint32(48000), uint16(2), uint16(16)} {
			binary.Write(&b, binary.LittleEndian, v)
		}
		b.WriteString("data")
		binary.Write(&b, binary.LittleEndian, uint32(len(pcm)))
		b.Write(pcm)
		return b.Bytes(), contentType
	}
	return append([]byte("llmtest "+format+": "), pcm[:1000]...), contentType
}

func transcript(a *Answer, r *Request) (body []byte, contentType string) {
	const length = "2.5"
	switch r.format {
	case "text":
		return []byte(a.Text + "\n"), "text/plain; charset=utf-8"
	case "srt":
		return []byte("1\n00:00:00,000 --> 00:00:02,500\n" + a.Text + "\n\n"), "text/plain; charset=utf-8"
	case "vtt":
		return []byte("WEBVTT\n\n00:00:00.000 --> 00:00:02.500\n" + a.Text + "\n\n"), "text/plain; charset=utf-8"
	case "verbose_json":
		task := "transcribe"
		if r.Operation == "translation" {
			task = "translate"
		}
		return marshal(obj{"task": task, "language": "english", "duration": json.Number(length), "text": a.Text,
			"segments": []obj{{"id": 0, "seek": 0, "start": 0, "end": json.Number(length), "text": a.Text, "tokens": []int{}, "temperature": 0,
				"avg_logprob": -0.1, "compression_ratio": 1, "no_speech_prob": 0}},
			"usage": obj{"type": "duration", "seconds": 3}}), "application/json"
	}
	return marshal(obj{"text": a.Text, "usage": obj{"type": "tokens", "input_tokens": a.Usage.PromptTokens,
		"output_tokens": a.Usage.CompletionTokens, "total_tokens": a.Usage.TotalTokens}}), "application/json"
}

func models(a *Answer, r *Request) any {
	names := a.Models
	if names == nil {
		names = []string{"llmtest-large", "llmtest-small"}
	}
	list := []obj{}
	for _, n := range names {
		switch r.Dialect {
		case Anthropic:
			list = append(list, obj{"type": "model", "id": n, "display_name": n, "created_at": "2026-01-01T00:00:00Z"})
		case Gemini:
			list = append(list, obj{"name": "models/" + n, "displayName": n, "inputTokenLimit": 1048576, "outputTokenLimit": 65536,
				"supportedGenerationMethods": []string{"generateContent", "countTokens"}})
		case Bedrock:
			list = append(list, obj{"modelId": n, "modelName": n, "providerName": "llmtest", "inputModalities": []string{"TEXT"},
				"outputModalities": []string{"TEXT"}, "responseStreamingSupported": true})
		default:
			list = append(list, obj{"id": n, "object": "model", "created": 1767225600, "owned_by": "llmtest"})
		}
	}
	switch r.Dialect {
	case Anthropic:
		return obj{"data": list, "has_more": false, "first_id": first(names), "last_id": lastOf(names)}
	case Gemini:
		return obj{"models": list}
	case Bedrock:
		return obj{"modelSummaries": list}
	}
	return obj{"object": "list", "data": list}
}

func first(list []string) any {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

func lastOf(list []string) any {
	if len(list) == 0 {
		return nil
	}
	return list[len(list)-1]
}

// without takes the choices, or the usage, out of the answer.
func (e *exchange) without(frames []frame) []frame {
	names := map[Dialect][2][]string{
		OpenAI:    {{"choices", "data", "results"}, {"usage"}},
		Responses: {{"output"}, {"usage"}},
		Anthropic: {{"content"}, {"usage"}},
		Gemini:    {{"candidates"}, {"usageMetadata"}},
		Bedrock:   {{"output"}, {"usage"}},
	}[e.r.Dialect]
	which := names[0]
	if e.fault.name() == NoUsage {
		which = names[1]
	}
	var list []frame
	for _, f := range frames {
		var v any
		if json.Unmarshal(f.data, &v) != nil {
			list = append(list, f)
			continue
		}
		if e.fault.name() == NoChoices && len(frames) > 1 && e.r.Dialect != OpenAI && e.r.Dialect != Gemini && f.part != terminal && f.name != "message_start" &&
			f.name != "messageStart" && f.name != "response.created" {
			continue // a stream without choices is one without content
		}
		m, ok := v.(map[string]any)
		if !ok {
			list = append(list, f)
			continue
		}
		had := len(m)
		take(m, which)
		if had > len(m) && len(m) == 0 && f.part != terminal {
			continue
		}
		f.data = marshal(m)
		list = append(list, f)
	}
	return list
}

// take removes members at the top, and in the objects right below it.
func take(m map[string]any, names []string) {
	for _, n := range names {
		delete(m, n)
	}
	for _, v := range m {
		if below, ok := v.(map[string]any); ok {
			for _, n := range names {
				if n == "usage" || n == "output" {
					delete(below, n)
				}
			}
		}
	}
}

// hugeFrame is the beginning of an AWS frame that says to have n bytes.
func hugeFrame(n int) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(n))
	b = binary.BigEndian.AppendUint32(b, 0)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// sample is a value that a JSON schema allows, as far as it says what it wants.
func sample(schema gjson.Result, depth int) any {
	if c := schema.Get("const"); c.Exists() {
		return json.RawMessage(c.Raw)
	}
	for _, path := range []string{"enum.0", "default", "examples.0"} {
		if v := schema.Get(path); v.Exists() {
			return json.RawMessage(v.Raw)
		}
	}
	for _, path := range []string{"anyOf.0", "oneOf.0", "allOf.0"} {
		if v := schema.Get(path); v.Exists() {
			return sample(v, depth+1)
		}
	}
	kind := schema.Get("type")
	if kind.IsArray() {
		kind = kind.Get("0")
	}
	switch strings.ToLower(kind.String()) {
	case "object", "":
		m := obj{}
		if depth > 16 {
			return m
		}
		schema.Get("properties").ForEach(func(name, s gjson.Result) bool {
			m[name.String()] = sample(s, depth+1)
			return true
		})
		return m
	case "array":
		list := []any{}
		for range min(max(int(schema.Get("minItems").Int()), 1), 100) {
			if depth > 16 {
				break
			}
			list = append(list, sample(schema.Get("items"), depth+1))
		}
		return list
	case "integer", "number":
		for _, bound := range []string{"minimum", "maximum"} {
			if v := schema.Get(bound); v.Exists() {
				return json.RawMessage(v.Raw)
			}
		}
		if v := schema.Get("exclusiveMinimum"); v.Exists() {
			return v.Float() + 1
		}
		return 1
	case "boolean":
		return true
	case "null":
		return nil
	}
	switch schema.Get("format").String() {
	case "date-time":
		return "2026-01-01T00:00:00Z"
	case "date":
		return "2026-01-01"
	case "email":
		return "ada@example.com"
	case "uri":
		return "https://example.com"
	case "uuid":
		return "00000000-0000-4000-8000-000000000000"
	}
	text := "text"
	if n := int(schema.Get("minLength").Int()); n > len(text) && n < 10000 {
		text = strings.Repeat("text ", n/5+1)[:n]
	}
	return text
}
