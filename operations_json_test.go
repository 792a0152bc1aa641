package llm_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/llm-go/llm"
	"github.com/stretchr/testify/require"
)

// samples has, for each type, JSON in which every field of it is set, and a member that is not named.
var samples = []struct {
	value any
	json  string
}{
	{&llm.EmbeddingRequest{}, `{"model":"openai/m","input":["a","b"],"dimensions":256,"encoding_format":"float","input_type":"search_query","user":"u","x":[1]}`},
	{&llm.EmbeddingResponse{}, `{"object":"list","data":[{"object":"embedding","index":3,"embedding":[0.1,-0.5,1e-9],"x":1}],"model":"m","usage":{"prompt_tokens":8,"completion_tokens":0,"total_tokens":8},"x":{"y":[1.50]}}`},
	{&llm.TextCompletionRequest{}, `{"model":"m","prompt":"Once","suffix":"end","max_tokens":5,"temperature":0,"top_p":0.5,"n":2,"best_of":3,"echo":true,"logprobs":0,"stop":["a"],"seed":0,"frequency_penalty":0.1,"presence_penalty":0.2,"logit_bias":{"50256":-100},"user":"u","stream_options":{"include_usage":false},"x":null}`},
	{&llm.TextCompletionResponse{}, `{"id":"cmpl-1","object":"text_completion","created":1589478378,"model":"m","system_fingerprint":"fp_1","choices":[{"index":1,"text":"t","finish_reason":"length","native_finish_reason":"max_tokens","logprobs":{"tokens":["t"],"token_logprobs":[null],"top_logprobs":[{"t":-1}],"text_offset":[0]},"x":1}],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12},"x":1}`},
	{&llm.TextCompletionChunk{}, `{"id":"cmpl-1","object":"text_completion","created":1589478378,"model":"m","system_fingerprint":"fp_1","choices":[{"index":1,"text":"t","finish_reason":"length","native_finish_reason":"max_tokens","logprobs":{"tokens":["t"],"token_logprobs":[-1.5],"top_logprobs":[{"t":-1}],"text_offset":[0]},"x":1}],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12},"x":1}`},
	{&llm.CountTokensRequest{}, `{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"auto","thinking":{"type":"adaptive"},"x":1}`},
	{&llm.CountTokensResponse{}, `{"input_tokens":14,"cached_tokens":3,"x":1}`},
	{&llm.ModelsRequest{}, `{"provider":"openai","after_id":"m"}`},
	{&llm.ModelsResponse{}, `{"object":"list","data":[{"id":"m","object":"model","created":1686935002,"owned_by":"o","display_name":"M","max_input_tokens":1000,"max_output_tokens":100,"shutdown_date":"2026-10-23"}],"has_more":false}`},
	{&llm.ModerationRequest{}, `{"model":"m","input":["a","b"],"x":1}`},
	{&llm.ModerationResponse{}, `{"id":"modr-1","model":"m","results":[{"flagged":true,"categories":{"hate":false,"violence/graphic":true},"category_scores":{"hate":2.1e-6},"category_applied_input_types":{"hate":["text","image"]},"x":1}],"x":1}`},
	{&llm.ImageRequest{}, `{"model":"m","prompt":"p","n":2,"size":"1024x1024","aspect_ratio":"1:1","quality":"hd","style":"vivid","background":"opaque","output_format":"webp","output_compression":0,"response_format":"url","moderation":"low","negative_prompt":"np","seed":0,"user":"u","x":1}`},
	{&llm.ImageEditRequest{}, `{"model":"m","prompt":"p","n":2,"size":"1024x1024","aspect_ratio":"1:1","quality":"hd","style":"vivid","background":"opaque","output_format":"webp","output_compression":0,"response_format":"url","moderation":"low","negative_prompt":"np","seed":0,"user":"u","image":[{"name":"a.png","media_type":"image/png","data":"iVBORw=="}],"mask":{"name":"m.png","media_type":"image/png","data":"iVBORw=="},"input_fidelity":"high","x":1}`},
	{&llm.ImageVariationRequest{}, `{"model":"m","image":{"name":"a.png","media_type":"image/png","data":"iVBORw=="},"n":2,"size":"1024x1024","response_format":"url","user":"u","x":1}`},
	{&llm.ImageResponse{}, `{"created":1713833628,"data":[{"url":"https://x/y","b64_json":"iVBORw==","media_type":"image/png","revised_prompt":"rp","x":1}],"size":"1024x1024","quality":"high","background":"opaque","output_format":"png","usage":{"prompt_tokens":50,"completion_tokens":50,"total_tokens":100,"prompt_tokens_details":{"cached_tokens":0,"text_tokens":10,"image_tokens":40}},"x":1}`},
	{&llm.SpeechResponse{}, `{"audio":"/+NI","media_type":"audio/mpeg","usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}`},
	{&llm.SpeechChunk{}, `{"type":"speech.audio.delta","audio":"/+NI","usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3},"x":1}`},
	{&llm.TranscriptionRequest{}, `{"model":"m","file":{"name":"a.wav","media_type":"audio/wav","data":"UklGRg=="},"language":"en","languages":["en","de"],"keywords":["Go"],"prompt":"p","response_format":"verbose_json","temperature":0,"timestamp_granularities":["word"],"include":["logprobs"],"chunking_strategy":"auto","known_speaker_names":["a"],"known_speaker_references":["data:audio/wav;base64,AAA="],"x":1}`},
	{&llm.TranslationRequest{}, `{"model":"m","file":{"name":"a.wav","media_type":"audio/wav","data":"UklGRg=="},"prompt":"p","response_format":"srt","temperature":0,"x":1}`},
	{&llm.TranscriptionResponse{}, `{"task":"transcribe","language":"english","languages":[{"code":"en"}],"duration":8.47,"text":"t","words":[{"word":"w","start":0.1,"end":0.2,"x":1}],"segments":[{"id":1,"seek":2,"start":0.1,"end":3.3,"text":"s","tokens":[50364],"temperature":0.1,"avg_logprob":-0.28,"compression_ratio":1.2,"no_speech_prob":0.009,"x":1}],"logprobs":[{"token":"t","logprob":-0.5,"bytes":[116]}],"usage":{"prompt_tokens":14,"completion_tokens":45,"total_tokens":59,"seconds":9},"x":1}`},
}

func TestOperationsKeepAllMembers(t *testing.T) {
	for _, s := range samples {
		typ := reflect.TypeOf(s.value).Elem()
		t.Run(typ.Name(), func(t *testing.T) {
			first := reflect.New(typ)
			require.NoError(t, json.Unmarshal([]byte(s.json), first.Interface()))
			// Tokens and Parts are the other form of Input and Prompt, Speaker is of another kind of segment, VoiceID
			// and Segment have tests of their own.
			requireSet(t, first.Elem(), typ.Name())

			text, err := json.Marshal(first.Interface())
			require.NoError(t, err)
			require.JSONEq(t, s.json, string(text))

			second := reflect.New(typ)
			require.NoError(t, json.Unmarshal(text, second.Interface()))
			require.Equal(t, first.Interface(), second.Interface())

			for n := range len(s.json) {
				require.Error(t, json.Unmarshal([]byte(s.json[:n]), reflect.New(typ).Interface()))
			}
		})
	}
}

// requireSet fails for each field of v that is zero: a member that decode forgot, or that the sample lacks.
func requireSet(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() && v.Type().Elem().PkgPath() == typeOf[llm.Usage]().PkgPath() {
			return // usage and the like have their own tests
		}
	case reflect.Slice:
		for i := range v.Len() {
			requireSet(t, v.Index(i), path+"[]")
		}
	case reflect.Struct:
		if v.Type() == typeOf[llm.Message]() || v.Type() == typeOf[llm.Tool]() || v.Type() == typeOf[llm.TokenLogprob]() {
			return
		}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Name == "Meta" || f.Name == "Tokens" && v.Type().Name() != "TranscriptionSegment" || f.Name == "Parts" || f.Name == "Speaker" {
				continue
			}
			require.False(t, v.Field(i).IsZero(), "%s.%s is not set", path, f.Name)
			requireSet(t, v.Field(i), path+"."+f.Name)
		}
	}
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

func TestModerationInputs(t *testing.T) {
	for _, tt := range []struct {
		in, out string
		want    llm.ModerationRequest
	}{
		{`{"input":"a"}`, `{"input":["a"]}`, llm.ModerationRequest{Input: []string{"a"}}},
		{`{"input":[{"type":"text","text":"a"}]}`, `{"input":[{"type":"text","text":"a"}]}`, llm.ModerationRequest{Parts: llm.Content{llm.TextPart("a")}}},
		{`{"input":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"u"}}]}`, `{"input":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"u"}}]}`,
			llm.ModerationRequest{Parts: llm.Content{llm.TextPart("a"), llm.ImagePart("u")}}},
		{`{"input":[]}`, `{}`, llm.ModerationRequest{Input: []string{}}},
	} {
		var got llm.ModerationRequest
		require.NoError(t, json.Unmarshal([]byte(tt.in), &got))
		require.Equal(t, tt.want, got)
		text, err := json.Marshal(got)
		require.NoError(t, err)
		require.JSONEq(t, tt.out, string(text))
	}
	require.Error(t, json.Unmarshal([]byte(`{"input":[1]}`), &llm.ModerationRequest{}))
}

func TestSpeechVoices(t *testing.T) {
	for _, text := range []string{
		`{"model":"m","input":"i","voice":"alloy","instructions":"slowly","response_format":"wav","speed":1.5,"stream_format":"sse","x":1}`,
		`{"model":"m","input":"i","voice":{"id":"voice_1234"}}`,
	} {
		var r llm.SpeechRequest
		require.NoError(t, json.Unmarshal([]byte(text), &r))
		require.NotEqual(t, r.Voice == "", r.VoiceID == "")
		again, err := json.Marshal(r)
		require.NoError(t, err)
		require.JSONEq(t, text, string(again))
	}
}

func TestTranscriptionEvents(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want llm.TranscriptionChunk
	}{
		{`{"type":"transcript.text.delta","delta":" see","segment_id":"seg_1","logprobs":[{"token":" see","logprob":-0.5,"bytes":[32]}],"x":1}`,
			llm.TranscriptionChunk{Type: "transcript.text.delta", Delta: " see", SegmentID: "seg_1", Logprobs: []llm.TokenLogprob{{Token: " see", Logprob: -0.5, Bytes: []int{32}}}, Extra: llm.Extra{"x": json.RawMessage("1")}}},
		{`{"id":"seg_1","start":0,"end":1.5,"text":"Hi","speaker":"A","type":"transcript.text.segment"}`,
			llm.TranscriptionChunk{Type: "transcript.text.segment", Segment: &llm.TranscriptionSegment{End: 1.5, Text: "Hi", Speaker: "A", Extra: llm.Extra{"id": json.RawMessage(`"seg_1"`)}}}},
		{`{"type":"transcript.text.done","text":"I see","languages":[{"code":"en"}],"usage":{"type":"duration","seconds":27}}`,
			llm.TranscriptionChunk{Type: "transcript.text.done", Text: "I see", Languages: []string{"en"}, UsageSeconds: 27}},
	} {
		var got llm.TranscriptionChunk
		require.NoError(t, json.Unmarshal([]byte(tt.in), &got))
		require.Equal(t, tt.want, got)
		text, err := json.Marshal(got)
		require.NoError(t, err)
		require.JSONEq(t, tt.in, string(text))
	}
	var tokens llm.TranscriptionChunk
	require.NoError(t, json.Unmarshal([]byte(`{"type":"transcript.text.done","text":"","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":45,"total_tokens":59}}`), &tokens))
	require.Equal(t, &llm.Usage{PromptTokens: 14, CompletionTokens: 45, TotalTokens: 59, PromptTokensDetails: &llm.PromptTokensDetails{AudioTokens: 14}}, tokens.Usage)
}

func TestModelsInOtherShapes(t *testing.T) {
	var r llm.ModelsResponse
	require.NoError(t, json.Unmarshal([]byte(`[{"id":"a","object":"chat","created":"yesterday","owned_by":null},"b",{"id":"c","max_input_tokens":"many","created":1.5e9}]`), &r))
	require.Equal(t, []llm.Model{
		{ID: "a", Extra: llm.Extra{"object": json.RawMessage(`"chat"`), "created": json.RawMessage(`"yesterday"`)}}, {ID: "b"},
		{ID: "c", Created: 1500000000, Extra: llm.Extra{"max_input_tokens": json.RawMessage(`"many"`)}},
	}, r.Data)
}

func TestTextCompletionPrompts(t *testing.T) {
	for in, out := range map[string]string{
		`{"prompt":"a"}`: `{"prompt":"a"}`, `{"prompt":["a"]}`: `{"prompt":"a"}`, `{"prompt":["a","b"]}`: `{"prompt":["a","b"]}`,
		`{"prompt":[1,2]}`: `{"prompt":[[1,2]]}`, `{"prompt":[[1],[2]]}`: `{"prompt":[[1],[2]]}`, `{"prompt":""}`: `{"prompt":""}`,
	} {
		var r llm.TextCompletionRequest
		require.NoError(t, json.Unmarshal([]byte(in), &r))
		text, err := json.Marshal(r)
		require.NoError(t, err)
		require.JSONEq(t, out, string(text))
	}
}

func BenchmarkTextCompletionChunk(b *testing.B) {
	text := []byte(`{"id":"cmpl-7iA7iJjj8V2zOkCGvWF2hAkDWBQZe","object":"text_completion","created":1690759702,"choices":[{"text":"This","index":0,"logprobs":null,"finish_reason":null}],"model":"gpt-3.5-turbo-instruct","system_fingerprint":"fp_44709d6fcb"}`)
	var before llm.TextCompletionChunk
	b.ReportAllocs()
	for b.Loop() {
		block := struct {
			c  llm.TextCompletionChunk
			ch [1]llm.TextChoice
		}{}
		block.c.ID, block.c.Model, block.c.SystemFingerprint = before.ID, before.Model, before.SystemFingerprint
		block.c.Choices = block.ch[:0:1]
		if err := block.c.UnmarshalJSON(text); err != nil {
			b.Fatal(err)
		}
		before = block.c
	}
}
