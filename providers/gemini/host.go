package gemini

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/llm-go/llm"
)

// Dialect is the origin of the thought signatures and native contents that this package makes and takes back.
const Dialect = "gemini"

// bypass is the signature that the documentation ("Thought signatures", FAQ) names for function calls which Gemini
// did not make itself: the models that insist on signatures let it pass. Of the two texts named there it is the one
// that Vertex AI documents as well.
const bypass = "skip_thought_signature_validator"

const (
	baseURL = "https://generativelanguage.googleapis.com/v1beta"
	// filesURL is what the Files API calls its files, whatever host a request goes to.
	filesURL = baseURL + "/files/"
)

// Host is a host that speaks the dialect. The zero value is the Gemini API; Vertex AI differs in the paths and in
// what it accepts around the common core.
type Host struct {
	// Path is the path of a model's method below the base URL, "/models/gemini-2.5-flash:generateContent" for
	// the method "generateContent". nil: that of the Gemini API.
	Path func(call *llm.Call, method string) string
	// Vertex leaves out what only the Gemini API takes (store, includeServerSideToolInvocations), writes
	// countTokens as Vertex AI wants it, and sends Metadata as labels.
	Vertex bool
}

// Completion is generateContent and streamGenerateContent.
func (h Host) Completion() *llm.Op[llm.CompletionRequest, llm.CompletionResponse, llm.CompletionChunk] {
	return &llm.Op[llm.CompletionRequest, llm.CompletionResponse, llm.CompletionChunk]{
		Encode: h.encodeCompletion, Decode: decodeCompletion, Stream: streamCompletion,
	}
}

// CountTokens is countTokens.
func (h Host) CountTokens() *llm.Op[llm.CountTokensRequest, llm.CountTokensResponse, llm.None] {
	return &llm.Op[llm.CountTokensRequest, llm.CountTokensResponse, llm.None]{
		Encode: h.encodeCountTokens, Decode: decodeCountTokens,
	}
}

// Image is generateContent with pictures as the answer, and predict for Imagen models.
func (h Host) Image() *llm.Op[llm.ImageRequest, llm.ImageResponse, llm.None] {
	return &llm.Op[llm.ImageRequest, llm.ImageResponse, llm.None]{Encode: h.encodeImage, Decode: decodeImage}
}

// ImageEdit is generateContent with pictures in the prompt and as the answer.
func (h Host) ImageEdit() *llm.Op[llm.ImageEditRequest, llm.ImageResponse, llm.None] {
	return &llm.Op[llm.ImageEditRequest, llm.ImageResponse, llm.None]{Encode: h.encodeImageEdit, Decode: decodeImage}
}

// Speech is generateContent with sound as the answer.
func (h Host) Speech() *llm.Op[llm.SpeechRequest, llm.SpeechResponse, llm.SpeechChunk] {
	return &llm.Op[llm.SpeechRequest, llm.SpeechResponse, llm.SpeechChunk]{Encode: h.encodeSpeech, Decode: decodeSpeech}
}

// request makes the POST to a model's method.
func (h Host) request(call *llm.Call, method string, body []byte, extra llm.Extra) (*http.Request, error) {
	path := modelPath
	if h.Path != nil {
		path = h.Path
	}
	return call.NewJSONRequest(path(call, method), body, extra)
}

// modelPath is "/models/NAME:method". A name that says where it belongs ("tunedModels/x") stays as it is.
func modelPath(call *llm.Call, method string) string {
	return version(call) + "/" + resourceName(call.Model, url.PathEscape) + ":" + method
}

// version is the API version where the base URL does not end with one. The variable GOOGLE_GEMINI_BASE_URL and the
// gateways made for the vendor's SDKs leave it out, since the SDKs add it.
func version(call *llm.Call) string {
	base, _, _ := strings.Cut(call.BaseURL, "?")
	_, last, _ := strings.Cut(base, "://")
	if i := strings.LastIndexByte(last, '/'); i >= 0 {
		if last = last[i+1:]; len(last) > 1 && last[0] == 'v' && last[1] >= '1' && last[1] <= '9' {
			return ""
		}
	}
	return "/v1beta"
}

// resourceName is a model's full name, "models/gemini-2.5-flash".
func resourceName(model string, escape func(string) string) string {
	for _, collection := range []string{"models/", "tunedModels/"} {
		if name, ok := strings.CutPrefix(model, collection); ok {
			return collection + escape(name)
		}
	}
	return "models/" + escape(model)
}
