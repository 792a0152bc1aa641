package llm

import (
	"encoding/json"

	"github.com/llm-go/llm/internal/jsonx"
)

// AppendJSON appends the request's JSON object to b, without Extra. OpenAI's wire is a form instead; this is for
// storing and passing on.
func (r *TranscriptionRequest) AppendJSON(b []byte) ([]byte, error) {
	e := jsonx.Encoder{B: b}
	e.Object()
	e.OptStr("model", r.Model)
	e.Name("file")
	r.File.encode(&e)
	e.OptStr("language", r.Language)
	e.Strs("languages", r.Languages)
	e.Strs("keywords", r.Keywords)
	e.OptStr("prompt", r.Prompt)
	e.OptStr("response_format", r.ResponseFormat)
	e.PtrFloat("temperature", r.Temperature)
	e.Strs("timestamp_granularities", r.TimestampGranularities)
	e.Strs("include", r.Include)
	optAny(&e, "chunking_strategy", r.ChunkingStrategy, r.ChunkingStrategy != nil)
	e.Strs("known_speaker_names", r.KnownSpeakerNames)
	e.Strs("known_speaker_references", r.KnownSpeakerReferences)
	e.EndObject()
	return e.B, e.Err()
}

// MarshalJSON includes Extra.
func (r TranscriptionRequest) MarshalJSON() ([]byte, error) { return withExtra(r.AppendJSON, r.Extra) }

// UnmarshalJSON reads what MarshalJSON writes.
func (r *TranscriptionRequest) UnmarshalJSON(b []byte) error {
	return unmarshal(b, func(d *jsonx.Decoder) {
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "model":
				r.Model = d.Str()
			case "file":
				r.File.decode(d)
			case "language":
				r.Language = d.Str()
			case "languages":
				r.Languages = decodeStrings(d)
			case "keywords":
				r.Keywords = decodeStrings(d)
			case "prompt":
				r.Prompt = d.Str()
			case "response_format":
				r.ResponseFormat = d.Str()
			case "temperature":
				r.Temperature = decodePtr(d, d.Float)
			case "timestamp_granularities":
				r.TimestampGranularities = decodeStrings(d)
			case "include":
				r.Include = decodeStrings(d)
			case "chunking_strategy":
				if d.Kind() == jsonx.String {
					r.ChunkingStrategy = d.Str()
				} else {
					r.ChunkingStrategy = decodeRaw(d)
				}
			case "known_speaker_names":
				r.KnownSpeakerNames = decodeStrings(d)
			case "known_speaker_references":
				r.KnownSpeakerReferences = decodeStrings(d)
			default:
				keep(&r.Extra, d)
			}
		}
	})
}

// AppendJSON appends the request's JSON object to b, without Extra. OpenAI's wire is a form instead; this is for
// storing and passing on.
func (r *TranslationRequest) AppendJSON(b []byte) ([]byte, error) {
	e := jsonx.Encoder{B: b}
	e.Object()
	e.OptStr("model", r.Model)
	e.Name("file")
	r.File.encode(&e)
	e.OptStr("prompt", r.Prompt)
	e.OptStr("response_format", r.ResponseFormat)
	e.PtrFloat("temperature", r.Temperature)
	e.EndObject()
	return e.B, e.Err()
}

// MarshalJSON includes Extra.
func (r TranslationRequest) MarshalJSON() ([]byte, error) { return withExtra(r.AppendJSON, r.Extra) }

// UnmarshalJSON reads what MarshalJSON writes.
func (r *TranslationRequest) UnmarshalJSON(b []byte) error {
	return unmarshal(b, func(d *jsonx.Decoder) {
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "model":
				r.Model = d.Str()
			case "file":
				r.File.decode(d)
			case "prompt":
				r.Prompt = d.Str()
			case "response_format":
				r.ResponseFormat = d.Str()
			case "temperature":
				r.Temperature = decodePtr(d, d.Float)
			default:
				keep(&r.Extra, d)
			}
		}
	})
}

// MarshalJSON writes OpenAI's form.
func (r TranscriptionResponse) MarshalJSON() ([]byte, error) {
	return marshal(func(e *jsonx.Encoder) {
		e.Object()
		e.OptStr("task", r.Task)
		e.OptStr("language", r.Language)
		encodeLanguages(e, r.Languages)
		if r.Duration != 0 {
			e.PtrFloat("duration", &r.Duration)
		}
		e.Name("text")
		e.Str(r.Text)
		encodeList(e, "words", r.Words, (*TranscriptionWord).encode)
		encodeList(e, "segments", r.Segments, (*TranscriptionSegment).encode)
		optAny(e, "logprobs", r.Logprobs, len(r.Logprobs) > 0)
		encodeTimedUsage(e, r.Usage, r.UsageSeconds)
		e.Members(r.Extra)
		e.EndObject()
	})
}

// UnmarshalJSON reads OpenAI's json, verbose_json and diarized_json.
func (r *TranscriptionResponse) UnmarshalJSON(b []byte) error {
	return unmarshal(b, func(d *jsonx.Decoder) {
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "text":
				r.Text = d.Str()
			case "task":
				r.Task = d.Str()
			case "language":
				r.Language = d.Str()
			case "languages":
				r.Languages = decodeLanguages(d)
			case "duration":
				r.Duration = d.Float()
			case "words":
				r.Words = decodeList(d, nil, (*TranscriptionWord).decode)
			case "segments":
				r.Segments = decodeList(d, nil, (*TranscriptionSegment).decode)
			case "logprobs":
				decodeInto(d, &r.Logprobs)
			case "usage":
				r.Usage, r.UsageSeconds = decodeTimedUsage(d)
			default:
				keepUnlessNull(&r.Extra, d)
			}
		}
	})
}

// encodeLanguages writes a list of objects, each with a code.
func encodeLanguages(e *jsonx.Encoder, codes []string) {
	encodeList(e, "languages", codes, func(code *string, e *jsonx.Encoder) {
		e.Object()
		e.Name("code")
		e.Str(*code)
		e.EndObject()
	})
}

// decodeLanguages reads what encodeLanguages writes; a code may also stand alone.
func decodeLanguages(d *jsonx.Decoder) []string {
	return decodeList(d, nil, func(code *string, d *jsonx.Decoder) {
		if d.Kind() == jsonx.String {
			*code = d.Str()
			return
		}
		for d.Object(); d.More(); {
			if string(d.Key()) == "code" {
				*code = d.Str()
			} else {
				d.Skip()
			}
		}
	})
}

// encodeTimedUsage writes a usage in tokens, in seconds, or, where a host has both, in one object.
func encodeTimedUsage(e *jsonx.Encoder, u *Usage, seconds float64) {
	switch {
	case u == nil && seconds == 0:
	case u == nil:
		e.Name("usage")
		e.Object()
		e.Name("type")
		e.Str("duration")
		e.Name("seconds")
		e.Float(seconds)
		e.EndObject()
	case seconds == 0:
		encodeUsage(e, u)
	default:
		both := *u
		both.Extra = Extra{"seconds": seconds}
		for k, v := range u.Extra {
			both.Extra[k] = v
		}
		encodeUsage(e, &both)
	}
}

func decodeTimedUsage(d *jsonx.Decoder) (*Usage, float64) {
	u := decodeUsage(d)
	if u == nil {
		return nil, 0
	}
	var seconds float64
	if raw, ok := u.Extra["seconds"].(json.RawMessage); ok {
		number := jsonx.NewDecoder(raw)
		seconds = number.Float()
		d.Fail(number.End())
		delete(u.Extra, "seconds")
	}
	tokens := u.Extra.Get("type").Str != "duration"
	delete(u.Extra, "type") // seen from which of the two is set
	if len(u.Extra) == 0 {
		u.Extra = nil
	}
	if !tokens && u.Extra == nil && u.TotalTokens == 0 {
		return nil, seconds
	}
	return u, seconds
}

func (w TranscriptionWord) MarshalJSON() ([]byte, error)     { return marshal(w.encode) }
func (w *TranscriptionWord) UnmarshalJSON(b []byte) error    { return unmarshal(b, w.decode) }
func (s TranscriptionSegment) MarshalJSON() ([]byte, error)  { return marshal(s.encode) }
func (s *TranscriptionSegment) UnmarshalJSON(b []byte) error { return unmarshal(b, s.decode) }

func (w *TranscriptionWord) encode(e *jsonx.Encoder) {
	e.Object()
	e.Name("word")
	e.Str(w.Word)
	e.Name("start")
	e.Float(w.Start)
	e.Name("end")
	e.Float(w.End)
	e.Members(w.Extra)
	e.EndObject()
}

func (w *TranscriptionWord) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "word":
			w.Word = d.Str()
		case "start":
			w.Start = d.Float()
		case "end":
			w.End = d.Float()
		default:
			keepUnlessNull(&w.Extra, d)
		}
	}
}

func (s *TranscriptionSegment) encode(e *jsonx.Encoder) {
	e.Object()
	s.members(e)
	e.EndObject()
}

// members writes a segment of verbose_json or, if there is a speaker or an id that is a text, of diarized_json.
func (s *TranscriptionSegment) members(e *jsonx.Encoder) {
	_, diarized := s.Extra["id"]
	diarized = diarized || s.Speaker != ""
	if !diarized {
		e.Name("id")
		e.Int(s.ID)
		e.Name("seek")
		e.Int(s.Seek)
	}
	e.Name("start")
	e.Float(s.Start)
	e.Name("end")
	e.Float(s.End)
	e.Name("text")
	e.Str(s.Text)
	if !diarized {
		e.Name("tokens")
		encodeInts(e, s.Tokens)
		e.Name("temperature")
		e.Float(s.Temperature)
		e.Name("avg_logprob")
		e.Float(s.AvgLogprob)
		e.Name("compression_ratio")
		e.Float(s.CompressionRatio)
		e.Name("no_speech_prob")
		e.Float(s.NoSpeechProb)
	}
	e.OptStr("speaker", s.Speaker)
	e.Members(s.Extra)
}

func (s *TranscriptionSegment) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		s.member(d)
	}
}

// member reads the member at which d stands.
func (s *TranscriptionSegment) member(d *jsonx.Decoder) {
	switch string(d.Key()) {
	case "id":
		if d.Kind() == jsonx.Number {
			s.ID = d.Int()
		} else {
			keepUnlessNull(&s.Extra, d)
		}
	case "seek":
		s.Seek = d.Int()
	case "start":
		s.Start = d.Float()
	case "end":
		s.End = d.Float()
	case "text":
		s.Text = d.Str()
	case "tokens":
		s.Tokens = nil
		for d.Array(); d.More(); {
			s.Tokens = append(s.Tokens, d.Int())
		}
	case "temperature":
		s.Temperature = d.Float()
	case "avg_logprob":
		s.AvgLogprob = d.Float()
	case "compression_ratio":
		s.CompressionRatio = d.Float()
	case "no_speech_prob":
		s.NoSpeechProb = d.Float()
	case "speaker":
		s.Speaker = d.Str()
	default:
		keepUnlessNull(&s.Extra, d)
	}
}

// The types of a stream's events.
const (
	transcriptDelta   = "transcript.text.delta"
	transcriptSegment = "transcript.text.segment"
	transcriptDone    = "transcript.text.done"
)

// MarshalJSON writes OpenAI's events.
func (c TranscriptionChunk) MarshalJSON() ([]byte, error) {
	return marshal(func(e *jsonx.Encoder) {
		e.Object()
		e.Name("type")
		e.Str(c.Type)
		switch {
		case c.Segment != nil:
			c.Segment.members(e)
		case c.Text != "" || c.Type == transcriptDone:
			e.Name("text")
			e.Str(c.Text)
		}
		if c.Delta != "" || c.Type == transcriptDelta {
			e.Name("delta")
			e.Str(c.Delta)
		}
		e.OptStr("segment_id", c.SegmentID)
		encodeLanguages(e, c.Languages)
		optAny(e, "logprobs", c.Logprobs, len(c.Logprobs) > 0)
		encodeTimedUsage(e, c.Usage, c.UsageSeconds)
		e.Members(c.Extra)
		e.EndObject()
	})
}

// UnmarshalJSON reads OpenAI's events.
func (c *TranscriptionChunk) UnmarshalJSON(b []byte) error {
	if err := unmarshal(b, c.decode); err != nil || c.Type != transcriptSegment {
		return err
	}
	// The event is the segment: what is not of the event, and the text, is the segment's.
	c.Segment = &TranscriptionSegment{}
	c.Text, c.Extra = "", nil
	return unmarshal(b, func(d *jsonx.Decoder) {
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "type", "delta", "segment_id", "languages", "logprobs", "usage":
				d.Skip()
			default:
				c.Segment.member(d)
			}
		}
	})
}

func (c *TranscriptionChunk) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "type":
			c.Type = d.Intern(transcriptDelta)
		case "delta":
			c.Delta = d.Str()
		case "segment_id":
			c.SegmentID = d.Str()
		case "text":
			c.Text = d.Str()
		case "languages":
			c.Languages = decodeLanguages(d)
		case "logprobs":
			decodeInto(d, &c.Logprobs)
		case "usage":
			c.Usage, c.UsageSeconds = decodeTimedUsage(d)
		default:
			keepUnlessNull(&c.Extra, d)
		}
	}
}
