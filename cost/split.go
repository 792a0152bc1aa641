package cost

import (
	"math"
	"strings"
	"unicode/utf8"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/models"
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
const maxCounts = 16

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
// to CompletionTokens, whatever the details say: where they overlap, as cached sound does, what is cached counts as
// such, and of what exceeds the sum nothing is billed twice.
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
	var read, write, write1h, audio, image, video int64
	if d := u.PromptTokensDetails; d != nil {
		read = take(d.CachedTokens)
		write1h = take(d.CacheCreation1hTokens)
		write = take(max(d.CacheCreationTokens-d.CacheCreation1hTokens, d.CacheCreation5mTokens))
		audio, image, video = take(d.AudioTokens), take(d.ImageTokens), take(d.VideoTokens)
	}
	c.add(models.Input, left, Tokens)
	c.add(models.CacheRead, read, Tokens)
	c.add(models.CacheWrite, write, Tokens)
	c.add(models.CacheWrite1h, write1h, Tokens)
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

// answer is what the types of answers have in common.
type answer struct {
	meta  *llm.Meta
	usage *llm.Usage
	tier  string
}

// read finds what is billed of an answer, and of its request where that is needed; req may be nil.
func (c *counts) read(req, resp any) (a answer, ok bool) {
	switch r := resp.(type) {
	case *llm.CompletionResponse:
		a = answer{&r.Meta, r.Usage, r.ServiceTier}
	case *llm.ResponsesResponse:
		a = answer{&r.Meta, r.Usage, r.ServiceTier}
	case *llm.TextCompletionResponse:
		a = answer{meta: &r.Meta, usage: r.Usage}
	case *llm.EmbeddingResponse:
		a = answer{meta: &r.Meta, usage: r.Usage}
	case *llm.ImageResponse:
		a = answer{meta: &r.Meta, usage: r.Usage}
		if r.Usage == nil {
			c.pictures(req, r)
		}
	case *llm.SpeechResponse:
		a = answer{meta: &r.Meta, usage: r.Usage}
		if s, is := req.(*llm.SpeechRequest); is && r.Usage == nil {
			c.add(models.Input, int64(utf8.RuneCountInString(s.Input)), Characters)
		}
	case *llm.TranscriptionResponse:
		a = answer{meta: &r.Meta, usage: r.Usage}
		if seconds := max(r.UsageSeconds, r.Duration); r.Usage == nil && seconds > 0 {
			c.add(models.InputAudio, int64(math.Round(seconds*1000)), Milliseconds)
		}
	case *llm.ModerationResponse:
		a = answer{meta: &r.Meta}
	case *llm.CountTokensResponse:
		a = answer{meta: &r.Meta}
	default:
		return a, false
	}
	c.split(a.usage)
	return a, true
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
	if quality == "auto" {
		quality = ""
	}
	if size == "auto" {
		size = ""
	}
	c.add(models.OutputImage, int64(len(r.Data)), Pieces)
	if c.n > 0 {
		c.list[c.n-1].Variant = strings.TrimSpace(quality + " " + size)
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
