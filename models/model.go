package models

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Model is what the catalogue knows of one model at one provider. What is zero is unknown. Models of the catalogue
// are shared by all readers: to change one, copy it.
type Model struct {
	// ID is "provider/model", as a caller of this library writes it; Provider and Name are its parts, and Name is
	// what goes over the wire.
	ID, Provider, Name string
	// Aliases are further IDs that mean this model.
	Aliases []string
	Mode    Mode
	// Status is "alpha", "beta" or "deprecated", where the vendor says so.
	Status string
	// ContextWindow is how many tokens input and output may have together; MaxInputTokens and MaxOutputTokens are the
	// limits of each.
	ContextWindow, MaxInputTokens, MaxOutputTokens int
	// Dimensions is the length of an embedding.
	Dimensions int
	// MinCacheTokens is how long a prompt must be to be cached.
	MinCacheTokens int
	// Input and Output are what the model reads and writes.
	Input, Output Modalities
	// ReasoningEfforts are the levels that the model takes, as the vendor names them: "low", "xhigh".
	ReasoningEfforts []string
	// MinReasoningTokens and MaxReasoningTokens bound the budget that may be asked for.
	MinReasoningTokens, MaxReasoningTokens int
	// FirstParty says that the provider is the vendor of the model, and not a host of others' models.
	FirstParty bool
	// Released, Deprecated and Retired are the days of the announcement, of the announced end, and of the end.
	Released, Deprecated, Retired Date
	// Prices of the model; see [Model.PriceAt]. nil: unknown.
	Prices []PriceList

	known, supported capabilitySet
}

// Supports says whether the model has a capability; known is false if the catalogue does not tell.
func (m *Model) Supports(c Capability) (yes, known bool) {
	return m.supported.has(c), m.known.has(c)
}

// SetCapability notes that the model has a capability, or lacks it.
func (m *Model) SetCapability(c Capability, s Support) {
	bit := capabilitySet(1) << c
	m.known |= bit
	m.supported &^= bit
	switch s {
	case Supported:
		m.supported |= bit
	case Unknown:
		m.known &^= bit
	}
}

// Support is what is known of a capability.
type Support uint8

// The states of a capability.
const (
	Unknown Support = iota
	Supported
	Unsupported
)

// Capability is something that a model can do.
type Capability uint8

// The capabilities.
const (
	Tools Capability = iota
	ToolChoice
	ParallelTools
	Vision
	AudioInput
	AudioOutput
	VideoInput
	PDFInput
	ImageOutput
	ResponseSchema // answers held to a JSON schema
	ReasoningMode  // thinks before it answers
	PromptCaching
	Prefill // an assistant message to continue
	WebSearchTool
	URLContext
	ComputerUse
	SystemMessages
	Streaming
	SamplingParams // temperature, top_p
	EmbeddingImages
	numCapabilities
)

var capabilityNames = [numCapabilities]string{"tools", "tool_choice", "parallel_tools", "vision", "audio_input", "audio_output", "video_input",
	"pdf_input", "image_output", "response_schema", "reasoning", "prompt_caching", "prefill", "web_search", "url_context", "computer_use",
	"system_messages", "streaming", "sampling_params", "embedding_images"}

// String is "tools", "vision" …
func (c Capability) String() string { return nameOf(capabilityNames[:], c) }

// MarshalText is [Capability.String].
func (c Capability) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what String writes.
func (c *Capability) UnmarshalText(text []byte) error {
	return parseName(c, capabilityNames[:], "capability", text)
}

// capabilitySet has one bit for each capability.
type capabilitySet uint32

func (s capabilitySet) has(c Capability) bool { return c < numCapabilities && s>>c&1 == 1 }

// Mode is what a model is called for.
type Mode string

// The modes.
const (
	ModeChat          Mode = "chat"
	ModeCompletion    Mode = "completion" // of text, the older API
	ModeEmbedding     Mode = "embedding"
	ModeImage         Mode = "image"
	ModeImageEdit     Mode = "image_edit"
	ModeSpeech        Mode = "speech"
	ModeTranscription Mode = "transcription"
	ModeRealtime      Mode = "realtime"
	ModeVideo         Mode = "video"
	ModeRerank        Mode = "rerank"
	ModeModeration    Mode = "moderation"
	ModeOCR           Mode = "ocr"
	ModeSearch        Mode = "search"
)

var modes = []Mode{"", ModeChat, ModeCompletion, ModeEmbedding, ModeImage, ModeImageEdit, ModeSpeech, ModeTranscription, ModeRealtime,
	ModeVideo, ModeRerank, ModeModeration, ModeOCR, ModeSearch}

// Modalities is a set of kinds of content.
type Modalities uint8

// The modalities.
const (
	Text Modalities = 1 << iota
	Image
	Audio
	Video
	PDF
)

var modalityNames = []string{"text", "image", "audio", "video", "pdf"}

// Has says that all of x are in the set.
func (m Modalities) Has(x Modalities) bool { return m&x == x }

// String is "text image".
func (m Modalities) String() string { return strings.Join(m.names(), " ") }

func (m Modalities) names() []string {
	var list []string
	for i, name := range modalityNames {
		if m>>i&1 == 1 {
			list = append(list, name)
		}
	}
	return list
}

func modalitiesOf(names []string) (Modalities, error) {
	var m Modalities
	for _, name := range names {
		i := slices.Index(modalityNames, name)
		if i < 0 {
			return 0, fmt.Errorf("unknown modality %q", name)
		}
		m |= 1 << i
	}
	return m, nil
}

// Date is a day in UTC: days since 1 January 1970. 0 is none.
type Date int32

// DateOf is the day of a time.
func DateOf(t time.Time) Date {
	s := t.Unix()
	if s < 0 {
		s -= 86399
	}
	return Date(s / 86400)
}

// ParseDate reads "2026-03-13".
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a date like \"2026-03-13\"", s)
	}
	return DateOf(t), nil
}

// Time is the day's first moment; the zero time for 0.
func (d Date) Time() time.Time {
	if d == 0 {
		return time.Time{}
	}
	return time.Unix(int64(d)*86400, 0).UTC()
}

// String is "2026-03-13", "" for 0.
func (d Date) String() string {
	if d == 0 {
		return ""
	}
	return d.Time().Format(time.DateOnly)
}

// MarshalText is [Date.String].
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is [ParseDate].
func (d *Date) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDate(string(text))
	return err
}

func nameOf[T ~uint8](names []string, v T) string {
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("unknown(%d)", v)
}

func parseName[T ~uint8](v *T, names []string, what string, text []byte) error {
	i := slices.Index(names, string(text))
	if i < 0 {
		return fmt.Errorf("unknown %s %q (known are %s)", what, text, strings.Join(names, ", "))
	}
	*v = T(i)
	return nil
}
