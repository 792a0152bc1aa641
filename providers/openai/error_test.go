package openai

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/llm-go/llm"
)

// TestErrorCorpus reads error bodies as their hosts document them, or as their users report them.
func TestErrorCorpus(t *testing.T) {
	const (
		request = llm.ScopeRequest
		key     = llm.ScopeKey
		route   = llm.ScopeRoute
	)
	for _, c := range []struct {
		name   string
		status int
		body   string
		kind   llm.ErrorKind
		scope  llm.Scope
		temp   bool
		wait   time.Duration
	}{
		// OpenAI
		{"openai key", 401, `{"error":{"message":"Incorrect API key provided: sk-abc***. You can find your API key at https://platform.openai.com/account/api-keys.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`, llm.ErrAuthentication, key, false, 0},
		{"openai country", 403, `{"error":{"code":"unsupported_country_region_territory","message":"Country, region, or territory not supported","param":null,"type":"request_forbidden"}}`, llm.ErrPermission, key, false, 0},
		{"openai model", 404, `{"error":{"message":"The model ` + "`gpt-9`" + ` does not exist or you do not have access to it.","type":"invalid_request_error","param":null,"code":"model_not_found"}}`, llm.ErrNotFound, request, false, 0},
		{"openai context", 400, `{"error":{"message":"This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`, llm.ErrContextWindow, request, false, 0},
		{"openai too long string", 400, `{"error":{"message":"Invalid 'messages[0].content': string too long. Expected a string with maximum length 10485760, but got a string with length 11000000 instead.","type":"invalid_request_error","param":"messages[0].content","code":"string_above_max_length"}}`, llm.ErrInvalidRequest, request, false, 0},
		{"openai rpm", 429, `{"error":{"message":"Rate limit reached for gpt-4o in organization org-x on requests per min (RPM): Limit 500, Used 500, Requested 1. Please try again in 120ms. Visit https://platform.openai.com/account/rate-limits to learn more.","type":"requests","param":null,"code":"rate_limit_exceeded"}}`, llm.ErrRateLimit, key, true, 120 * time.Millisecond},
		{"openai rpd", 429, `{"error":{"message":"Rate limit reached for gpt-4o on requests per day (RPD): Limit 200, Used 200, Requested 1. Please try again in 7m12s.","type":"requests","param":null,"code":"rate_limit_exceeded"}}`, llm.ErrRateLimit, key, true, 7*time.Minute + 12*time.Second},
		{"openai one request above tpm", 429, `{"error":{"message":"Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 45000. The input or output tokens must be reduced in order to run successfully.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}`, llm.ErrRateLimit, key, false, 0},
		{"openai quota", 429, `{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`, llm.ErrQuota, key, false, 0},
		{"openai hard limit", 400, `{"error":{"code":"billing_hard_limit_reached","message":"Billing hard limit has been reached","param":null,"type":"invalid_request_error"}}`, llm.ErrQuota, key, false, 0},
		{"openai parameter", 400, `{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}`, llm.ErrUnsupportedParam, request, false, 0},
		{"openai value", 400, `{"error":{"message":"Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.","type":"invalid_request_error","param":"temperature","code":"unsupported_value"}}`, llm.ErrUnsupportedParam, request, false, 0},
		{"openai unknown member", 400, `{"error":{"message":"Unrecognized request argument supplied: foo","type":"invalid_request_error","param":null,"code":null}}`, llm.ErrUnsupportedParam, request, false, 0},
		{"openai policy", 400, `{"error":{"message":"Your request was rejected as a result of our safety system.","type":"image_generation_user_error","param":null,"code":"moderation_blocked"}}`, llm.ErrContentPolicy, request, false, 0},
		{"openai reasoning policy", 400, `{"error":{"message":"Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with a different prompt: https://platform.openai.com/docs/guides/reasoning#advice-on-prompting","type":"invalid_request_error","param":null,"code":"invalid_prompt"}}`, llm.ErrContentPolicy, request, false, 0},
		{"openai server", 500, `{"error":{"message":"The server had an error while processing your request. Sorry about that!","type":"server_error","param":null,"code":null}}`, llm.ErrServer, route, true, 0},
		{"openai engine", 503, `{"error":{"message":"The engine is currently overloaded, please try again later.","type":"server_error","param":null,"code":null}}`, llm.ErrOverloaded, route, true, 0},
		{"openai flex", 429, `{"error":{"message":"Resource unavailable","type":"requests","param":null,"code":"resource_unavailable"}}`, llm.ErrRateLimit, key, true, 0},
		// Azure
		{"azure filter", 400, `{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}`, llm.ErrContentPolicy, request, false, 0},
		{"azure deployment", 404, `{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}`, llm.ErrNotFound, request, false, 0},
		{"azure rate", 429, `{"error":{"code":"429","message":"Requests to the ChatCompletions_Create Operation have exceeded call rate limit. Please retry after 26 seconds."}}`, llm.ErrRateLimit, key, true, 26 * time.Second},
		// Mistral
		{"mistral model", 400, `{"object":"error","message":"Invalid model: mistral-huge","type":"invalid_model","param":null,"code":"1500"}`, llm.ErrNotFound, request, false, 0},
		{"mistral context", 400, `{"object":"error","message":"Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length","type":"invalid_request_prompt","param":null,"code":"3051"}`, llm.ErrContextWindow, request, false, 0},
		{"mistral validation", 422, `{"detail":[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs are not permitted","input":1}]}`, llm.ErrUnsupportedParam, request, false, 0},
		{"mistral key", 401, `{"detail":"Unauthorized"}`, llm.ErrAuthentication, key, false, 0},
		{"mistral capacity", 429, `{"object":"error","message":"Service tier capacity exceeded for this model.","type":"service_tier_capacity_exceeded","param":null,"code":"3505"}`, llm.ErrRateLimit, key, true, 0},
		// Groq
		{"groq decommissioned", 400, `{"error":{"message":"The model ` + "`llama2-70b-4096`" + ` has been decommissioned and is no longer supported.","type":"invalid_request_error","code":"model_decommissioned"}}`, llm.ErrNotFound, request, false, 0},
		{"groq property", 400, `{"error":{"message":"'messages.1' : for 'role:assistant' the following must be satisfied[('messages.1' : property 'reasoning_content' is unsupported)]","type":"invalid_request_error"}}`, llm.ErrUnsupportedParam, request, false, 0},
		{"groq length", 413, `{"error":{"message":"Request too large for model ` + "`llama`" + ` on tokens per minute (TPM): Limit 6000, Requested 7000, please reduce your message size and try again.","type":"tokens","code":"rate_limit_exceeded"}}`, llm.ErrRateLimit, key, false, 0},
		{"groq tool", 400, `{"error":{"message":"Failed to call a function. Please adjust your prompt.","type":"invalid_request_error","code":"tool_use_failed","failed_generation":"<x>"}}`, llm.ErrInvalidRequest, request, false, 0},
		// DeepSeek
		{"deepseek balance", 402, `{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}`, llm.ErrBilling, key, false, 0},
		{"deepseek model", 400, `{"error":{"message":"Model Not Exist","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}`, llm.ErrNotFound, request, false, 0},
		{"deepseek risk", 400, `{"error":{"message":"Content Exists Risk","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}`, llm.ErrContentPolicy, request, false, 0},
		{"deepseek key", 401, `{"error":{"message":"Authentication Fails, Your api key: ****abcd is invalid","type":"authentication_error","param":null,"code":"invalid_request_error"}}`, llm.ErrAuthentication, key, false, 0},
		// xAI
		{"xai key", 400, `{"code":"Client specified an invalid argument","error":"Incorrect API key provided: sd***df."}`, llm.ErrAuthentication, key, false, 0},
		{"xai model", 404, `{"code":"Some requested entity was not found","error":"The model grok-x does not exist or your team does not have access to it."}`, llm.ErrNotFound, request, false, 0},
		{"xai context", 400, `{"code":"Client specified an invalid argument","error":"This model's maximum prompt length is 131072 but the request contains 140000 tokens."}`, llm.ErrContextWindow, request, false, 0},
		{"xai argument", 400, `{"code":"Client specified an invalid argument","error":"Argument not supported on this model: presencePenalty"}`, llm.ErrUnsupportedParam, request, false, 0},
		{"xai credits", 403, `{"code":"The caller does not have permission to execute the specified operation","error":"Your newly created teams doesn't have any credits yet."}`, llm.ErrQuota, key, false, 0},
		{"xai spent", 429, `{"code":"Some resource has been exhausted","error":"Your team has either used all available credits or reached its monthly spending limit."}`, llm.ErrQuota, key, false, 0},
		// OpenRouter
		{"openrouter credits", 402, `{"error":{"message":"This request requires more credits, or fewer max_tokens.","code":402}}`, llm.ErrBilling, key, false, 0},
		{"openrouter moderation", 403, `{"error":{"message":"Your chosen model requires moderation and your input was flagged for \"violence\"","code":403,"metadata":{"reasons":["violence"],"flagged_input":"…"}}}`, llm.ErrContentPolicy, request, false, 0},
		{"openrouter model", 400, `{"error":{"message":"foo/bar is not a valid model ID","code":400}}`, llm.ErrNotFound, request, false, 0},
		{"openrouter upstream context", 400, `{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"message\":\"prompt is too long: 210000 tokens > 200000 maximum\"}}","provider_name":"Anthropic"}}}`, llm.ErrContextWindow, request, false, 0},
		{"openrouter upstream", 502, `{"error":{"message":"Provider returned error","code":502,"metadata":{"provider_name":"X"}}}`, llm.ErrServer, route, true, 0},
		// Together, Fireworks, Cerebras, SambaNova, Perplexity
		{"together model", 404, `{"id":"x","error":{"message":"Unable to access model foo. Please visit https://api.together.ai/models","type":"invalid_request_error","param":null,"code":"model_not_available"}}`, llm.ErrNotFound, request, false, 0},
		{"together validation", 422, "{\"id\":\"x\",\"error\":{\"message\":\"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 4000 `inputs` tokens and 5000 `max_new_tokens`\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}", llm.ErrContextWindow, request, false, 0},
		{"fireworks context", 400, `{"error":{"object":"error","type":"invalid_request_error","message":"The prompt is too long: 140000, model maximum context length: 131071"}}`, llm.ErrContextWindow, request, false, 0},
		{"cerebras context", 400, `{"message":"Please reduce the length of the messages or completion. Current length is 9000 while limit is 8192","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}`, llm.ErrContextWindow, request, false, 0},
		{"cerebras busy", 429, `{"message":"We're experiencing high traffic right now! Please try again soon.","type":"too_many_requests_error","param":"queue","code":"queue_exceeded"}`, llm.ErrRateLimit, key, true, 0},
		{"perplexity", 400, `{"error":{"message":"Invalid model 'sonar-x'. Permitted models can be found in the documentation.","type":"invalid_model","code":400}}`, llm.ErrInvalidRequest, request, false, 0},
		// Chinese hosts
		{"moonshot busy", 429, `{"error":{"message":"The engine is currently overloaded, please try again later","type":"engine_overloaded_error"}}`, llm.ErrOverloaded, route, true, 0},
		{"moonshot quota", 429, `{"error":{"message":"Your account is suspended due to insufficient balance, please recharge","type":"exceeded_current_quota_error"}}`, llm.ErrQuota, key, false, 0},
		{"moonshot rate", 429, `{"error":{"message":"Your account reached max request: 3, please try again after 1 seconds","type":"rate_limit_reached_error"}}`, llm.ErrRateLimit, key, true, time.Second},
		{"moonshot context", 400, `{"error":{"message":"Invalid request: Your request exceeded model token limit: 8192","type":"invalid_request_error"}}`, llm.ErrContextWindow, request, false, 0},
		{"moonshot risk", 400, `{"error":{"message":"The request was rejected because it was considered high risk","type":"content_filter"}}`, llm.ErrContentPolicy, request, false, 0},
		{"dashscope rate", 429, `{"error":{"message":"You exceeded your current requests list.","id":"x","type":"limit_requests","code":"limit_requests"}}`, llm.ErrRateLimit, key, true, 0},
		{"dashscope arrears", 400, `{"error":{"code":"Arrearage","message":"Access denied, please make sure your account is in good standing.","type":"Arrearage","param":null},"request_id":"x"}`, llm.ErrQuota, key, false, 0},
		{"dashscope context", 400, `{"error":{"code":"invalid_parameter_error","message":"<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]","type":"invalid_request_error","param":null}}`, llm.ErrContextWindow, request, false, 0},
		{"zai balance", 429, `{"error":{"code":"1113","message":"Your account is in arrears. Please recharge your account."}}`, llm.ErrQuota, key, false, 0},
		{"zai length", 400, `{"error":{"code":"1261","message":"Prompt exceeds max length"}}`, llm.ErrContextWindow, request, false, 0},
		{"minimax key", 200, `{"base_resp":{"status_code":1004,"status_msg":"login fail: Please carry the API secret key in the 'Authorization' field of the request header"}}`, llm.ErrAuthentication, key, false, 0},
		// Servers of one's own
		{"vllm model", 404, `{"object":"error","message":"The model ` + "`x`" + ` does not exist.","type":"NotFoundError","param":null,"code":404}`, llm.ErrNotFound, request, false, 0},
		{"vllm nested", 400, `{"error":{"message":"1 validation error for ValidatorIterator","type":"BadRequestError","param":null,"code":400}}`, llm.ErrInvalidRequest, request, false, 0},
		{"fastapi", 422, `{"detail":[{"loc":["body","messages"],"msg":"field required","type":"value_error.missing"}]}`, llm.ErrInvalidRequest, request, false, 0},
		{"tgi", 422, "{\"error\":\"Input validation error: `inputs` must have less than 4095 tokens. Given: 5000\",\"error_type\":\"validation\"}", llm.ErrContextWindow, request, false, 0},
		{"tgi busy", 429, `{"error":"Model is overloaded","error_type":"overloaded"}`, llm.ErrOverloaded, route, true, 0},
		{"huggingface loading", 503, `{"error":"Model meta-llama/Llama is currently loading","estimated_time":20.5}`, llm.ErrOverloaded, route, true, 20500 * time.Millisecond},
		{"llama.cpp loading", 503, `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`, llm.ErrOverloaded, route, true, 0},
		{"llama.cpp context", 400, `{"error":{"code":400,"message":"request (9000 tokens) exceeds the available context size (4096 tokens), try increasing it","type":"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":4096}}`, llm.ErrContextWindow, request, false, 0},
		{"ollama model", 404, `{"error":{"message":"model \"x\" not found, try pulling it first","type":"api_error","param":null,"code":null}}`, llm.ErrNotFound, request, false, 0},
		{"lm studio", 400, `{"error":"Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens"}`, llm.ErrContextWindow, request, false, 0},
		{"litellm proxy", 400, `{"error":{"message":"litellm.ContextWindowExceededError: … prompt is too long","type":null,"param":null,"code":"400"}}`, llm.ErrContextWindow, request, false, 0},
		// Odd shapes
		{"list", 400, `[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]`, llm.ErrAuthentication, key, false, 0},
		{"cloudflare list", 400, `{"success":false,"errors":[{"code":7003,"message":"Could not route to /x"}]}`, llm.ErrInvalidRequest, request, false, 0},
		{"message alone", 403, `{"message":"Forbidden"}`, llm.ErrPermission, key, false, 0},
		{"text", 502, "bad gateway\nmore", llm.ErrServer, route, true, 0},
		{"page", 503, "<html><body>Service unavailable</body></html>", llm.ErrOverloaded, route, true, 0},
		{"empty", 500, "", llm.ErrServer, route, true, 0},
		{"unknown status", 418, `{}`, llm.ErrInvalidRequest, request, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := Error(c.status, nil, []byte(c.body))
			require.Equal(t, c.kind, e.Kind, "%v", e)
			require.Equal(t, c.scope, e.Scope)
			require.Equal(t, c.temp, e.Temporary)
			require.Equal(t, c.wait, e.RetryAfter)
		})
	}
}

func TestErrorMembers(t *testing.T) {
	e := Error(422, nil, []byte(`{"detail":[{"loc":["body","messages",0,"content"],"msg":"field required","type":"missing"}]}`))
	require.Equal(t, "messages.0.content", e.Param)
	require.Equal(t, "field required", e.Message)
	require.Equal(t, "missing", e.Type)

	e = Error(502, nil, []byte("bad gateway\nsecret second line"))
	require.Equal(t, "bad gateway", e.Message)

	e = Error(503, nil, []byte("<html>x</html>"))
	require.Empty(t, e.Message)
}

// TestErrorInside is for bodies of a 200: an answer is no error.
func TestErrorInside(t *testing.T) {
	for _, body := range []string{
		`{"id":"x","choices":[],"usage":null}`,
		`{"choices":[],"error":null}`,
		`{"choices":[],"error":{}}`,
		`{"choices":[],"error":""}`,
		`{"id":"1","object":"chat.completion","choices":[],"base_resp":{"status_code":0,"status_msg":"success"}}`,
		`{"type":"ping"}`,
		`[]`, `null`, `12`, ``, `"text"`,
	} {
		require.Nil(t, bodyError(nil, []byte(body)), "%s", body)
	}
	for body, kind := range map[string]llm.ErrorKind{
		`{"error":{"message":"x","type":"rate_limit_error"}}`:                                   llm.ErrRateLimit,
		`{"error":{"message":"x","code":"429"}}`:                                                llm.ErrRateLimit,
		`{"error":{"message":"x","code":503}}`:                                                  llm.ErrOverloaded,
		`{"error":"something"}`:                                                                 llm.ErrUnknown,
		`{"detail":"Not authenticated","status":401}`:                                           llm.ErrAuthentication,
		`{"object":"error","message":"x","type":"BadRequestError","code":400}`:                  llm.ErrInvalidRequest,
		`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`:           llm.ErrOverloaded,
		`{"message":"x","code":"invalid_api_key"}`:                                              llm.ErrAuthentication,
		`{"id":"1","choices":null,"base_resp":{"status_code":1039,"status_msg":"token limit"}}`: llm.ErrContextWindow,
	} {
		e := bodyError(nil, []byte(body))
		require.NotNil(t, e, "%s", body)
		require.Equal(t, kind, e.Kind, "%s", body)
	}
}

func TestWaitIn(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"please try again in 6s.":                     6 * time.Second,
		"please try again in 20ms. visit":             20 * time.Millisecond,
		"try again in 1m30.5s.":                       90*time.Second + 500*time.Millisecond,
		"please retry after 60 seconds.":              time.Minute,
		"please retry in 2 minutes":                   2 * time.Minute,
		"please try again later":                      0,
		"used 3 of 20s":                               0,
		"retry after 99999999999999999999999 seconds": 0,
	} {
		require.Equal(t, want, waitIn(text), text)
	}
}
