package tokens

import (
	"strings"

	"github.com/llm-go/llm"
)

// Counter is how one family of models counts: data, to be copied and changed. The zero value counts text as o200k_base
// would and adds nothing for messages; [Generic], [OpenAI], [Anthropic] and [Gemini] are the families with published
// rules.
type Counter struct {
	// Vocabulary estimates text. Published says that the models do use it, so that [Bounds] hold; otherwise the high
	// bound of a text is its length in bytes, which holds for every tokeniser whose smallest token is a byte.
	Vocabulary Vocabulary
	Published  bool
	// Scale multiplies estimates for a tokeniser that is not published; 0 is 1.
	Scale float64
	// Text, if set, counts text exactly instead. Source is then what the counts say of themselves.
	Text   func(text string) int
	Source Source

	// Message, Name, Reply, Tool are tokens added for each message and tool call, for each name of a participant, for
	// the reply's beginning, and for each tool.
	Message, Name, Reply, Tool int
	// Tools is what offering any tool adds, ForcedTools where a call is demanded.
	Tools, ForcedTools int
	// Image counts an image by its width and height in pixels and the detail asked for. nil: a usual number.
	Image func(width, height int, detail string) int
	// AudioPerSecond is for sound. Video is what a video is taken for, Page a page of a document: requests do not tell
	// how long they are.
	AudioPerSecond float64
	Video, Page    int
}

const (
	usualImage     = 1000   // tokens of an image where no rule is known
	usualSide      = 1024   // pixels of an image whose size is not known
	usualPageBytes = 50_000 // of a PDF; text alone needs less, scans more
	usualSeconds   = 60     // of a video
)

// For is the counter for a model named as in requests, "provider/model". The provider's dialect, as registered,
// declares the family; an unknown provider, one whose models are of many vendors, and a name without a provider count
// by [Generic]. Within a family, models that have rules of their own are listed by their full name, with or without
// the date of a snapshot; what is not listed counts as the newest models do.
func For(model string) Counter {
	provider, name, found := strings.Cut(model, "/")
	if !found {
		return Generic()
	}
	dialect := provider
	if p, ok := llm.LookupProvider(provider); ok {
		dialect = p.DialectName()
	}
	switch dialect {
	case "openai":
		return OpenAI(name)
	case "anthropic":
		return Anthropic(name)
	case "gemini":
		return Gemini(name)
	}
	return Generic()
}

// Generic counts for models of which nothing is published: o200k_base for text, three tokens around a message, and
// usual numbers for the rest.
func Generic() Counter {
	return Counter{Message: 3, Name: 1, Reply: 3, Tool: 8, Video: 100 * usualSeconds, Page: 1500, AudioPerSecond: 32}
}

// OpenAI counts for a model of OpenAI's, named without the provider.
//
// Sources: messages and names: OpenAI Cookbook, "How to count tokens with tiktoken", section 6. Images: "Images and
// vision" guide, "Model sizing behavior" and "Calculating costs" (October 2026). Sound: "Managing costs" guide of the
// Realtime API: a token is 100 ms of a user's audio. Tools: the Cookbook's section 7 adds about 7 tokens a function
// and 12 once; a schema is counted as its JSON, which is somewhat more than what the models are shown.
func OpenAI(model string) Counter {
	model = withoutDate(model)
	c := Counter{Published: true, Message: 3, Name: 1, Reply: 3, Tool: 7, Tools: 12, ForcedTools: 12,
		AudioPerSecond: 10, Page: 1500, Video: 100 * usualSeconds}
	if cl100kModels[model] {
		c.Vocabulary = Cl100k
	}
	if r, ok := tileRules[model]; ok {
		c.Image = r.tokens
	} else if r, ok := patchRules[model]; ok {
		c.Image = r.tokens
	} else {
		c.Image = newestPatches.tokens
	}
	return c
}

// cl100kModels are the models with cl100k_base: openai/tiktoken, tiktoken/model.py, MODEL_TO_ENCODING.
var cl100kModels = map[string]bool{
	"gpt-4": true, "gpt-4-32k": true, "gpt-4-turbo": true, "gpt-4-turbo-preview": true, "gpt-4-0613": true, "gpt-4-0314": true,
	"gpt-4-1106-preview": true, "gpt-4-0125-preview": true, "gpt-4-vision-preview": true, "gpt-3.5": true, "gpt-3.5-turbo": true,
	"gpt-3.5-turbo-0125": true, "gpt-3.5-turbo-1106": true, "gpt-3.5-turbo-16k": true, "gpt-3.5-turbo-instruct": true,
	"gpt-35-turbo": true, "davinci-002": true, "babbage-002": true, "text-embedding-ada-002": true, "text-embedding-3-small": true,
	"text-embedding-3-large": true,
}

// Anthropic counts for a Claude model, named without the provider. Its tokeniser is not published: estimates are scaled
// by what the vendor says, and exact counts come from the provider ([Exact]) only.
//
// Sources: images: platform.claude.com, "Images and vision", "Image costs": one token for each block of 28 by 28 pixels,
// after resizing to at most 1568 pixels and 1568 tokens, or 2576 and 4784 from Claude 4.7 on. (It replaces the older
// width x height / 750.) Tools: "Tool use with Claude", "Pricing". The newer models' tokeniser makes about 30 percent
// more tokens: "Token counting". PDFs: "PDF support", "Estimate your costs": 1,500 to 3,000 tokens of text a page, and
// the page as an image.
func Anthropic(model string) Counter {
	c := Counter{Scale: 1.4, Message: 4, Reply: 3, Tool: 12, Page: 2250 + 1568, Image: highResolution.tokens,
		Tools: 290, ForcedTools: 410}
	model = withoutDate(model)
	if standardModels[model] {
		c.Scale, c.Image, c.Tools, c.ForcedTools = 1.1, standardResolution.tokens, 497, 589
	}
	if t, ok := claudeTools[model]; ok {
		c.Tools, c.ForcedTools = t[0], t[1]
	}
	return c
}

// standardModels see images in the lower resolution, and have the tokeniser of before Claude 4.7.
var standardModels = map[string]bool{
	"claude-opus-4-6": true, "claude-opus-4-5": true, "claude-opus-4-1": true, "claude-opus-4": true, "claude-opus-4-0": true,
	"claude-sonnet-4-6": true, "claude-sonnet-4-5": true, "claude-sonnet-4": true, "claude-sonnet-4-0": true,
	"claude-haiku-4-5": true, "claude-3-7-sonnet": true, "claude-3-7-sonnet-latest": true, "claude-3-5-sonnet": true,
	"claude-3-5-sonnet-latest": true, "claude-3-5-haiku": true, "claude-3-5-haiku-latest": true, "claude-3-opus": true,
	"claude-3-opus-latest": true, "claude-3-haiku": true,
}

// claudeTools are the tokens that tools add to the system prompt: tool choice auto or none, and any or a named tool.
var claudeTools = map[string][2]int{
	"claude-opus-4-8": {290, 410}, "claude-opus-4-7": {675, 804}, "claude-sonnet-5": {354, 474},
	"claude-opus-4-6": {497, 589}, "claude-opus-4-5": {496, 588}, "claude-sonnet-4-6": {497, 589}, "claude-sonnet-4-5": {496, 588},
	"claude-haiku-4-5": {496, 588}, "claude-opus-4-1": {313, 315}, "claude-opus-4": {313, 315}, "claude-sonnet-4": {313, 315},
}

// Gemini counts for a Gemini model, named without the provider. Exact counts come from the provider ([Exact]).
//
// Sources: ai.google.dev, "Understand and count tokens": about 4 characters a token, 32 tokens a second of sound and 263
// of video, and 258 tokens for an image of up to 384 pixels each way; larger ones in tiles of 258, "Image understanding",
// "Token calculation". Gemini 3: "Media resolution", "Token counts": 1120 an image, 280 in low and 560 in medium
// resolution; 560 a page; 70 a frame of video, at one frame a second.
func Gemini(model string) Counter {
	c := Counter{Message: 2, Reply: 1, Tool: 8, AudioPerSecond: 32, Video: (70 + 32) * usualSeconds, Page: 560,
		Image: geminiImage}
	if geminiTiled[model] {
		c.Video, c.Page, c.Image = 263*usualSeconds, 258, geminiTiles
	}
	return c
}

var geminiTiled = map[string]bool{
	"gemini-2.5-pro": true, "gemini-2.5-flash": true, "gemini-2.5-flash-lite": true, "gemini-2.0-flash": true,
	"gemini-2.0-flash-001": true, "gemini-2.0-flash-lite": true, "gemini-2.0-flash-lite-001": true,
}

// withoutDate cuts the date of a snapshot: "-2025-08-07" (OpenAI) or "-20250929" (Anthropic).
func withoutDate(model string) string {
	for _, form := range []string{"-0000-00-00", "-00000000"} {
		at := len(model) - len(form)
		if at <= 0 {
			continue
		}
		matches := true
		for i := range len(form) {
			c := model[at+i]
			matches = matches && (c == form[i] && c == '-' || form[i] == '0' && isDigit(c))
		}
		if matches {
			return model[:at]
		}
	}
	return model
}
