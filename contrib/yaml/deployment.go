package yaml

import (
	"math/big"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/router"
	"go.yaml.in/yaml/v3"
)

// entry reads one of model_list.
func (b *builder) entry(v value) {
	e := b.mapping(v)
	params := b.section(e, "litellm_params")
	info := b.section(e, "model_info")
	if len(e.members) == 0 {
		return // not a mapping
	}
	params.under = b.under(params)
	var d router.Deployment
	if !b.named(&d, e, params) {
		return
	}
	b.reached(&d, params)
	b.limits(&d, e, params, info)
	b.info(&d, info)
	b.times(&d, params)
	organizations := b.organizations(&d, params)
	rest := b.requestParameters(params)
	b.ignore(info, "this setting has no counterpart")
	b.ignore(e, "this setting has no counterpart")
	if len(organizations) == 0 {
		b.add(d, rest)
		return
	}
	if id, ok := info.get("id"); ok && len(organizations) > 1 {
		b.note(id, "there is a deployment for each organization, so none has this id")
		d.ID = ""
	}
	for _, o := range organizations {
		each := d
		each.Options = append(slices.Clip(d.Options), llm.WithSetting("OPENAI_ORG_ID", o))
		b.add(each, rest)
	}
}

// under are the places where parameters come from that an entry does not give: the named credential, the defaults.
func (b *builder) under(params *mapping) (list []*mapping) {
	params.under = []*mapping{b.defaults}
	if v, ok := params.get("litellm_credential_name"); ok {
		if name, ok := b.text(v); ok {
			if m := b.credentials[name]; m != nil {
				list = append(list, m)
			} else {
				b.fail(v, "credential_list has no such credential_name")
			}
		}
	}
	return append(list, b.defaults)
}

// add gives the deployment an id, as the router would.
func (b *builder) add(d router.Deployment, p *parameters) {
	if d.ID == "" {
		d.ID = d.Model
		for n := 2; b.ids[d.ID]; n++ {
			d.ID = d.Model + "#" + strconv.Itoa(n)
		}
	}
	b.ids[d.ID] = true
	if p != nil {
		b.parameters[d.ID] = p
	}
	if prefix, ok := strings.CutSuffix(d.Group, "*"); !ok && !slices.Contains(b.groups, d.Group) {
		b.groups = append(b.groups, d.Group)
	} else if ok && !slices.Contains(b.wildcards, prefix) {
		b.wildcards = append(b.wildcards, prefix)
	}
	b.conf.Router.Deployments = append(b.conf.Router.Deployments, d)
}

// named reads the group and the model.
func (b *builder) named(d *router.Deployment, e, params *mapping) (ok bool) {
	group, found := e.get("model_name")
	model, given := params.get("model")
	switch {
	case !found:
		b.fail(e.value, "model_name is missing")
		return false
	case !given:
		b.fail(params.value, "model is missing")
		return false
	}
	if d.Group, ok = b.text(group); !ok {
		return false
	}
	name, ok := b.text(model)
	if !ok {
		return false
	}
	if d.Group == "" || name == "" {
		b.fail(e.value, "model_name and model must not be empty")
		return false
	}
	if custom, ok := params.get("custom_llm_provider"); ok {
		if provider, ok := b.text(custom); ok {
			name = provider + "/" + strings.TrimPrefix(name, provider+"/")
			model = custom
		}
	}
	switch {
	case strings.Contains(strings.TrimSuffix(d.Group, "*"), "*"):
		b.note(group, "this entry is left out: a wildcard ends with its only *")
		return false
	case strings.Count(name, "*") > 1 || strings.Contains(name, "*") && !strings.HasSuffix(d.Group, "*"):
		b.fail(model, "a * stands for that of model_name, which has none")
		return false
	}
	if d.Model, ok = b.model(name, model, d); !ok {
		return false
	}
	return true
}

// families are models that LiteLLM knows without their provider.
var families = []struct{ prefix, provider string }{
	{"gpt-", "openai"}, {"chatgpt-", "openai"}, {"o1", "openai"}, {"o3", "openai"}, {"o4", "openai"}, {"codex-", "openai"},
	{"computer-use-", "openai"}, {"text-embedding-", "openai"}, {"omni-moderation", "openai"}, {"text-moderation", "openai"},
	{"dall-e-", "openai"}, {"whisper-", "openai"}, {"tts-", "openai"},
	{"claude", "anthropic"}, {"gemini", "vertex_ai"}, {"command", "cohere"},
}

var region = regexp.MustCompile(`^[a-z]{2}(?:-[a-z]+)+-\d$`)

// model is a name as "provider/model". LiteLLM has more between the two, for Bedrock and for the Responses API.
func (b *builder) model(name string, at value, d *router.Deployment) (string, bool) {
	if name == "*" {
		return name, true
	}
	provider, rest, found := strings.Cut(name, "/")
	if !found {
		for _, f := range families {
			if strings.HasPrefix(name, f.prefix) {
				b.known(f.provider, at)
				return f.provider + "/" + name, true
			}
		}
		b.fail(at, "the provider of this model is not known: write provider/model")
		return "", false
	}
	b.known(provider, at)
	switch provider {
	case "bedrock":
		if api, model, found := strings.Cut(rest, "/"); found && (api == "converse" || api == "invoke") {
			rest = model
			if api == "invoke" {
				b.note(at, "the model is called by Bedrock's Converse API")
			}
		}
		if name, model, found := strings.Cut(rest, "/"); found && region.MatchString(name) {
			rest, d.Region = model, name
		}
	case "openai", "azure":
		if model, found := strings.CutPrefix(rest, "responses/"); found {
			rest = model
			b.note(at, "the operation that is called decides on the API, and models that have only the Responses API are "+
				"called by it")
		}
	}
	return provider + "/" + rest, true
}

// known notes providers that the program does not have.
func (b *builder) known(provider string, at value) {
	if _, ok := llm.LookupProvider(provider); !ok && provider != "*" {
		b.note(at, "no provider of this name is registered: import it, give it to the client by llm.WithProvider, or use "+
			"openai/ with api_base if the host speaks OpenAI's API")
	}
}

// providerSettings are parameters that become settings of a provider, and whose they are.
var providerSettings = []struct{ param, setting, providers string }{
	{"aws_access_key_id", "AWS_ACCESS_KEY_ID", aws},
	{"aws_secret_access_key", "AWS_SECRET_ACCESS_KEY", aws},
	{"aws_session_token", "AWS_SESSION_TOKEN", aws},
	{"aws_region_name", "AWS_REGION", aws},
	{"api_version", "AZURE_API_VERSION", azure},
	{"azure_ad_token", "AZURE_AD_TOKEN", azure},
	{"tenant_id", "AZURE_TENANT_ID", azure},
	{"client_id", "AZURE_CLIENT_ID", azure},
	{"client_secret", "AZURE_CLIENT_SECRET", azure},
	{"vertex_project", "VERTEXAI_PROJECT", vertex},
	{"vertex_location", "VERTEXAI_LOCATION", vertex},
	{"vertex_credentials", "VERTEXAI_CREDENTIALS", vertex},
}

const (
	aws    = " bedrock bedrock_converse bedrock_mantle sagemaker sagemaker_chat "
	azure  = " azure azure_text azure_ai "
	vertex = " vertex_ai vertex_ai_beta "
	openai = " openai text-completion-openai custom_openai * "
)

// reached reads how a deployment is reached.
func (b *builder) reached(d *router.Deployment, params *mapping) {
	provider, _, _ := strings.Cut(d.Model, "/")
	option := func(o llm.Option) { d.Options = append(d.Options, o) }
	key := false
	if v, ok := params.get("api_key"); ok {
		if text, ok := b.text(v); ok && text != "" {
			key = true
			option(llm.WithAPIKey(text))
		}
	}
	if d.Region != "" { // it stood in the model's name
		option(llm.WithSetting("AWS_REGION", d.Region))
	}
	for _, s := range providerSettings {
		v, ok := params.get(s.param)
		if !ok {
			continue
		}
		if !strings.Contains(s.providers, " "+provider+" ") {
			b.note(v, "this provider has no such setting")
			continue
		}
		var text string
		if v.node.Kind == yaml.MappingNode { // vertex_credentials may be the file itself
			raw, _ := b.json(v)
			text = string(raw)
		} else if text, ok = b.text(v); !ok {
			continue
		}
		option(llm.WithSetting(s.setting, text))
		if s.param == "aws_region_name" || s.param == "vertex_location" {
			d.Region = text
		}
	}
	if v, ok := params.get("region_name"); ok {
		d.Region, _ = b.text(v)
	}
	for _, name := range []string{"aws_bedrock_runtime_endpoint", "base_url", "api_base"} {
		if v, ok := params.get(name); ok {
			if text, ok := b.text(v); ok && text != "" {
				option(llm.WithBaseURL(baseURL(provider, text)))
				b.ownKey(provider, text, v, key)
			}
		}
	}
	for _, name := range []string{"headers", "extra_headers"} {
		if v, ok := params.get(name); ok {
			for _, x := range b.mapping(v).members {
				if text, ok := b.text(x.value); !ok {
					continue
				} else if credential(x.name) {
					b.note(x.value, "a header that carries a credential, or belongs to the connection, cannot be set; keys are "+
						"given by api_key")
				} else {
					option(llm.WithHeader(x.name, text))
				}
			}
		}
	}
	if v, ok := params.get("drop_params"); ok {
		if on, _ := b.switched(v); on {
			option(llm.WithDropParams())
		}
	}
	if v, ok := params.get("additional_drop_params"); ok {
		if names := b.texts(v); len(names) > 0 {
			option(llm.WithDropParams(names...))
			b.note(v, "parameters are dropped where the provider does not know them, and otherwise sent")
		}
	}
	if v, ok := params.get("mock_response"); ok {
		if text, ok := b.text(v); ok {
			option(llm.WithMock(mocked(text)))
		}
	}
}

// baseURL is LiteLLM's api_base as this library wants it: up to where the paths of the provider's dialect begin.
func baseURL(provider, base string) string {
	base = strings.TrimSuffix(base, "/")
	for _, path := range []string{"/chat/completions", "/v1/messages"} {
		base = strings.TrimSuffix(base, path)
	}
	switch provider {
	case "ollama", "ollama_chat", "huggingface": // LiteLLM adds the path of the API itself
		if !strings.HasSuffix(base, "/v1") {
			base += "/v1"
		}
	}
	return base
}

// ownKey notes where LiteLLM sends a key from the environment, and this library does not.
func (b *builder) ownKey(provider, base string, at value, key bool) {
	p, ok := llm.LookupProvider(provider)
	if !ok || key || p.KeyOptional || len(p.KeyEnv) == 0 {
		return
	}
	given, err := url.Parse(base)
	own, e := url.Parse(p.BaseURL)
	if err != nil || e != nil || given.Scheme == own.Scheme && given.Host == own.Host {
		return
	}
	b.note(at, "no key is sent there, since none is given beside it: write api_key: os.environ/"+p.KeyEnv[0]+
		" if the host is to have that one")
}

// credential says whether the engine refuses a header.
func credential(name string) bool {
	switch textproto.CanonicalMIMEHeaderKey(name) {
	case "Authorization", "Proxy-Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key", "Cookie", "Xi-Api-Key",
		"Host", "Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length",
		"X-Amz-Security-Token", "X-Amz-Date", "X-Amz-Content-Sha256":
		return true
	}
	return false
}

// mocked is the answer for mock_response: a text, or an error by LiteLLM's name.
func mocked(text string) any {
	kinds := map[string]llm.ErrorKind{
		"litellm.RateLimitError":             llm.ErrRateLimit,
		"litellm.InternalServerError":        llm.ErrServer,
		"litellm.ContextWindowExceededError": llm.ErrContextWindow,
	}
	kind, ok := kinds[text]
	if !ok {
		return text
	}
	e := &llm.Error{Message: "mock_response"}
	e.SetKind(kind)
	return e
}

// limits reads what the router itself looks at.
func (b *builder) limits(d *router.Deployment, e, params, info *mapping) {
	anywhere := func(name string) (found value, ok bool) {
		for _, m := range []*mapping{info, e, params} {
			if v, has := m.get(name); has {
				found, ok = v, true
			}
		}
		return found, ok
	}
	whole := func(name string, to *int) {
		if v, ok := anywhere(name); ok {
			*to, _ = b.whole(v)
		}
	}
	d.Order = unordered
	whole("rpm", &d.RPM)
	whole("tpm", &d.TPM)
	whole("order", &d.Order)
	whole("max_parallel_requests", &d.MaxParallel)
	if v, ok := b.router.get("default_max_parallel_requests"); ok && d.MaxParallel == 0 {
		d.MaxParallel, _ = b.whole(v)
	}
	if v, ok := params.get("weight"); ok {
		if n, ok := b.number(v); ok {
			d.Weight, _ = n.Float64()
		}
	}
	if v, ok := params.get("tags"); ok {
		d.Tags = b.texts(v)
	}
	price := func(name string, to *float64) {
		v, ok := anywhere(name)
		if !ok {
			return
		}
		if n, ok := b.number(v); ok {
			if d.Price == nil {
				d.Price = new(router.Price)
			}
			*to = perMillion(n)
		}
	}
	var p router.Price
	price("input_cost_per_token", &p.Input)
	price("output_cost_per_token", &p.Output)
	if d.Price != nil {
		*d.Price = p
	}
}

// unordered stands for an order that is not given.
const unordered = -1

// order puts those without an order behind those of their group that have one, as LiteLLM does.
func (b *builder) order() {
	last := make(map[string]int)
	for _, d := range b.conf.Router.Deployments {
		last[d.Group] = max(last[d.Group], d.Order+1)
	}
	for i := range b.conf.Router.Deployments {
		if d := &b.conf.Router.Deployments[i]; d.Order == unordered {
			d.Order = last[d.Group]
		}
	}
}

// perMillion is exact where the product is: 0.00003 a token is 30 and not 30.000000000000004.
func perMillion(perToken *big.Rat) float64 {
	f, _ := new(big.Rat).Mul(perToken, big.NewRat(1_000_000, 1)).Float64()
	return f
}

var capabilities = []struct {
	param      string
	capability router.Capability
}{
	{"supports_vision", router.Vision},
	{"supports_audio_input", router.Audio},
	{"supports_pdf_input", router.Files},
	{"supports_function_calling", router.Tools},
	{"supports_response_schema", router.Schema},
}

// info reads what the file tells of the model.
func (b *builder) info(d *router.Deployment, info *mapping) {
	if v, ok := info.get("id"); ok {
		if d.ID, ok = b.text(v); ok && b.ids[d.ID] {
			b.fail(v, "another deployment has this id")
		}
	}
	for _, name := range []string{"max_tokens", "max_input_tokens"} {
		if v, ok := info.get(name); ok {
			d.ContextWindow, _ = b.whole(v)
		}
	}
	// What is not said is not known, which counts as there: so only what is missing makes a list.
	var has []router.Capability
	for _, c := range capabilities {
		can := true
		if v, ok := info.get(c.param); ok {
			if on, ok := b.switched(v); ok {
				can = on
			}
		}
		if can {
			has = append(has, c.capability)
		}
	}
	prefill := false // which is never taken for granted
	if v, ok := info.get("supports_assistant_prefill"); ok {
		if prefill, _ = b.switched(v); prefill {
			has = append(has, router.Prefill)
		}
	}
	if prefill || len(has) < len(capabilities) {
		d.Capabilities = append([]router.Capability{}, has...)
	}
	if v, ok := info.get("blocked"); ok {
		d.Disabled, _ = b.switched(v)
	}
	if v, ok := info.get("supported_environments"); ok {
		const name = "LITELLM_ENVIRONMENT"
		here, ok := b.vars[name]
		if !ok {
			here, ok = b.lookup(name)
		}
		if !ok {
			b.fail(v, "the environment variable "+name+" is not set")
		}
		d.Disabled = d.Disabled || !slices.Contains(b.texts(v), here)
	}
}

// times reads the timeouts, with those of the router and the module for what is missing.
func (b *builder) times(d *router.Deployment, params *mapping) {
	first := func(places ...func() (value, bool)) (t time.Duration) {
		for _, place := range places {
			if v, ok := place(); ok {
				if d, _ := b.seconds(v); t == 0 {
					t = d
				}
			}
		}
		return t
	}
	in := func(m *mapping, name string) func() (value, bool) { return func() (value, bool) { return m.get(name) } }
	d.Timeout = first(in(params, "timeout"), in(params, "request_timeout"), in(b.router, "timeout"),
		in(b.module, "request_timeout"))
	d.StreamTimeout = first(in(params, "stream_timeout"), in(b.router, "stream_timeout"))
	if d.StreamTimeout == 0 {
		d.StreamTimeout = d.Timeout
	}
	if v, ok := params.get("max_retries"); ok {
		d.MaxRetries, _ = b.whole(v)
	}
	if v, ok := params.get("num_retries"); ok {
		b.note(v, "the attempts of a call are bounded for all deployments together: router_settings.num_retries")
	}
	if v, ok := params.get("cooldown_time"); ok {
		b.note(v, "cooldowns are set for all deployments together: router_settings.cooldown_time")
	}
}

// organizations reads one or several. Each is a deployment of its own.
func (b *builder) organizations(d *router.Deployment, params *mapping) []string {
	v, ok := params.get("organization")
	if !ok {
		return nil
	}
	provider, _, _ := strings.Cut(d.Model, "/")
	if !strings.Contains(openai, " "+provider+" ") {
		b.note(v, "this provider has no such setting")
		return nil
	}
	if v.node.Kind == yaml.SequenceNode {
		return b.texts(v)
	}
	if text, ok := b.text(v); ok {
		return []string{text}
	}
	return nil
}
