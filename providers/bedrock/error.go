package bedrock

import (
	"net/http"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// readError reads an error answer of Amazon Bedrock Runtime: API reference, the "Errors" section of Converse,
// and "Common Error Types". The type is in the header X-Amzn-ErrorType, or in the body's __type.
func readError(status int, h http.Header, body []byte) *llm.Error {
	var f fault
	f.read(body)
	if t := h.Get("X-Amzn-ErrorType"); t != "" {
		f.kind = t
	}
	return f.error(status)
}

// fault is what a body or an exception of the event stream says.
type fault struct {
	kind     string
	message  string
	original int // originalStatusCode: what the model's own server answered
}

func (f *fault) read(body []byte) {
	var d jsonx.Decoder
	d.Reset(body)
	if d.Kind() != jsonx.Object {
		return
	}
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "message", "Message", "errorMessage":
			f.message = scalar(&d)
		case "__type", "code", "errorType":
			f.kind = scalar(&d)
		case "originalStatusCode":
			if f.original = 0; d.Kind() == jsonx.Number {
				f.original = d.Int()
			} else {
				d.Skip()
			}
		default:
			d.Skip()
		}
	}
}

// scalar is a text, "" for an array or object.
func scalar(d *jsonx.Decoder) string {
	if k := d.Kind(); k == jsonx.Array || k == jsonx.Object {
		d.Skip()
		return ""
	}
	return d.Str()
}

func (f *fault) error(status int) *llm.Error {
	// "com.amazon.coral.service#ThrottlingException", "ThrottlingException:http://internal.amazon.com/…", and
	// "throttlingException" in event streams are one name.
	name := f.kind[strings.LastIndexByte(f.kind, '#')+1:]
	name, _, _ = strings.Cut(name, ":")
	if name != "" {
		name = strings.ToUpper(name[:1]) + name[1:]
	}
	known, ok := exceptions[name]
	if status == 0 && ok {
		status = known.status
	}
	e := llm.StatusError(status)
	e.Type, e.Message = name, f.message
	if ok {
		e.SetKind(known.kind)
		if known.scope != "" {
			e.Scope = known.scope
		}
	}
	text := strings.ToLower(f.message)
	switch name {
	case "ModelErrorException", "ModelStreamErrorException":
		// The model's own server refused: what it answered says more than 424 does.
		if f.original >= 400 && f.original <= 499 {
			o := llm.StatusError(f.original)
			e.Kind, e.Scope, e.Temporary = o.Kind, o.Scope, o.Temporary
		}
		refineInvalid(e, text)
	case "ValidationException":
		refineInvalid(e, text)
	case "ThrottlingException":
		if strings.Contains(text, "per day") {
			e.SetKind(llm.ErrQuota)
		}
	case "AccessDeniedException":
		// A wrong API key is denied rather than unauthenticated.
		if strings.Contains(text, "authentication failed") || strings.Contains(text, "api key") {
			e.SetKind(llm.ErrAuthentication)
		}
	}
	return e
}

type meaning struct {
	status int // of the exception where it comes inside an event stream
	kind   llm.ErrorKind
	scope  llm.Scope // "": the kind's own
}

// exceptions are the named errors: Amazon Bedrock API reference, Converse and ConverseStream, "Errors" and
// ConverseStreamOutput; AWS's common errors for what concerns the signature.
var exceptions = map[string]meaning{
	"ValidationException":                 {400, llm.ErrInvalidRequest, ""},
	"ServiceQuotaExceededException":       {400, llm.ErrQuota, ""},
	"AccessDeniedException":               {403, llm.ErrPermission, ""},
	"ResourceNotFoundException":           {404, llm.ErrNotFound, ""},
	"ConflictException":                   {400, llm.ErrConflict, llm.ScopeRequest},
	"ModelTimeoutException":               {408, llm.ErrTimeout, llm.ScopeRoute},
	"ModelErrorException":                 {424, llm.ErrServer, ""},
	"ModelStreamErrorException":           {424, llm.ErrServer, ""},
	"ThrottlingException":                 {429, llm.ErrRateLimit, ""},
	"TooManyRequestsException":            {429, llm.ErrRateLimit, ""},
	"ModelNotReadyException":              {429, llm.ErrOverloaded, ""},
	"InternalServerException":             {500, llm.ErrServer, ""},
	"InternalFailure":                     {500, llm.ErrServer, ""},
	"ServiceUnavailableException":         {503, llm.ErrOverloaded, ""},
	"ServiceUnavailable":                  {503, llm.ErrOverloaded, ""},
	"ExpiredTokenException":               {403, llm.ErrAuthentication, ""},
	"ExpiredToken":                        {403, llm.ErrAuthentication, ""},
	"UnrecognizedClientException":         {403, llm.ErrAuthentication, ""},
	"InvalidSignatureException":           {403, llm.ErrAuthentication, ""},
	"SignatureDoesNotMatch":               {403, llm.ErrAuthentication, ""},
	"IncompleteSignature":                 {403, llm.ErrAuthentication, ""},
	"IncompleteSignatureException":        {403, llm.ErrAuthentication, ""},
	"InvalidClientTokenId":                {403, llm.ErrAuthentication, ""},
	"MissingAuthenticationToken":          {403, llm.ErrAuthentication, ""},
	"MissingAuthenticationTokenException": {403, llm.ErrAuthentication, ""},
	"RequestExpired":                      {400, llm.ErrAuthentication, ""},
	"OptInRequired":                       {403, llm.ErrPermission, ""},
	"UnknownOperationException":           {404, llm.ErrUnsupported, ""},
}

// contextTexts are how the models behind Bedrock say that a prompt does not fit; all in ValidationException.
var contextTexts = []string{
	"input is too long for requested model",
	"prompt is too long",
	"exceed context limit",
	"too many total text bytes",
	"maximum context length",
	"too many input tokens",
	"exceeds the maximum number of tokens",
}

func refineInvalid(e *llm.Error, text string) {
	for _, t := range contextTexts {
		if strings.Contains(text, t) {
			e.SetKind(llm.ErrContextWindow)
			return
		}
	}
	switch {
	case strings.Contains(text, "content filtering policy"), strings.Contains(text, "blocked by our content filter"):
		e.SetKind(llm.ErrContentPolicy)
	case strings.Contains(text, "model identifier is invalid"):
		e.SetKind(llm.ErrNotFound)
	}
}
