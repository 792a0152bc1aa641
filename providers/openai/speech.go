package openai

import (
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/stream"
)

// newSpeech is "Create speech" of OpenAI's API reference. Streams are the sound itself, piece by piece, as it
// arrives; its end is that of the HTTP body. With StreamFormat "sse" they are events, of which speech.audio.done is
// the last and has the usage.
func newSpeech(q *Quirks) *llm.Op[llm.SpeechRequest, llm.SpeechResponse, llm.SpeechChunk] {
	return &llm.Op[llm.SpeechRequest, llm.SpeechResponse, llm.SpeechChunk]{
		Encode: func(call *llm.Call, req *llm.SpeechRequest) (*http.Request, error) {
			r := *req
			r.Model = q.model(call)
			if err := q.leaveOut(call, plain("instructions", &r.Instructions), plain("response_format", &r.ResponseFormat),
				plain("speed", &r.Speed), plain("stream_format", &r.StreamFormat)); err != nil {
				return nil, err
			}
			if r.Voice != "" && r.VoiceID != "" {
				return nil, llm.InvalidRequest("voice", "set Voice or VoiceID, not both")
			}
			if !call.Stream {
				if speechEvents(call) {
					return nil, llm.InvalidRequest("stream_format", `"sse" is for streams; ask for a stream, or leave it out`)
				}
			}
			body, err := r.AppendJSON(make([]byte, 0, len(r.Input)+len(r.Input)/16+256))
			if err != nil {
				return nil, llm.InvalidRequest("speed", err.Error())
			}
			return call.NewJSONRequest("/audio/speech", body, r.Extra)
		},
		Decode: decodeSpeech,
		Stream: func(call *llm.Call, body io.Reader) llm.Next[llm.SpeechChunk] {
			if !q.drops("speech.stream_format") && speechEvents(call) {
				return speechEventStream(call, body)
			}
			return soundStream(body)
		},
	}
}

// speechEvents says whether the request asks for events.
func speechEvents(call *llm.Call) bool {
	r, ok := call.Request.(*llm.SpeechRequest)
	if !ok {
		return false
	}
	if v, ok := r.Extra["stream_format"]; ok {
		return v == "sse" || r.Extra.Get("stream_format").Str == "sse"
	}
	return r.StreamFormat == "sse"
}

// soundTypes are the media types of the response formats, for hosts that do not name one.
var soundTypes = map[string]string{
	"": "audio/mpeg", "mp3": "audio/mpeg", "opus": "audio/ogg", "aac": "audio/aac", "flac": "audio/flac", "wav": "audio/wav", "pcm": "audio/pcm",
}

func decodeSpeech(call *llm.Call, h http.Header, body []byte) (*llm.SpeechResponse, error) {
	mediaType := h.Get("Content-Type") // its parameters may say at which rate the sound plays
	t, _, _ := mime.ParseMediaType(mediaType)
	switch {
	case t == "application/json" || strings.HasSuffix(t, "+json") || strings.HasPrefix(t, "text/"):
		// Sound is never text: it is an error, or something that is not known.
		return nil, nothing(h, body, "sound: its content type is "+t)
	case len(body) == 0:
		return nil, llm.Malformed("the answer is empty", nil)
	case t == "" || t == "application/octet-stream":
		mediaType = ""
		if r, ok := call.Request.(*llm.SpeechRequest); ok {
			mediaType = soundTypes[r.ResponseFormat]
		}
	}
	return &llm.SpeechResponse{Audio: body, MediaType: mediaType}, nil
}

const (
	speechDelta = "speech.audio.delta"
	speechDone  = "speech.audio.done"
)

func speechEventStream(call *llm.Call, body io.Reader) llm.Next[llm.SpeechChunk] {
	s := &events{call: call, sse: stream.NewSSE(body, call.MaxEventBytes()), last: speechDone}
	return func() (*llm.SpeechChunk, error) {
		c := &llm.SpeechChunk{}
		if err := s.next(c, &c.Type, &c.Extra); err != nil {
			return nil, err
		}
		return c, nil
	}
}

// soundStream hands sound on as it is read. A body that breaks off is a read error of the transport's; the sound
// itself does not tell.
func soundStream(body io.Reader) llm.Next[llm.SpeechChunk] {
	const size = 32 << 10
	var (
		buf   []byte
		err   error
		any   bool
		empty int
	)
	return func() (*llm.SpeechChunk, error) {
		for err == nil {
			if len(buf) < size/8 {
				buf = make([]byte, size)
			}
			var n int
			n, err = body.Read(buf)
			if n == 0 {
				if empty++; empty == 100 && err == nil {
					err = io.ErrNoProgress
				}
				continue
			}
			piece := buf[:n:n] // its own part of the buffer: the next piece comes after it
			buf, empty, any = buf[n:], 0, true
			return &llm.SpeechChunk{Type: speechDelta, Audio: piece}, nil
		}
		if err == io.EOF && !any {
			err = llm.Malformed("the answer is empty", nil)
		}
		return nil, err
	}
}
