package llm

// TranscriptionRequest asks for the text of a recording. OpenAI's API reference, "Create transcription".
type TranscriptionRequest struct {
	Model string
	File  FileInput
	// Language is an ISO 639-1 code.
	Language string
	// Prompt guides the style, or continues an earlier segment.
	Prompt string
	// ResponseFormat is "json" (default), "text", "srt", "vtt", "verbose_json" or "diarized_json".
	ResponseFormat string
	Temperature    *float64
	// TimestampGranularities are "word" and "segment"; they need "verbose_json".
	TimestampGranularities []string
	// Include asks for more: "logprobs".
	Include          []string
	ChunkingStrategy any // "auto" or an object
	Extra            Extra
}

// TranslationRequest asks for the English text of a recording. OpenAI's API reference, "Create translation".
type TranslationRequest struct {
	Model          string
	File           FileInput
	Prompt         string
	ResponseFormat string
	Temperature    *float64
	Extra          Extra
}

// TranscriptionResponse is the text; for ResponseFormat "text", "srt" and "vtt" Text is the whole answer.
type TranscriptionResponse struct {
	Text     string
	Task     string
	Language string
	Duration float64 // seconds
	Words    []TranscriptionWord
	Segments []TranscriptionSegment
	Logprobs []TokenLogprob
	Usage    *Usage
	// UsageSeconds is the billed length where the provider bills by time.
	UsageSeconds float64
	Extra        Extra
	Meta         Meta `json:"-"`
}

// TranscriptionWord is a word and when it is spoken, in seconds.
type TranscriptionWord struct {
	Word  string  `json:"word"`
	Start float64 `json:"start"`
	End   float64 `json:"end"`
}

// TranscriptionSegment is a passage; times in seconds.
type TranscriptionSegment struct {
	ID               int // position; ids that are texts are in Extra
	Seek             int
	Start, End       float64
	Text             string
	Tokens           []int
	Temperature      float64
	AvgLogprob       float64
	CompressionRatio float64
	NoSpeechProb     float64
	Speaker          string // diarized_json
	Extra            Extra
}

// TranscriptionChunk is a piece of a streamed transcription. Type is "transcript.text.delta",
// "transcript.text.segment" or "transcript.text.done", which has the whole Text and the usage.
type TranscriptionChunk struct {
	Type     string
	Delta    string
	Text     string
	Segment  *TranscriptionSegment
	Logprobs []TokenLogprob
	Usage    *Usage
	Extra    Extra
}
