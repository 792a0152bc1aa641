package tokens_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"github.com/llm-go/llm"
	_ "github.com/llm-go/llm/providers/all"
	"github.com/llm-go/llm/tokens"
	"github.com/stretchr/testify/require"
)

func TestEstimateOfLongTexts(t *testing.T) {
	sentence := "The committee met on Tuesday to discuss the proposed changes. "
	once := tokens.Estimate(sentence)
	require.InDelta(t, 12, once, 2)
	for _, n := range []int{1, 7, 33, 34, 40, 200, 5000} {
		require.InEpsilon(t, once*n, tokens.Estimate(strings.Repeat(sentence, n)), 0.12, "%d times", n)
	}
	require.Zero(t, tokens.Estimate(""))
	require.Equal(t, 1, tokens.Estimate("x"))
}

func TestEstimateTakesAnyBytes(t *testing.T) {
	var all []byte
	for i := range 8192 {
		all = append(all, byte(i*i>>3), byte(i))
	}
	low, high := tokens.Bounds(string(all))
	n := tokens.Estimate(string(all))
	require.Greater(t, n, low)
	require.LessOrEqual(t, n, high)
}

func TestEstimateAllocatesNothing(t *testing.T) {
	text := strings.Repeat("Hello, wörld! 你好 123\n", 1000)
	tokens.Estimate(text) // makes the table
	require.Zero(t, testing.AllocsPerRun(10, func() { tokens.Estimate(text); tokens.Bounds(text) }))
	req := conversation(20)
	require.Zero(t, testing.AllocsPerRun(10, func() { tokens.Quick(req) }))
}

func pngOf(w, h int) llm.Part {
	var b bytes.Buffer
	_ = png.Encode(&b, image.NewGray(image.Rect(0, 0, w, h)))
	return llm.ImageDataPart("image/png", b.Bytes())
}

// The examples are those of the vendors' pages.
func TestImagesByPublishedExamples(t *testing.T) {
	for _, c := range []struct {
		counter tokens.Counter
		w, h    int
		detail  string
		want    int
	}{
		{tokens.OpenAI("gpt-4o"), 1024, 1024, "high", 765},
		{tokens.OpenAI("gpt-4o"), 2048, 4096, "high", 1105},
		{tokens.OpenAI("gpt-4o-2024-08-06"), 4096, 8192, "low", 85},
		{tokens.OpenAI("gpt-5.4"), 1024, 1024, "high", 1229},
		{tokens.OpenAI("gpt-5.4"), 2048, 2048, "high", 3000},
		{tokens.OpenAI("gpt-5-mini"), 1800, 2400, "", 1743}, // 1452 patches
		{tokens.Anthropic("claude-sonnet-4-5-20250929"), 1092, 1092, "", 1521},
		{tokens.Anthropic("claude-sonnet-4-5"), 1000, 1000, "", 1296},
		{tokens.Anthropic("claude-sonnet-4-5"), 1920, 1080, "", 1560},
		{tokens.Anthropic("claude-opus-4-8"), 1920, 1080, "", 2691},
		{tokens.Anthropic("claude-opus-4-8"), 3840, 2160, "", 4784},
		{tokens.Gemini("gemini-2.5-flash"), 384, 384, "", 258},
		{tokens.Gemini("gemini-2.5-flash"), 960, 540, "", 6 * 258},
		{tokens.Gemini("gemini-3-pro-preview"), 960, 540, "", 1120},
	} {
		require.Equal(t, c.want, c.counter.Image(c.w, c.h, c.detail), "%d x %d %s", c.w, c.h, c.detail)
	}
}

func TestImageRulesTakeAnySize(t *testing.T) {
	for _, c := range []tokens.Counter{tokens.OpenAI("gpt-4o"), tokens.OpenAI("gpt-5-mini"), tokens.OpenAI("gpt-5.4"), tokens.Anthropic("x"), tokens.Gemini("x"), tokens.Gemini("gemini-2.5-pro")} {
		for _, size := range [][2]int{{1, 1}, {1, 65535}, {65535, 1}, {65535, 65535}, {33, 31}} {
			for _, detail := range []string{"", "low", "high", "original", "auto"} {
				require.Positive(t, c.Image(size[0], size[1], detail))
			}
		}
	}
}

func TestImageSizesAreReadFromHeaders(t *testing.T) {
	gray := image.NewGray(image.Rect(0, 0, 1100, 530))
	var p, j, g bytes.Buffer
	require.NoError(t, png.Encode(&p, gray))
	require.NoError(t, jpeg.Encode(&j, gray, nil))
	require.NoError(t, gif.Encode(&g, gray, nil))
	// A JPEG with metadata before its frame, as cameras write it.
	long := append([]byte{0xFF, 0xD8, 0xFF, 0xE1, 0xFF, 0xFF}, make([]byte, 0xFFFD)...)
	long = append(long, j.Bytes()[2:]...)
	webp := func(kind string, at int, size []byte) []byte {
		b := append([]byte("RIFF\x00\x00\x00\x00WEBP"+kind), make([]byte, 60)...)
		copy(b[at:], size)
		return b
	}
	bits := binary.LittleEndian.AppendUint32(nil, 1099|529<<14)
	counter := tokens.Counter{Image: func(w, h int, detail string) int { return w*10_000 + h }}
	for name, data := range map[string][]byte{
		"png": p.Bytes(), "jpeg": j.Bytes(), "jpeg with metadata": long, "gif": g.Bytes(),
		"webp lossy":    webp("VP8 ", 26, []byte{0x4C, 0x04, 0x12, 0x02}),
		"webp lossless": webp("VP8L", 21, bits),
		"webp extended": webp("VP8X", 24, []byte{0x4B, 0x04, 0, 0x11, 0x02, 0}),
	} {
		n := counter.Request(&llm.CompletionRequest{Messages: []llm.Message{llm.User("", llm.ImageDataPart("image/any", data))}})
		role := tokens.Estimate("user")
		require.Equal(t, 1100*10_000+530+role, n.Tokens, name)
		require.Zero(t, n.Unsized, name)
		for cut := range min(len(data), 80) { // a cut header is no size, and no panic
			counter.Request(&llm.CompletionRequest{Messages: []llm.Message{llm.User("", llm.ImageDataPart("image/any", data[:cut]))}})
		}
	}
	n := tokens.OpenAI("gpt-4o").Request(&llm.CompletionRequest{Messages: []llm.Message{llm.User("", llm.ImagePart("https://example.com/a.png"))}})
	require.Equal(t, 1, n.Unsized)
	require.Greater(t, n.Tokens, 700)
}

func TestSoundAndFiles(t *testing.T) {
	wav := append([]byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"), 0x80, 0x3E, 0, 0, 0, 0x7D, 0, 0, 2, 0, 16, 0)
	wav = append(wav, "data\x00\x00\x00\x00"...)
	wav = append(wav, make([]byte, 5*32_000)...)
	c := tokens.OpenAI("gpt-audio")
	base := c.Request(&llm.CompletionRequest{Messages: []llm.Message{llm.User("")}})
	n := c.Request(&llm.CompletionRequest{Messages: []llm.Message{llm.User("", llm.AudioPart("wav", wav))}})
	require.Equal(t, 50, n.Tokens-base.Tokens, "five seconds, a token each 100 ms")
	require.Zero(t, n.Unsized)
	n = c.Request(&llm.CompletionRequest{Messages: []llm.Message{llm.User("", llm.AudioPart("mp3", make([]byte, 160_000)))}})
	require.InDelta(t, 100, n.Tokens-base.Tokens, 2)
	require.Equal(t, 1, n.Unsized)
	n = c.Request(&llm.CompletionRequest{Messages: []llm.Message{llm.User("", llm.FilePart("notes.txt", "text/plain", []byte(strings.Repeat("word ", 400))))}})
	require.InDelta(t, 500, n.Tokens-base.Tokens, 30)
	require.Zero(t, n.Unsized)
	n = c.Request(&llm.CompletionRequest{Messages: []llm.Message{llm.User("", llm.FileIDPart("file-1"))}})
	require.Equal(t, 1, n.Unsized)
}

// The provider's dialect says how to count, not how the model's name reads.
func TestFamiliesAreDeclared(t *testing.T) {
	require.True(t, tokens.For("openai/gpt-4o").Published)
	require.Equal(t, tokens.Cl100k, tokens.For("openai/gpt-4").Vocabulary)
	require.Equal(t, tokens.Cl100k, tokens.For("openai/gpt-4-0613").Vocabulary)
	require.Equal(t, tokens.O200k, tokens.For("openai/gpt-4o").Vocabulary)
	require.Equal(t, 1521, tokens.For("anthropic/claude-sonnet-4-5").Image(1092, 1092, ""))
	require.Equal(t, 1120, tokens.For("gemini/gemini-3-flash-preview").Image(10, 10, ""))
	for _, model := range []string{"groq/gpt-4o-lookalike", "nowhere/claude-3", "gpt-4o", ""} {
		c := tokens.For(model)
		require.False(t, c.Published, model)
		require.Nil(t, c.Image, model)
	}
}

func TestCountOfToolsAndKinds(t *testing.T) {
	req := &llm.CompletionRequest{Model: "openai/gpt-4o", Messages: []llm.Message{llm.User("Weather in Oslo?")}}
	bare := tokens.Request(req)
	require.Equal(t, tokens.SourceEstimate, bare.Source)
	req.Tools = []llm.Tool{
		{Function: &llm.FunctionTool{Name: "get_weather", Description: "Current weather", Parameters: map[string]any{"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}}}}},
		{Type: "custom", Custom: &llm.CustomTool{Name: "sql", Description: "Runs a query"}},
		{Type: "web_search", Extra: llm.Extra{"max_uses": 3}},
	}
	with := tokens.Request(req)
	require.Greater(t, with.Tokens, bare.Tokens+40)
	require.LessOrEqual(t, with.Tokens, with.High)
	require.Equal(t, 1, with.Unsized, "what the vendor's own tool adds is the vendor's")

	texts := []string{"one two three", "vier fünf sechs"}
	e := tokens.EmbeddingRequest(&llm.EmbeddingRequest{Model: "openai/text-embedding-3-small", Input: texts, Tokens: [][]int{{1, 2, 3}}})
	require.InDelta(t, 3+tokens.Cl100k.Estimate(texts[0])+tokens.Cl100k.Estimate(texts[1]), e.Tokens, 1)
	c := tokens.TextCompletionRequest(&llm.TextCompletionRequest{Model: "openai/gpt-4o", Prompt: texts})
	require.InDelta(t, 7, c.Tokens, 3)
	r := tokens.ResponsesRequest(&llm.ResponsesRequest{Model: "openai/gpt-4o", Input: []llm.ResponsesItem{llm.InputText("Weather in Oslo?")}})
	require.Equal(t, bare.Tokens, r.Tokens, "the same conversation")
}

func TestQuickKnowsAllKinds(t *testing.T) {
	text := strings.Repeat("word ", 80)
	require.Equal(t, 104, tokens.Quick(&llm.CompletionRequest{Messages: []llm.Message{llm.User(text)}}))
	require.Equal(t, 104, tokens.Quick(&llm.CountTokensRequest{Messages: []llm.Message{llm.User(text)}}))
	require.Equal(t, 104, tokens.Quick(&llm.ResponsesRequest{Input: []llm.ResponsesItem{llm.InputText(text)}}))
	require.Equal(t, 103, tokens.Quick(&llm.EmbeddingRequest{Input: []string{text}, Tokens: [][]int{{1, 2, 3}}}))
	require.Equal(t, 100, tokens.Quick(&llm.TextCompletionRequest{Prompt: []string{text}}))
	require.Zero(t, tokens.Quick(text))
	tools := &llm.CompletionRequest{Tools: []llm.Tool{{Type: "web_search"}, {Custom: &llm.CustomTool{Name: "sql"}}, {Function: &llm.FunctionTool{Name: "f", Parameters: map[string]any{}}}}}
	require.Greater(t, tokens.Quick(tools), 200)
	image := &llm.CompletionRequest{Messages: []llm.Message{llm.User("", pngOf(8, 8))}}
	require.Equal(t, 1004, tokens.Quick(image))
}

func TestExact(t *testing.T) {
	req := &llm.CompletionRequest{Model: "anthropic/claude-sonnet-4-5", Messages: []llm.Message{llm.User("Hello?")}}
	n, err := tokens.Exact(t.Context(), llm.New(llm.WithMock(&llm.CountTokensResponse{InputTokens: 11})), req)
	require.NoError(t, err)
	require.Equal(t, tokens.Count{Tokens: 11, Low: 11, High: 11, Source: tokens.SourceProvider}, n)

	provider := &llm.Provider{Name: "plain", BaseURL: "https://plain.invalid", KeyOptional: true}
	req.Model = "plain/m"
	n, err = tokens.Exact(t.Context(), llm.New(llm.WithProvider(provider)), req)
	require.NoError(t, err, "a provider that does not count is no error")
	require.Equal(t, tokens.Request(req), n)
	require.Equal(t, tokens.SourceEstimate, n.Source)

	req.Model = "unheard-of/m"
	n, err = tokens.Exact(t.Context(), nil, req)
	require.ErrorIs(t, err, llm.ErrUnknownProvider)
	require.Positive(t, n.Tokens, "the estimate is there all the same")
	_, err = tokens.Exact(t.Context(), nil, nil)
	require.Error(t, err)
}

func TestCountTextsOfBase64Files(t *testing.T) {
	// Base64 of text files is not counted as text.
	data := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("a b c d ", 100)))
	part := llm.Part{Type: "file", File: &llm.File{FileData: data, Format: "text/plain"}}
	n := tokens.Generic().Request(&llm.CompletionRequest{Messages: []llm.Message{llm.User("", part)}})
	require.Less(t, n.Tokens, 250)
}

func TestTrimSaysWhatDoesNotFit(t *testing.T) {
	req := &llm.CompletionRequest{Messages: []llm.Message{llm.System(strings.Repeat("rule ", 200)), llm.User("Hi")}}
	out, _, err := tokens.Trim(req, 50, tokens.TrimOptions{})
	require.Nil(t, out)
	require.ErrorIs(t, err, llm.ErrContextWindow)
	require.Contains(t, err.Error(), "50 allowed")
	require.NotContains(t, err.Error(), "rule rule")
	_, _, err = tokens.Trim(nil, 1, tokens.TrimOptions{})
	var e *llm.Error
	require.True(t, errors.As(err, &e))
	require.True(t, tokens.Fits(req, 300))
	req.MaxTokens = 200
	require.False(t, tokens.Fits(req, 300))
}
