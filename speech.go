package llm

// SpeechRequest asks for spoken text. OpenAI's API reference, "Create speech".
type SpeechRequest struct {
	Model string
	Input string
	// Voice is the provider's name or id of a voice.
	Voice string
	// Instructions say how to speak (gpt-4o-mini-tts and later).
	Instructions string
	// ResponseFormat is "mp3" (default), "opus", "aac", "flac", "wav" or "pcm".
	ResponseFormat string
	// Speed is 0.25 to 4; 0 means not set.
	Speed float64
	Extra Extra
}

// SpeechResponse is sound.
type SpeechResponse struct {
	Audio     []byte
	MediaType string
	Usage     *Usage
	Meta      Meta `json:"-"`
}

// SpeechChunk is the next piece of sound.
type SpeechChunk struct {
	Audio []byte
	Usage *Usage // on the last piece, where the provider tells
}
