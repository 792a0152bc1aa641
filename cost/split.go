package cost

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/models"
	"github.com/tidwall/gjson"
)

// Count is how much of one dimension a call has used.
type Count struct {
	Dimension models.Dimension
	// Variant is the quality and size of pictures, as in [models.Price].
	Variant string
	// N counts tokens, characters, pictures, searches; of time it is milliseconds.
	N    int64
	Kind Kind
}

// Kind is what is counted.
type Kind uint8

// The kinds.
const (
	Tokens Kind = iota
	Characters
	Milliseconds
	Pieces
)

// kindOf is the kind that a price's unit is for.
func kindOf(u models.Unit) Kind {
	switch u {
	case models.PerMillionTokens:
		return Tokens
	case models.PerMillionCharacters:
		return Characters
	case models.PerSecond, models.PerMinute, models.PerHour:
		return Milliseconds
	}
	return Pieces
}

// maxCounts is how many buckets a call can have.
const maxCounts = 18

// counts is a list that needs no memory of its own.
type counts struct {
	list [maxCounts]Count
	n    int
}

func (c *counts) add(d models.Dimension, n int64, kind Kind) {
	if n > 0 {
		c.list[c.n] = Count{Dimension: d, N: n, Kind: kind}
		c.n++
	}
}

// Split divides what a provider has reported into disjoint buckets. Those of input sum to PromptTokens, those of output
// to CompletionTokens, whatever the details say: what is cached counts as such, as cached sound where the provider tells
// how much of it was sound, and of what exceeds the sum nothing is billed twice.
func Split(u *llm.Usage) []Count {
	var c counts
	c.split(u)
	return append([]Count(nil), c.list[:c.n]...)
}

func (c *counts) split(u *llm.Usage) {
	if u == nil {
		return
	}
	left := int64(max(u.PromptTokens, 0))
	take := func(n int) int64 {
		v := min(int64(max(n, 0)), left)
		left -= v
		return v
	}
	var read, readAudio, readImage, write, write1h, audio, image, video int64
	if d := u.PromptTokensDetails; d != nil {
		read = take(d.CachedTokens)
		cachedAudio, cachedImage := cachedMedia(d.Extra)
		readAudio = min(cachedAudio, read)
		readImage = min(cachedImage, read-readAudio)
		read -= readAudio + readImage
		write1h = take(d.CacheCreation1hTokens)
		write = take(max(d.CacheCreationTokens-d.CacheCreation1hTokens, d.CacheCreation5mTokens))
		audio, image = take(max(d.AudioTokens, 0)-int(readAudio)), take(max(d.ImageTokens, 0)-int(readImage))
		video = take(d.VideoTokens)
	}
	c.add(models.Input, left, Tokens)
	c.add(models.CacheRead, read, Tokens)
	c.add(models.CacheWrite, write, Tokens)
	c.add(models.CacheWrite1h, write1h, Tokens)
	c.add(models.CacheReadAudio, readAudio, Tokens)
	c.add(models.CacheReadImage, readImage, Tokens)
	c.add(models.InputAudio, audio, Tokens)
	c.add(models.InputImage, image, Tokens)
	c.add(models.InputVideo, video, Tokens)

	left = int64(max(u.CompletionTokens, 0))
	var reasoning int64
	audio, image = 0, 0
	if d := u.CompletionTokensDetails; d != nil {
		audio, image, reasoning = take(d.AudioTokens), take(d.ImageTokens), take(d.ReasoningTokens)
	}
	c.add(models.Output, left, Tokens)
	c.add(models.Reasoning, reasoning, Tokens)
	c.add(models.OutputAudio, audio, Tokens)
	c.add(models.OutputImage, image, Tokens)

	if t := u.ServerToolUse; t != nil {
		c.add(models.WebSearch, int64(t.WebSearchRequests), Pieces)
		c.add(models.CodeExecution, int64(t.CodeExecutionRequests), Pieces)
	}
}

// cachedMedia is how much of the cached input was sound and pictures, where a provider tells: Gemini's
// cacheTokensDetails (API reference, UsageMetadata), OpenAI's cached_tokens_details (API reference, Realtime, usage).
func cachedMedia(e llm.Extra) (audio, image int64) {
	if e == nil {
		return 0, 0
	}
	if raw, ok := e["cacheTokensDetails"].(json.RawMessage); ok {
		r := gjson.ParseBytes(raw)
		audio, image = r.Get(`#(modality=="AUDIO").tokenCount`).Int(), r.Get(`#(modality=="IMAGE").tokenCount`).Int()
	} else if raw, ok := e["cached_tokens_details"].(json.RawMessage); ok {
		r := gjson.ParseBytes(raw)
		audio, image = r.Get("audio_tokens").Int(), r.Get("image_tokens").Int()
	}
	return max(audio, 0), max(image, 0)
}

// perRequest adds what a list bills beside tokens for each call, and what its vendor counts under names of its own.
func (c *counts) perRequest(list *models.PriceList, a answer, input int64) {
	if len(list.Prices) == 0 || list.Prices[len(list.Prices)-1].Dimension < models.Citation {
		return
	}
	if _, ok := list.Find(models.Request, "", input); ok {
		c.add(models.Request, 1, Pieces)
	}
	var extra llm.Extra
	if a.usage != nil {
		extra = a.usage.Extra
	}
	// Perplexity's models search at every call: the price of a call depends on the context that was asked for, and deep
	// research counts its searches, thoughts and cited tokens apart (API reference, "Chat Completions", usage).
	if _, ok := list.Find(models.WebSearch, "low", input); ok && !c.has(models.WebSearch) {
		c.add(models.WebSearch, 1, Pieces)
		c.list[c.n-1].Variant = or(or(text(extra["search_context_size"]), a.context), "low")
	}
	if len(of(list, models.Citation)) > 0 {
		c.add(models.Citation, number(extra["citation_tokens"]), Tokens)
		if !c.has(models.Reasoning) {
			c.add(models.Reasoning, number(extra["reasoning_tokens"]), Tokens)
		}
		if !c.has(models.WebSearch) {
			c.add(models.WebSearch, number(extra["num_search_queries"]), Pieces)
		}
	}
}

func (c *counts) has(d models.Dimension) bool {
	for i := range c.n {
		if c.list[i].Dimension == d {
			return true
		}
	}
	return false
}

func number(v any) int64 {
	raw, _ := v.(json.RawMessage)
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func text(v any) string {
	if raw, ok := v.(json.RawMessage); ok {
		return strings.Trim(string(raw), `"`)
	}
	s, _ := v.(string)
	return s
}

// answer is what the types of answers have in common.
type answer struct {
	meta  *llm.Meta
	usage *llm.Usage
	tier  string
	// context is the size of a search's context that the request asks for.
	context string
	free    bool // no vendor bills it
}

// read finds what is billed of an answer, and of its request where that is needed; req may be nil.
func (c *counts) read(req, resp any) (a answer, ok bool) {
	switch r := resp.(type) {
	case *llm.CompletionResponse:
		a = answer{meta: &r.Meta, usage: r.Usage, tier: r.ServiceTier}
	case *llm.ResponsesResponse:
		a = answer{meta: &r.Meta, usage: r.Usage, tier: r.ServiceTier}
	case *llm.TextCompletionResponse:
		a = answer{meta: &r.Meta, usage: r.Usage}
	case *llm.EmbeddingResponse:
		a = answer{meta: &r.Meta, usage: r.Usage}
	case *llm.ImageResponse:
		a = answer{meta: &r.Meta, usage: r.Usage}
	case *llm.SpeechResponse:
		a = answer{meta: &r.Meta, usage: r.Usage}
	case *llm.TranscriptionResponse:
		a = answer{meta: &r.Meta, usage: r.Usage}
	case *llm.ModerationResponse:
		a = answer{meta: &r.Meta}
	case *llm.CountTokensResponse:
		a = answer{meta: &r.Meta, free: true}
	default:
		return a, false
	}
	c.split(a.usage)
	if c.n == 0 {
		c.pieces(req, resp)
	}
	if r, is := resp.(*llm.ResponsesResponse); is {
		c.tools(r)
	}
	return a, true
}

// pieces counts what is billed by the piece, the second or the character.
func (c *counts) pieces(req, resp any) {
	switch r := resp.(type) {
	case *llm.ImageResponse:
		c.pictures(req, r)
	case *llm.SpeechResponse:
		if s, is := req.(*llm.SpeechRequest); is {
			c.add(models.Input, int64(utf8.RuneCountInString(s.Input)), Characters)
		}
	case *llm.TranscriptionResponse:
		if seconds := max(r.UsageSeconds, r.Duration); seconds > 0 && seconds < math.MaxInt64/1000 {
			c.add(models.InputAudio, int64(math.Round(seconds*1000)), Milliseconds)
		}
	}
}

// tools counts calls of the provider's tools, which the Responses API tells by items. Of web searches only the searches
// themselves are billed, and not what was opened or found on a page (OpenAI's guide "Web search", "Output and
// citations"; pricing page, "Built-in tools").
func (c *counts) tools(r *llm.ResponsesResponse) {
	if r.Usage != nil && r.Usage.ServerToolUse != nil {
		return
	}
	var web, file int64
	for i := range r.Output {
		switch item := &r.Output[i]; item.Type {
		case "web_search_call":
			if raw, _ := item.Extra["action"].(json.RawMessage); len(raw) == 0 || gjson.GetBytes(raw, "type").Str == "search" {
				web++
			}
		case "file_search_call":
			file++
		}
	}
	c.add(models.WebSearch, web, Pieces)
	c.add(models.FileSearch, file, Pieces)
}

// pictures counts those of an answer, by quality and size.
func (c *counts) pictures(req any, r *llm.ImageResponse) {
	quality, size := r.Quality, r.Size
	switch q := req.(type) {
	case *llm.ImageRequest:
		quality, size = or(quality, q.Quality), or(size, q.Size)
	case *llm.ImageEditRequest:
		quality, size = or(quality, q.Quality), or(size, q.Size)
	case *llm.ImageVariationRequest:
		size = or(size, q.Size)
	}
	if quality == "auto" || quality == "standard" { // prices without a quality are for the standard one
		quality = ""
	}
	if size == "auto" {
		size = ""
	}
	if len(r.Data) > 0 {
		c.add(models.OutputImage, int64(len(r.Data)), Pieces)
		c.list[c.n-1].Variant = strings.TrimSpace(quality + " " + size)
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
