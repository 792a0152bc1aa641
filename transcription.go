package llm

import "io"

// TranscriptionRequest asks for the text of a recording. OpenAI's API reference, "Create transcription".
type TranscriptionRequest struct {
	Model string
	File  FileInput
	// Language is an ISO 639-1 code. Languages, instead, are those that may occur (gpt-transcribe).
	Language  string
	Languages []string
	// Keywords are words and phrases to be recognised (gpt-transcribe).
	Keywords []string
	// Prompt guides the style, or continues an earlier segment.
	Prompt string
	// ResponseFormat is "json" (default), "text", "srt", "vtt", "verbose_json" or "diarized_json".
	ResponseFormat string
	Temperature    *float64
	// TimestampGranularities are "word" and "segment"; they need "verbose_json".
	TimestampGranularities []string
	// Include asks for more: "logprobs".
	Include []string
	// ChunkingStrategy is how the sound is cut: "auto", or an object like {"type":"server_vad","threshold":0.5}.
	// gpt-4o-transcribe-diarize needs it for more than 30 seconds.
	ChunkingStrategy any
	// KnownSpeakerNames are up to 4 names for "diarized_json", KnownSpeakerReferences a sample of each one's
	// voice, 2 to 10 seconds, as a data: URL.
	KnownSpeakerNames      []string
	KnownSpeakerReferences []string
	Extra                  Extra
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
	Language string // a name or a code, as the provider has it
	// Languages are the codes of those that were found (gpt-transcribe).
	Languages []string
	Duration  float64 // seconds
	Words     []TranscriptionWord
	Segments  []TranscriptionSegment
	Logprobs  []TokenLogprob
	Usage     *Usage
	// UsageSeconds is the billed length where the provider bills by time.
	UsageSeconds float64
	Extra        Extra
	Meta         Meta `json:"-"`
}

// TranscriptionWord is a word and when it is spoken, in seconds.
type TranscriptionWord struct {
	Word  string
	Start float64
	End   float64
	Extra Extra
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
// "transcript.text.segment" or "transcript.text.done", which has the whole Text and the usage. A provider's answer
// that did not come in pieces is a segment event for each of its segments, and the last event, whose Extra has what
// an event has no field for: words, duration, language, task.
type TranscriptionChunk struct {
	Type  string
	Delta string
	// SegmentID is the diarized segment that Delta belongs to.
	SegmentID string
	Text      string
	Segment   *TranscriptionSegment
	Logprobs  []TokenLogprob
	Languages []string
	Usage     *Usage
	// UsageSeconds is the billed length where the provider bills by time.
	UsageSeconds float64
	Extra        Extra
}

// replay gives an answer that came at once as a stream.
func (r *TranscriptionResponse) replay() Next[TranscriptionChunk] {
	i := 0
	return func() (*TranscriptionChunk, error) {
		i++
		switch n := len(r.Segments) + 1; {
		case i < n:
			s := r.Segments[i-1]
			return &TranscriptionChunk{Type: transcriptSegment, Segment: &s}, nil
		case i > n:
			return nil, io.EOF
		}
		c := &TranscriptionChunk{Type: transcriptDone, Text: r.Text, Logprobs: r.Logprobs, Languages: r.Languages,
			Usage: r.Usage, UsageSeconds: r.UsageSeconds}
		for k, v := range r.Extra {
			c.Extra = c.Extra.set(k, v)
		}
		if len(r.Words) > 0 {
			c.Extra = c.Extra.set("words", r.Words)
		}
		if r.Duration != 0 {
			c.Extra = c.Extra.set("duration", r.Duration)
		}
		if r.Language != "" {
			c.Extra = c.Extra.set("language", r.Language)
		}
		if r.Task != "" {
			c.Extra = c.Extra.set("task", r.Task)
		}
		return c, nil
	}
}
