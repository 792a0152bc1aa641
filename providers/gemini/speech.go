package gemini

import (
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strconv"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// encodeSpeech asks a model that answers with sound ("Speech generation"). Gemini sends raw samples of 16 bits; for "wav",
// which is the default, a header is put in front of them, and "pcm" is the samples alone. Instructions are said in front
// of the text, as the guide does: "Say cheerfully: Have a wonderful day!".
func (h Host) encodeSpeech(call *llm.Call, req *llm.SpeechRequest) (*http.Request, error) {
	switch req.ResponseFormat {
	case "", "wav", "pcm":
	default:
		if err := call.Unsupported("response_format", "Gemini speaks wav and pcm"); err != nil {
			return nil, err
		}
	}
	if req.Speed != 0 {
		if err := call.Unsupported("speed", "say in Instructions how fast to speak"); err != nil {
			return nil, err
		}
	}
	if req.Input == "" {
		return nil, llm.InvalidRequest("input", "there is nothing to say")
	}
	text := req.Input
	if req.Instructions != "" {
		text = strings.TrimRight(req.Instructions, ": \n") + ": " + text
	}
	var e jsonx.Encoder
	e.Object()
	e.Name("contents")
	e.Array()
	e.Object()
	e.Name("role")
	e.Str("user")
	e.Name("parts")
	e.Array()
	e.Object()
	e.Name("text")
	e.Str(text)
	e.EndObject()
	e.EndArray()
	e.EndObject()
	e.EndArray()
	e.Name("generationConfig")
	e.Object()
	e.Strs("responseModalities", []string{"AUDIO"})
	writeVoice(&e, req.Voice)
	e.EndObject()
	e.EndObject()
	return h.request(call, "generateContent", e.B, req.Extra)
}

func decodeSpeech(call *llm.Call, h http.Header, body []byte) (*llm.SpeechResponse, error) {
	a, err := readAnswer(call, h, body)
	if err != nil {
		return nil, err
	}
	t := &a.turns[0]
	if t.audio == nil {
		e := &llm.Error{Code: t.finish, Message: "the model did not speak"}
		e.SetKind(llm.ErrProtocol)
		if finishReason(t.finish) == llm.FinishContentFilter {
			e.SetKind(llm.ErrContentPolicy)
		}
		return nil, e
	}
	sound, err := base64.StdEncoding.DecodeString(t.audio.Data)
	if err != nil {
		return nil, llm.Malformed("the sound is not in base64", err)
	}
	mime, _ := t.audio.Extra["mime_type"].(string)
	r := &llm.SpeechResponse{Audio: sound, MediaType: mime}
	r.Usage, _ = a.usage()
	format := ""
	if req, ok := call.Request.(*llm.SpeechRequest); ok {
		format = req.ResponseFormat
	}
	if rate, ok := samples(mime); ok && format != "pcm" {
		r.Audio, r.MediaType = wav(sound, rate), "audio/wav"
	}
	return r, nil
}

// samples says whether a media type is that of raw samples ("audio/L16;codec=pcm;rate=24000") and gives their rate.
func samples(mime string) (rate int, ok bool) {
	kind, params, _ := strings.Cut(mime, ";")
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case "audio/l16", "audio/pcm":
	default:
		return 0, false
	}
	rate = 24000
	for _, p := range strings.Split(params, ";") {
		if v, isRate := strings.CutPrefix(strings.TrimSpace(p), "rate="); isRate {
			if n, err := strconv.Atoi(v); err == nil && n > 0 {
				rate = n
			}
		}
	}
	return rate, true
}

// wav is samples of 16 bits, one channel, as a RIFF file.
func wav(pcm []byte, rate int) []byte {
	const header = 44
	b := make([]byte, 0, header+len(pcm))
	b = append(b, "RIFF"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(header-8+len(pcm)))
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, 16)
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = binary.LittleEndian.AppendUint32(b, uint32(rate))
	b = binary.LittleEndian.AppendUint32(b, uint32(2*rate))
	b = binary.LittleEndian.AppendUint16(b, 2)
	b = binary.LittleEndian.AppendUint16(b, 16)
	b = append(b, "data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(pcm)))
	return append(b, pcm...)
}
