package llm

// SpeechRequest asks for spoken text. OpenAI's API reference, "Create speech".
type SpeechRequest struct {
	Model string
	// Input is the text; OpenAI takes up to 4096 characters.
	Input string
	// Voice is the provider's name or id of a voice. VoiceID, instead, is the id of a voice of one's own where the
	// provider tells the two apart (OpenAI: "voice_1234").
	Voice   string
	VoiceID string
	// Instructions say how to speak (gpt-4o-mini-tts and later).
	Instructions string
	// ResponseFormat is "mp3" (default), "opus", "aac", "flac", "wav" or "pcm".
	ResponseFormat string
	// Speed is 0.25 to 4; 0 means not set.
	Speed float64
	// StreamFormat, for streams, is "audio" (default): the sound as it is made; or "sse": events, whose last one
	// proves that nothing is missing and has the usage (not with tts-1 and tts-1-hd).
	StreamFormat string
	Extra        Extra
}

// SpeechResponse is sound. MediaType is "audio/mpeg", "audio/wav" …
type SpeechResponse struct {
	Audio     []byte
	MediaType string
	Usage     *Usage
	Meta      Meta `json:"-"`
}

// SpeechChunk is the next piece of sound. Type is "speech.audio.delta" or "speech.audio.done".
type SpeechChunk struct {
	Type  string
	Audio []byte
	Usage *Usage // on the last piece, where the provider tells
	Extra Extra
}
