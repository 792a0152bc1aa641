package openai

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// Error reads an error answer in OpenAI's shape (API reference, "Error codes"), or in one of the shapes of servers
// that borrow the dialect: vLLM's and FastAPI's, TGI's, llama.cpp's, lists, bare texts. It is the Provider.Error of
// every host made by [New]; the same reader serves errors inside a 200.
func Error(status int, _ http.Header, body []byte) *llm.Error {
	w := wireError{loose: true}
	w.parse(body)
	return w.classify(status)
}

// bodyError reads the error that a 2xx body or an event carries; nil if it carries none. Its status is the one it
// names.
func bodyError(_ http.Header, body []byte) *llm.Error {
	var w wireError
	if !w.parse(body) {
		return nil
	}
	return w.classify(w.status)
}

// bodyErrorOr is bodyError for a body that is known to carry an error.
func bodyErrorOr(h http.Header, body []byte) *llm.Error {
	if e := bodyError(h, body); e != nil {
		return e
	}
	return llm.Malformed("the answer carries an error in a form that is not known", nil)
}

// carriesError says whether the value of a member "error" is one: some hosts send it empty with each answer.
func carriesError(raw json.RawMessage) bool {
	switch string(bytes.TrimSpace(raw)) {
	case "", "null", `""`, "{}", "[]", "false", "0":
		return false
	}
	return true
}

// failedFinish are finish reasons by which hosts say that generation failed: the answer is not complete, although
// it ended. "error" is Mistral's and OpenRouter's, "abort" vLLM's and SGLang's, "network_error" Z.AI's,
// "insufficient_system_resource" DeepSeek's.
var failedFinish = map[string]llm.ErrorKind{
	"error":                        llm.ErrServer,
	"abort":                        llm.ErrServer,
	"network_error":                llm.ErrServer,
	"insufficient_system_resource": llm.ErrOverloaded,
}

// choiceError is the error of a choice whose generation failed; nil if it did not.
func choiceError(h http.Header, finish string, extra llm.Extra) *llm.Error {
	if raw, ok := extra["error"].(json.RawMessage); ok && carriesError(raw) {
		if e := bodyError(h, append(append([]byte(`{"error":`), raw...), '}')); e != nil {
			return e
		}
	}
	kind, failed := failedFinish[finish]
	if !failed {
		return nil
	}
	e := &llm.Error{Code: finish, Message: "generation failed with finish_reason " + finish}
	e.SetKind(kind)
	return e
}

// wireError is what the shapes have in common.
type wireError struct {
	message, typ, code, param string
	status                    int           // a status that the body names
	wait                      time.Duration // a wait that it names as a number
	hidden                    string        // text that helps to classify but is not for the message
	loose                     bool          // the status says that it is an error: members alone need not
}

// parse says whether the body is an error.
func (w *wireError) parse(body []byte) bool {
	body = bytes.TrimSpace(body)
	d := jsonx.NewDecoder(body)
	var found bool
	switch d.Kind() {
	case jsonx.Object:
		found = w.object(d)
	case jsonx.Array: // [{"error": …}], Google's streams
		for d.Array(); d.More(); {
			if d.Kind() == jsonx.Object && !found {
				found = w.object(d)
			} else {
				d.Skip()
			}
		}
	case jsonx.String:
		w.message, found = d.Str(), w.loose
	default:
		if w.loose && len(body) > 0 && body[0] != '<' { // a proxy's text; not a page
			w.message = firstLine(body)
		}
		return w.loose
	}
	if d.Err() != nil {
		return w.loose
	}
	return found
}

// object reads an error object, or one that holds an error.
func (w *wireError) object(d *jsonx.Decoder) bool {
	var found, named bool
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "error", "errors", "detail":
			found = w.value(d) || found
		case "object", "type":
			s := d.Str()
			if s == "error" {
				named = true
			} else if w.typ == "" {
				w.typ = s
			}
		case "error_type", "status_text":
			w.typ = d.Str()
		case "message", "msg", "error_message", "error_msg":
			w.text(d)
		case "code", "error_code", "status", "status_code", "statusCode":
			w.number(d)
		case "param":
			if s := scalarText(d); s != "" {
				w.param = s
			}
		case "estimated_time": // Hugging Face: seconds until the model is loaded
			if d.Kind() == jsonx.Number {
				w.wait = time.Duration(d.Float() * float64(time.Second))
			} else {
				d.Skip()
			}
		case "base_resp": // MiniMax
			found = w.baseResp(d) || found
		case "choices", "id", "usage":
			d.Skip()
			if !found && !named {
				w.code = "" // an answer's own members say nothing about an error
			}
		default:
			d.Skip()
		}
	}
	return found || named || w.message != "" && (w.loose || w.code != "" || w.status != 0)
}

// value reads what stands under "error" and its like: an object, a text, or a list of either.
func (w *wireError) value(d *jsonx.Decoder) bool {
	switch d.Kind() {
	case jsonx.Null, jsonx.Bool, jsonx.Number:
		d.Skip()
		return false
	case jsonx.String:
		s := d.Str()
		if w.message == "" {
			w.message = s
		} else {
			w.hidden += " " + s
		}
		return s != ""
	case jsonx.Array:
		found := false
		for d.Array(); d.More(); {
			found = w.value(d) || found
		}
		return found
	}
	empty := true
	for d.Object(); d.More(); {
		empty = false
		switch string(d.Key()) {
		case "message", "msg", "detail", "error", "reason":
			w.text(d)
		case "type":
			if s := scalarText(d); s != "" {
				w.typ = s
			}
		case "code", "status", "status_code", "http_code", "http_status_code":
			w.number(d)
		case "param":
			if s := scalarText(d); s != "" {
				w.param = s
			}
		case "loc": // FastAPI: where the field is
			var path []string
			for d.Array(); d.More(); {
				path = append(path, scalarText(d))
			}
			if len(path) > 1 && path[0] == "body" {
				path = path[1:]
			}
			if w.param == "" {
				w.param = strings.Join(path, ".")
			}
		case "metadata", "innererror": // OpenRouter's upstream text; Azure's filter
			w.hidden += " " + string(d.Raw())
		default:
			d.Skip()
		}
	}
	return !empty
}

// text reads a message, which may itself be an object or a list.
func (w *wireError) text(d *jsonx.Decoder) {
	if d.Kind() == jsonx.Object || d.Kind() == jsonx.Array {
		w.value(d)
		return
	}
	if s := d.Str(); s != "" {
		if w.message == "" {
			w.message = s
		} else {
			w.hidden += " " + s
		}
	}
}

// number reads a code, which is a status if it looks like one.
func (w *wireError) number(d *jsonx.Decoder) {
	s := scalarText(d)
	if n, err := strconv.Atoi(s); err == nil && n >= 400 && n <= 599 {
		w.status = n
		return
	}
	if s != "" && w.code == "" {
		w.code = s
	}
}

// baseResp reads MiniMax's envelope, which comes with each answer; 0 is success.
func (w *wireError) baseResp(d *jsonx.Decoder) bool {
	if d.Kind() != jsonx.Object {
		d.Skip()
		return false
	}
	code, text := "", ""
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "status_code":
			code = scalarText(d)
		case "status_msg":
			text = scalarText(d)
		default:
			d.Skip()
		}
	}
	if code == "" || code == "0" {
		return false
	}
	w.code, w.message = "base_resp "+code, text
	return true
}

// scalarText reads any scalar as text, and passes over the rest.
func scalarText(d *jsonx.Decoder) string {
	if k := d.Kind(); k == jsonx.Object || k == jsonx.Array {
		d.Skip()
		return ""
	}
	return d.Str()
}

func firstLine(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte("\n"))
	return string(bytes.TrimSpace(b))
}

// classify makes the error: by its status, then by its own type and code, then by its text.
func (w *wireError) classify(status int) *llm.Error {
	e := llm.StatusError(status)
	e.Type, e.Code, e.Param, e.Message = w.typ, w.code, w.param, w.message
	if kind, ok := kindOf(w.code, status); ok {
		e.SetKind(kind)
	} else if kind, ok := kindOf(w.typ, status); ok {
		e.SetKind(kind)
	}
	text := strings.ToLower(w.message + w.hidden)
	for i := range texts {
		if t := &texts[i]; t.applies(e.Kind) && t.matches(text) {
			e.SetKind(t.kind)
			break
		}
	}
	if e.Kind == llm.ErrRateLimit && strings.HasPrefix(text, "request too large") {
		// One request above the whole limit for a minute: waiting does not help, a key with a higher limit does.
		e.Temporary = false
	} else if e.Temporary {
		e.RetryAfter = w.wait
		if e.RetryAfter == 0 {
			e.RetryAfter = waitIn(text)
		}
	}
	return e
}

// kindOf looks a type or code up. A general word counts only where the status says nothing.
func kindOf(word string, status int) (llm.ErrorKind, bool) {
	if word == "" {
		return "", false
	}
	word = strings.ToLower(word)
	if kind, ok := words[word]; ok {
		return kind, true
	}
	if status < 400 {
		kind, ok := generalWords[word]
		return kind, ok
	}
	return "", false
}

// words are types and codes that say more than the status.
var words = map[string]llm.ErrorKind{
	"context_length_exceeded":   llm.ErrContextWindow, // OpenAI, Groq, Cerebras, LiteLLM …
	"exceed_context_size_error": llm.ErrContextWindow, // llama.cpp
	"1261":                      llm.ErrContextWindow, // Z.AI
	"base_resp 1039":            llm.ErrContextWindow, // MiniMax

	"content_policy_violation":     llm.ErrContentPolicy, // OpenAI images
	"content_filter":               llm.ErrContentPolicy, // Azure, Moonshot
	"responsibleaipolicyviolation": llm.ErrContentPolicy, // Azure
	"moderation_blocked":           llm.ErrContentPolicy, // OpenAI images
	"data_inspection_failed":       llm.ErrContentPolicy, // DashScope
	"datainspectionfailed":         llm.ErrContentPolicy,
	"1301":                         llm.ErrContentPolicy, // Z.AI
	"base_resp 1026":               llm.ErrContentPolicy, // MiniMax, input
	"base_resp 1027":               llm.ErrContentPolicy, // MiniMax, output

	"insufficient_quota":           llm.ErrQuota, // OpenAI
	"billing_hard_limit_reached":   llm.ErrQuota, // OpenAI
	"exceeded_current_quota_error": llm.ErrQuota, // Moonshot
	"quota_exceeded":               llm.ErrQuota,
	"insufficient_balance":         llm.ErrQuota,
	"insufficient_credits":         llm.ErrQuota,
	"arrearage":                    llm.ErrQuota, // DashScope
	"1113":                         llm.ErrQuota, // Z.AI
	"base_resp 1008":               llm.ErrQuota, // MiniMax
	"billing_not_active":           llm.ErrBilling,

	"invalid_api_key":              llm.ErrAuthentication,
	"incorrect_api_key_error":      llm.ErrAuthentication, // Moonshot
	"invalid_authentication_error": llm.ErrAuthentication, // Moonshot
	"invalid_authentication":       llm.ErrAuthentication,
	"account_deactivated":          llm.ErrAuthentication,
	"base_resp 1004":               llm.ErrAuthentication, // MiniMax
	"base_resp 2049":               llm.ErrAuthentication,

	"unsupported_country_region_territory": llm.ErrPermission,

	"model_not_found":          llm.ErrNotFound,
	"model_not_exist":          llm.ErrNotFound,
	"model_not_available":      llm.ErrNotFound,
	"model_decommissioned":     llm.ErrNotFound, // Groq
	"deploymentnotfound":       llm.ErrNotFound, // Azure
	"unknown_model":            llm.ErrNotFound, // GitHub
	"resource_not_found_error": llm.ErrNotFound, // Moonshot
	"1211":                     llm.ErrNotFound, // Z.AI

	"rate_limit_exceeded":      llm.ErrRateLimit,
	"rate_limit_reached_error": llm.ErrRateLimit, // Moonshot
	"throttling.ratequota":     llm.ErrRateLimit, // DashScope
	"limit_requests":           llm.ErrRateLimit, // DashScope
	"base_resp 1002":           llm.ErrRateLimit, // MiniMax

	"engine_overloaded":       llm.ErrOverloaded,
	"engine_overloaded_error": llm.ErrOverloaded, // Moonshot, with status 429
	"overloaded_error":        llm.ErrOverloaded,
	"overloaded":              llm.ErrOverloaded, // TGI
	"unavailable_error":       llm.ErrOverloaded, // llama.cpp, while it loads
	"1305":                    llm.ErrOverloaded, // Z.AI
	"base_resp 1000":          llm.ErrServer,     // MiniMax
	"base_resp 1001":          llm.ErrServer,
	"base_resp 1013":          llm.ErrServer,
	"base_resp 2013":          llm.ErrInvalidRequest,

	"unsupported_parameter": llm.ErrUnsupportedParam,
	"unsupported_value":     llm.ErrUnsupportedParam,
	"extra_forbidden":       llm.ErrUnsupportedParam, // FastAPI

	"request_too_large": llm.ErrTooLarge,
}

// generalWords say what a status would say.
var generalWords = map[string]llm.ErrorKind{
	"invalid_request_error": llm.ErrInvalidRequest,
	"invalid_request":       llm.ErrInvalidRequest,
	"badrequesterror":       llm.ErrInvalidRequest, // vLLM
	"validation_error":      llm.ErrInvalidRequest,
	"validation":            llm.ErrInvalidRequest, // TGI
	"authentication_error":  llm.ErrAuthentication,
	"permission_error":      llm.ErrPermission,
	"not_found_error":       llm.ErrNotFound,
	"notfounderror":         llm.ErrNotFound,
	"rate_limit_error":      llm.ErrRateLimit,
	"ratelimiterror":        llm.ErrRateLimit,
	"too_many_requests":     llm.ErrRateLimit,
	"requests":              llm.ErrRateLimit, // OpenAI: which limit
	"tokens":                llm.ErrRateLimit,
	"server_error":          llm.ErrServer,
	"internal_server_error": llm.ErrServer,
	"internalservererror":   llm.ErrServer,
	"internal_error":        llm.ErrServer,
	"api_error":             llm.ErrServer,
	"generation":            llm.ErrServer, // TGI
	"service_unavailable":   llm.ErrOverloaded,
	"timeout":               llm.ErrTimeout,
}

// textRule is a documented message text: a part of it, in lower case, or several with "…" between them.
type textRule struct {
	kind  llm.ErrorKind
	among []llm.ErrorKind // the kinds that it refines
	parts []string
}

func (t *textRule) applies(kind llm.ErrorKind) bool {
	for _, k := range t.among {
		if k == kind {
			return true
		}
	}
	return false
}

func (t *textRule) matches(text string) bool {
	for _, p := range t.parts {
		first, second, _ := strings.Cut(p, "…")
		if i := strings.Index(text, first); i >= 0 && strings.Contains(text[i+len(first):], second) {
			return true
		}
	}
	return false
}

var (
	refusals = []llm.ErrorKind{llm.ErrInvalidRequest, llm.ErrUnknown}
	anyCheap = []llm.ErrorKind{llm.ErrInvalidRequest, llm.ErrUnknown, llm.ErrServer, llm.ErrTooLarge}
)

// texts, first match wins.
var texts = []textRule{
	{llm.ErrAuthentication, []llm.ErrorKind{llm.ErrInvalidRequest, llm.ErrPermission, llm.ErrUnknown}, []string{
		"incorrect api key", // xAI, with status 400
		"invalid api key",
		"api key not valid", // Google
		"api key is invalid",
	}},
	{llm.ErrContextWindow, anyCheap, []string{
		"maximum context length",                               // OpenAI, vLLM, OpenRouter, Mistral
		"maximum prompt length",                                // xAI
		"context length exceeded",                              //
		"exceeds the context length",                           // Ollama
		"exceeds the available context",                        // llama.cpp
		"exceeds the context window",                           //
		"context window exceeds limit",                         // MiniMax
		"exceed context limit",                                 // Anthropic's models
		"exceeds the model's max",                              //
		"prompt is too long",                                   // Fireworks, Anthropic's models
		"prompt too long",                                      //
		"input is too long",                                    // Bedrock's models
		"exceeds max length",                                   // Z.AI
		"exceeded model token limit",                           // Moonshot
		"reduce the length of the",                             // OpenAI, Groq
		"range of input length should be",                      // DashScope
		"`inputs` tokens + `max_new_tokens` must be",           // TGI
		"input validation error: `inputs` must have less than", // TGI
		"longer than the maximum model length",                 // vLLM
		"longest supported",                                    //
		"context the overflows",                                // LM Studio
		"greater than the context length",                      // LM Studio
		"too many tokens",                                      //
	}},
	{llm.ErrContentPolicy, []llm.ErrorKind{llm.ErrInvalidRequest, llm.ErrPermission, llm.ErrUnknown}, []string{
		"content management policy", // Azure
		"content policy",
		"content_filter",
		"safety system",             // OpenAI
		"violating our usage polic", // OpenAI, reasoning models
		"usage policies",            // OpenAI
		"usage guidelines",          // xAI
		"your input was flagged",    // OpenRouter
		"content exists risk",       // DeepSeek
		"considered high risk",      // Moonshot
		"inappropriate content",     // DashScope
		"potentially sensitive",     //
		"unsafe or sensitive",       // Z.AI
	}},
	{llm.ErrQuota, []llm.ErrorKind{llm.ErrRateLimit, llm.ErrPermission, llm.ErrInvalidRequest, llm.ErrUnknown}, []string{
		"exceeded your current quota",
		"exceeded your monthly included credits", // Hugging Face
		"insufficient balance",
		"insufficient credit",
		"insufficient funds",
		"requires more credits", // OpenRouter
		"not enough credits",
		"out of credits",
		"doesn't have any credits", // xAI
		"used all available credits",
		"credit balance is too low",
		"spending limit",
		"in arrears",
	}},
	{llm.ErrOverloaded, []llm.ErrorKind{llm.ErrRateLimit, llm.ErrServer, llm.ErrUnknown}, []string{
		"engine is currently overloaded",
		"model is overloaded", // Google, OpenRouter
		"model is currently overloaded",
		"servers are currently overloaded",
		"currently loading", // Hugging Face
		"no instances available",
		"over capacity", // Groq
		"at capacity",
	}},
	{llm.ErrNotFound, refusals, []string{
		"model…does not exist",
		"model not exist", // DeepSeek
		"model not found",
		"model…not found",          // Ollama, vLLM
		"is not a valid model",     // OpenRouter
		"invalid model:",           // Mistral
		"unknown model",            //
		"model…is not supported",   // DashScope
		"unable to access model",   // Together
		"model…has been decommiss", // Groq
	}},
	{llm.ErrUnsupportedParam, refusals, []string{
		"unsupported parameter",
		"unsupported value",
		"not supported with this model",
		"argument not supported on this model", // xAI
		"unrecognized request argument",        // OpenAI
		"extra inputs are not permitted",       // FastAPI
		"is unsupported",                       // Groq
	}},
}

var waitPhrases = []string{"try again in ", "retry after ", "retry in ", "try again after ", "wait ", "available in "}

// waitIn reads the wait that a text asks for: "Please try again in 1m6.2s.", "retry after 20 seconds".
func waitIn(text string) time.Duration {
	for _, phrase := range waitPhrases {
		for rest, found := text, true; ; {
			if _, rest, found = strings.Cut(rest, phrase); !found {
				break
			}
			if d := leadingWait(strings.TrimPrefix(rest, "about ")); d > 0 {
				return d
			}
		}
	}
	return 0
}

// leadingWait reads "1m6.2s", "20ms", "20 seconds" or "1.5 minutes" at the start of s; 0 if there is nothing like it.
func leadingWait(s string) time.Duration {
	end := strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune("0123456789.hms", r) })
	if end < 0 {
		end = len(s)
	}
	if d, err := time.ParseDuration(strings.TrimRight(s[:end], ".")); err == nil {
		return d
	}
	number := s[:len(s)-len(strings.TrimLeft(s, "0123456789."))]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0
	}
	var unit time.Duration
	switch word := strings.TrimPrefix(s[len(number):], " "); {
	case strings.HasPrefix(word, "milli"):
		unit = time.Millisecond
	case strings.HasPrefix(word, "sec"):
		unit = time.Second
	case strings.HasPrefix(word, "min"):
		unit = time.Minute
	case strings.HasPrefix(word, "hour"):
		unit = time.Hour
	}
	const most = 10 * 365 * 24 * time.Hour // more is no wait, and would overflow
	if unit == 0 || n > float64(most)/float64(unit) {
		return 0
	}
	return time.Duration(n * float64(unit))
}

// responseStatus is the status that a failed response's code stands for (API reference, "The response object",
// error.code): the API answers with it where the request fails before the response is made.
var responseStatus = map[string]int{
	"server_error":         http.StatusInternalServerError,
	"vector_store_timeout": http.StatusGatewayTimeout,
	"rate_limit_exceeded":  http.StatusTooManyRequests,
	"too_many_requests":    http.StatusTooManyRequests,
	"insufficient_quota":   http.StatusTooManyRequests,

	"invalid_prompt":                 http.StatusBadRequest,
	"invalid_request_error":          http.StatusBadRequest,
	"context_length_exceeded":        http.StatusBadRequest,
	"data_residency_mismatch":        http.StatusBadRequest,
	"bio_policy":                     http.StatusBadRequest,
	"cyber_policy":                   http.StatusBadRequest,
	"invalid_image":                  http.StatusBadRequest,
	"invalid_image_format":           http.StatusBadRequest,
	"invalid_base64_image":           http.StatusBadRequest,
	"invalid_image_url":              http.StatusBadRequest,
	"image_too_large":                http.StatusBadRequest,
	"image_too_small":                http.StatusBadRequest,
	"image_parse_error":              http.StatusBadRequest,
	"image_content_policy_violation": http.StatusBadRequest,
	"invalid_image_mode":             http.StatusBadRequest,
	"image_file_too_large":           http.StatusBadRequest,
	"unsupported_image_media_type":   http.StatusBadRequest,
	"empty_image_file":               http.StatusBadRequest,
	"failed_to_download_image":       http.StatusBadRequest,
	"image_file_not_found":           http.StatusBadRequest,
}

// responseWords are codes of failed responses that say more than their status.
var responseWords = map[string]llm.ErrorKind{
	"bio_policy":                     llm.ErrContentPolicy,
	"cyber_policy":                   llm.ErrContentPolicy,
	"image_content_policy_violation": llm.ErrContentPolicy,
}

// responseError is the error of a response with status "failed".
func responseError(x *llm.ResponsesError) *llm.Error {
	if x == nil {
		e := &llm.Error{Message: "the response failed, and does not say why"}
		e.SetKind(llm.ErrServer)
		return e
	}
	w := wireError{code: x.Code, message: x.Message}
	return w.failed()
}

// eventError is the error that an event of a stream of responses carries: beside its type, as the reference has it,
// or under "error", as it is sent too.
func eventError(data []byte) *llm.Error {
	var w wireError
	if !w.parse(data) {
		return llm.Malformed("the answer carries an error in a form that is not known", nil)
	}
	return w.failed()
}

// failed classifies by the code's status, if the error names none.
func (w *wireError) failed() *llm.Error {
	if w.status == 0 {
		w.status = responseStatus[w.code]
	}
	if w.status == 0 {
		w.status = responseStatus[w.typ]
	}
	e := w.classify(w.status)
	if kind, ok := responseWords[w.code]; ok {
		e.SetKind(kind)
	}
	return e
}
