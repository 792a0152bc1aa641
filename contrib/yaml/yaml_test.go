package yaml_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/contrib/yaml"
	"github.com/llm-go/llm/llmtest"
	_ "github.com/llm-go/llm/providers/all"
	"github.com/llm-go/llm/router"
	"github.com/stretchr/testify/require"
)

// variables stand in for the environment.
var variables = map[string]string{
	"OPENAI_KEY_ONE": "sk-one", "OPENAI_KEY_TWO": "sk-two", "REDIS_PASS": "redis-pass", "AZURE_KEY": "azure-key",
	"AWS_ID": "aws-id", "AWS_SECRET": "aws-secret", "LITELLM_ENVIRONMENT": "production",
}

func lookup(name string) (string, bool) { v, ok := variables[name]; return v, ok }

// Each file in testdata gives what stands beside it, and that is what the router takes.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	require.Len(t, files, 5)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			conf, err := yaml.Load(file, yaml.WithLookup(lookup))
			require.NoError(t, err)
			want, err := os.ReadFile(strings.TrimSuffix(file, "yaml") + "golden")
			require.NoError(t, err)
			require.Equal(t, string(want), show(t, conf))
			_, _, err = conf.Client()
			require.NoError(t, err)
			_, err = yaml.Load(file, yaml.WithLookup(lookup), yaml.Strict())
			for _, note := range conf.Notes {
				require.ErrorContains(t, err, note.Error())
			}
		})
	}
}

// show writes a configuration as text. What options do is seen by a provider that is called with them.
func show(t *testing.T, conf *yaml.Config) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	c := conf.Router
	for _, d := range c.Deployments {
		line("deployment %s\n  group %s\n  model %s", d.ID, d.Group, d.Model)
		var parts []string
		part := func(there bool, format string, args ...any) {
			if there {
				parts = append(parts, fmt.Sprintf(format, args...))
			}
		}
		end := func() {
			if len(parts) > 0 {
				line("  %s", strings.Join(parts, ", "))
			}
			parts = nil
		}
		part(d.Region != "", "region %s", d.Region)
		end()
		require.Empty(t, d.Keys, "they would be printed with the configuration")
		b.WriteString(indent(options(t, strings.ReplaceAll(d.Model, "*", "any/any"), d.Options)))
		part(d.Weight > 0, "weight %v", d.Weight)
		part(d.Order > 0, "order %d", d.Order)
		part(d.RPM > 0, "rpm %d", d.RPM)
		part(d.TPM > 0, "tpm %d", d.TPM)
		part(d.MaxParallel > 0, "parallel %d", d.MaxParallel)
		end()
		part(d.Tags != nil, "tags %s", strings.Join(d.Tags, ", "))
		end()
		part(d.ContextWindow > 0, "window %d", d.ContextWindow)
		end()
		if d.Price != nil {
			line("  price %v, %v", d.Price.Input, d.Price.Output)
		}
		if d.Capabilities != nil {
			line("  capabilities %s", strings.Trim(strings.ReplaceAll(fmt.Sprint(d.Capabilities), " ", ", "), "[]"))
		}
		part(d.Timeout > 0, "timeout %s", d.Timeout)
		part(d.StreamTimeout > 0, "stream %s", d.StreamTimeout)
		part(d.MaxRetries > 0, "retries %d", d.MaxRetries)
		end()
		part(d.Disabled, "disabled")
		end()
		if p := parameters(t, conf, d.ID, &llm.CompletionRequest{}); p != "{}" {
			line("  parameters %s", p)
		}
	}
	name := c.Strategy.Name()
	if name == "" {
		name = "shuffle"
	}
	line("strategy %s", name)
	for _, g := range slices.Sorted(maps.Keys(c.Strategies)) {
		line("strategy of %s: %s", g, c.Strategies[g].Name())
	}
	for _, a := range slices.Sorted(maps.Keys(c.Aliases)) {
		line("alias %s: %s", a, c.Aliases[a])
	}
	if c.Default != "" {
		line("default %s", c.Default)
	}
	if c.Strict {
		line("strict")
	}
	if c.Tags != "" {
		line("tags %s", c.Tags)
	}
	for _, kind := range []struct {
		name string
		m    map[string][]string
	}{{"fallbacks", c.Fallbacks}, {"context", c.ContextFallbacks}, {"policy", c.ContentPolicyFallbacks}} {
		for _, g := range slices.Sorted(maps.Keys(kind.m)) {
			line("%s %s: %s", kind.name, g, strings.Join(kind.m[g], ", "))
		}
	}
	if h := c.Health; h != (router.Health{}) {
		fmt.Fprintf(&b, "health failures %d, ratio %v, cooldown %s to %s", h.Failures, h.Ratio, h.Cooldown, h.MaxCooldown)
		if h.KeyCooldown != 0 {
			fmt.Fprintf(&b, ", keys %s", h.KeyCooldown)
		}
		line("")
	}
	if c.Backoff != (llm.Backoff{}) {
		line("backoff %s to %s", c.Backoff.Initial, c.Backoff.Max)
	}
	b.WriteString(options(t, "openai/any", conf.Options))
	if rd := conf.Redis; rd != nil {
		fmt.Fprintf(&b, "redis %s:%d", rd.Host, rd.Port)
		if rd.DB > 0 {
			fmt.Fprintf(&b, " db %d", rd.DB)
		}
		fmt.Fprintf(&b, " password %s", rd.Password.Reveal())
		if rd.TLS {
			b.WriteString(" tls")
		}
		line("")
	}
	for _, n := range conf.Notes {
		line("note %s", n.Error())
	}
	return b.String()
}

func indent(s string) string {
	if s == "" {
		return ""
	}
	return "  " + strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\n  ") + "\n"
}

// options are what a provider sees of options.
func options(t *testing.T, model string, opts []llm.Option) string {
	provider, _, _ := strings.Cut(model, "/")
	const own = "https://own.invalid"
	var b strings.Builder
	probe := &llm.Provider{Name: provider, BaseURL: own, KeyOptional: true,
		Completion: &llm.Op[llm.CompletionRequest, llm.CompletionResponse, llm.CompletionChunk]{
			Do: func(_ context.Context, call *llm.Call, _ *llm.CompletionRequest, _ llm.Send) (*llm.CompletionResponse, error) {
				if key := call.Key(); !key.IsZero() {
					fmt.Fprintf(&b, "key %s\n", key.Reveal())
				}
				if call.BaseURL != own {
					fmt.Fprintf(&b, "base %s\n", call.BaseURL)
				}
				for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
					"AZURE_API_VERSION", "OPENAI_API_KEY", "OPENAI_ORG_ID", "REDIS_HOST", "REDIS_PASSWORD", "REDIS_PORT",
					"VERTEXAI_CREDENTIALS", "VERTEXAI_LOCATION", "VERTEXAI_PROJECT"} {
					if v := call.Setting(name); v != "" {
						fmt.Fprintf(&b, "setting %s %s\n", name, v)
					}
				}
				for _, name := range []string{"Ai-Resource", "Authorization"} {
					if v := call.Header(name); v != "" {
						fmt.Fprintf(&b, "header %s %s\n", name, v)
					}
				}
				drops := ""
				for _, name := range []string{"seed", "user"} {
					if call.Unsupported(name, "") == nil {
						drops += " " + name
					}
				}
				if drops != "" {
					fmt.Fprintf(&b, "drops%s\n", drops)
				}
				if n := call.AttemptsLeft(); n != llm.DefaultMaxAttempts {
					fmt.Fprintf(&b, "attempts %d\n", n)
				}
				return &llm.CompletionResponse{Choices: []llm.Choice{{Message: llm.Assistant("")}}}, nil
			},
		}}
	client := llm.New(append([]llm.Option{llm.WithoutEnv(), llm.WithProvider(probe)}, opts...)...)
	resp, err := client.Completion(t.Context(), &llm.CompletionRequest{Model: model, Messages: []llm.Message{llm.User("Hi")}})
	switch {
	case err != nil:
		fmt.Fprintf(&b, "mock %s\n", err)
	case resp.Text() != "":
		fmt.Fprintf(&b, "mock %s\n", resp.Text())
	}
	return b.String()
}

// parameters are what the configuration adds to a request to a deployment.
func parameters(t *testing.T, conf *yaml.Config, id string, req *llm.CompletionRequest) string {
	var sent map[string]any
	route := func(next llm.Handler) llm.Handler {
		return func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
			call = call.With()
			call.Route = &llm.Route{Deployment: id}
			return next(ctx, call)
		}
	}
	see := func(llm.Handler) llm.Handler {
		return func(_ context.Context, call *llm.Call) (*llm.Result, error) {
			b, err := json.Marshal(call.Request)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(b, &sent))
			return nil, llm.ErrRefused
		}
	}
	_, err := llm.New(llm.WithMiddleware(route, conf.Middleware, see)).Completion(t.Context(), req)
	require.ErrorIs(t, err, llm.ErrRefused)
	delete(sent, "model")
	delete(sent, "messages")
	b, err := json.Marshal(sent)
	require.NoError(t, err)
	return string(b)
}

// A parameter of the request holds before that of the file, and the request stays as it is.
func TestParametersOfRequestsHold(t *testing.T) {
	conf, err := yaml.Load("testdata/models.yaml", yaml.WithLookup(lookup))
	require.NoError(t, err)
	req := &llm.CompletionRequest{TopP: new(0.5), Extra: llm.Extra{"safe_prompt": json.RawMessage("false")}}
	require.JSONEq(t, `{"max_completion_tokens":4096,"safe_prompt":false,"temperature":0.2,"top_p":0.5}`, parameters(t, conf, "1", req))
	require.Zero(t, req.MaxTokens)
	require.Nil(t, req.Temperature)
	require.Len(t, req.Extra, 1)
	require.Equal(t, "{}", parameters(t, conf, "another", new(llm.CompletionRequest)))
}

// Operations take only the parameters that they have.
func TestParametersOfOtherOperations(t *testing.T) {
	conf, err := yaml.Load("testdata/models.yaml", yaml.WithLookup(lookup))
	require.NoError(t, err)
	srv := llmtest.NewServer(t)
	conf.Router.Deployments = conf.Router.Deployments[:1]
	client, _, err := conf.Client(llm.WithProviderBaseURL("mistral", srv.BaseURL("mistral")))
	require.NoError(t, err)
	_, err = client.Embedding(t.Context(), &llm.EmbeddingRequest{Model: "small", Input: []string{"text"}})
	require.NoError(t, err)
	body := string(srv.Requests()[0].Body)
	require.NotContains(t, body, "temperature")
	require.NotContains(t, body, "max_tokens")
	require.Contains(t, body, "safe_prompt")
}

// A file leads calls to a server, and to the fallback when that fails.
func TestCallsGoWhereTheFileSays(t *testing.T) {
	first, second := llmtest.NewServer(t), llmtest.NewServer(t)
	first.FaultAlways(llmtest.Status(503))
	second.Reply(llmtest.Text("from the fallback"))
	conf, err := yaml.Parse([]byte(`
model_list:
  - model_name: chat
    litellm_params: {model: openai/gpt-4o, api_base: os.environ/FIRST, api_key: os.environ/KEY, max_tokens: 5}
  - model_name: spare
    litellm_params: {model: anthropic/claude-haiku-4-5, api_base: os.environ/SECOND, api_key: os.environ/KEY, max_tokens: 6}
router_settings:
  num_retries: 0
  fallbacks: [{chat: [spare]}]
`), yaml.WithLookup(func(name string) (string, bool) {
		v, ok := map[string]string{"FIRST": first.BaseURL("openai"), "SECOND": second.BaseURL("anthropic"), "KEY": llmtest.Key}[name]
		return v, ok
	}))
	require.NoError(t, err)
	require.Empty(t, conf.Notes)
	client, _, err := conf.Client()
	require.NoError(t, err)
	resp, err := client.Completion(t.Context(), &llm.CompletionRequest{Model: "chat", Messages: []llm.Message{llm.User("Hi")}})
	require.NoError(t, err)
	require.Equal(t, "from the fallback", resp.Text())
	require.Len(t, resp.Meta.Attempts, 2)
	require.Contains(t, string(first.Requests()[0].Body), `5`)
	require.Contains(t, string(second.Requests()[0].Body), `"max_tokens":6`)
	_, err = client.Completion(t.Context(), &llm.CompletionRequest{Model: "openai/gpt-4o"})
	require.ErrorIs(t, err, llm.ErrNoDeployment, "a name that the file does not have is refused, as by LiteLLM")
}

// What is wrong is said with its line, all of it at once.
func TestErrors(t *testing.T) {
	const entry = "model_list:\n- model_name: a\n  litellm_params:\n    model: openai/a\n"
	for _, c := range []struct{ file, want string }{
		{"", "line 1: there is no deployment: model_list is missing or empty"},
		{"model_list: []", "line 1: there is no deployment"},
		{"a: [", "line 1: this is not YAML: did not find expected node content"},
		{"a: &x 1\nb: *y", "an alias (*name) has no anchor (&name)"},
		{"a: 1\n---\nb: 1", "line 2: the file must hold one document"},
		{"- a", "line 1: must be a mapping, and is a list"},
		{"model_list: 7", "line 1: model_list: must be a list, and is a number"},
		{"model_list: [7]", "line 1: model_list[0]: must be a mapping, and is a number"},
		{"model_list:\n- litellm_params: {model: openai/a}", "line 2: model_list[0]: model_name is missing"},
		{"model_list:\n- model_name: a", "model_list[0]: model is missing"},
		{"model_list:\n- model_name: a\n  litellm_params:\n    model: [a]", "line 4: model_list[0].litellm_params.model: must be a text, and is a list"},
		{"model_list:\n- model_name: true\n  litellm_params:\n    model: openai/a", "line 2: model_list[0].model_name: must be a text, and is true or false"},
		{"model_list:\n- model_name: a\n  litellm_params:\n    model: mystery", "line 4: model_list[0].litellm_params.model: the provider of this model is not known: write provider/model"},
		{"model_list:\n- model_name: a\n  litellm_params:\n    model: openai/*", "line 4: model_list[0].litellm_params.model: a * stands for that of model_name, which has none"},
		{entry + "    rpm: '60'", "line 5: model_list[0].litellm_params.rpm: must be a number, and is a text: leave out the quotes"},
		{entry + "    rpm: many", "line 5: model_list[0].litellm_params.rpm: must be a number, and is a text"},
		{entry + "    rpm: 1.5", "line 5: model_list[0].litellm_params.rpm: must be a whole number"},
		{entry + "    rpm: -1", "line 5: model_list[0].litellm_params.rpm: must not be negative"},
		{entry + "    rpm: 1\n    rpm: 2", "line 6: model_list[0].litellm_params.rpm: stands twice"},
		{entry + "    timeout: .inf", "line 5: model_list[0].litellm_params.timeout: must be a number"},
		{entry + "    weight: 1e300", "line 5: model_list[0].litellm_params.weight: is too large or too small a number"},
		{entry + "    timeout: 1e9", "line 5: model_list[0].litellm_params.timeout: must be seconds, a year at most"},
		{entry + "    drop_params: maybe", "line 5: model_list[0].litellm_params.drop_params: must be true or false"},
		{entry + "    tags: free", "line 5: model_list[0].litellm_params.tags: must be a list, and is a text"},
		{entry + "    temperature: hot", "line 5: model_list[0].litellm_params.temperature: is not what a request takes"},
		{entry + "    api_key: os.environ/NOWHERE", "line 5: model_list[0].litellm_params.api_key: the environment variable NOWHERE is not set"},
		{entry + "    api_key: os.environ/NO-NAME", "line 5: model_list[0].litellm_params.api_key: what follows os.environ/ must be the name of an environment variable"},
		{entry + "    litellm_credential_name: none", "line 5: model_list[0].litellm_params.litellm_credential_name: credential_list has no such credential_name"},
		{entry + "  model_info: {id: x}\n- model_name: b\n  litellm_params: {model: openai/b}\n  model_info: {id: x}", "line 8: model_list[1].model_info.id: another deployment has this id"},
		{entry + "router_settings:\n  fallbacks: [{a: [b]}]", "line 6: router_settings.fallbacks[0].a[0]: is no model_name of model_list, and no provider/model"},
		{entry + "router_settings:\n  fallbacks: [{a: b}]", "line 6: router_settings.fallbacks[0].a: must be a list, and is a text"},
		{entry + "router_settings:\n  model_group_alias: {b: c}", "line 6: router_settings.model_group_alias.b: is no model_name of model_list"},
		{entry + "router_settings:\n  model_group_alias: {a: b}", "line 6: router_settings.model_group_alias.a: this alias is also a model_name"},
		{entry + "router_settings:\n  redis_host: h\n  redis_port: high", "line 7: router_settings.redis_port: must be a port, 1 to 65535"},
		{entry + "include: other.yaml", "line 5: include: other files are read by yaml.Load only"},
		{entry + "environment_variables: {A B: c}", "line 5: environment_variables.A B: is not the name of an environment variable"},
	} {
		_, err := yaml.Parse([]byte(c.file), yaml.WithLookup(lookup))
		require.ErrorContains(t, err, c.want, "%s", c.file)
		var note yaml.Note
		require.ErrorAs(t, err, &note)
	}
	_, err := yaml.Parse([]byte(entry+"    rpm: x\n    tpm: y"), yaml.WithLookup(lookup))
	require.ErrorContains(t, err, "rpm")
	require.ErrorContains(t, err, "tpm")
	_, err = yaml.Load("testdata/none.yaml")
	require.ErrorIs(t, err, os.ErrNotExist)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(entry+"include: [none.yaml]"), 0o600))
	_, err = yaml.Load(filepath.Join(dir, "a.yaml"))
	require.ErrorContains(t, err, "a.yaml:5: include[0]: the file cannot be read: ")
}

// What is noted about headers is what the engine refuses.
func TestHeaders(t *testing.T) {
	srv := llmtest.NewServer(t)
	for _, name := range []string{"Authorization", "Proxy-Authorization", "x-api-key", "api-key", "x-goog-api-key", "Cookie", "xi-api-key", "Host",
		"Connection", "Proxy-Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length", "X-Amz-Security-Token",
		"X-Amz-Date", "X-Amz-Content-Sha256", "X-Custom", "OpenAI-Beta", "anthropic-beta", "Helicone-Auth", "User-Agent"} {
		conf, err := yaml.Parse([]byte("model_list: [{model_name: a, litellm_params: {model: openai/a, extra_headers: {" + name + ": v}}}]"))
		require.NoError(t, err)
		_, err = srv.Client().Completion(t.Context(), &llm.CompletionRequest{Model: "openai/a", Messages: []llm.Message{llm.User("Hi")}},
			llm.WithHeader(name, "v"))
		if err == nil {
			require.Empty(t, conf.Notes, name)
		} else {
			require.ErrorIs(t, err, llm.ErrInvalidRequest, name)
			require.Len(t, conf.Notes, 1, name)
		}
	}
}

// Names that a wildcard takes are groups too, and groups of their own where something belongs to them alone.
func TestWildcards(t *testing.T) {
	conf, err := yaml.Parse([]byte(`
model_list:
  - {model_name: gpt-4o, litellm_params: {model: openai/gpt-4o}}
  - {model_name: "anthropic/*", litellm_params: {model: "anthropic/*", rpm: 5, max_tokens: 7}, model_info: {id: any}}
  - {model_name: "claude-*", litellm_params: {model: "claude-*"}}
litellm_settings:
  fallbacks: [{gpt-4o: [anthropic/claude-haiku-4-5, claude-haiku-4-5]}, {anthropic/claude-opus: [gpt-4o]}, {"claude-*": [gpt-4o]}]
router_settings:
  model_group_alias: {haiku: claude-haiku-4-5}
  routing_groups: [{models: [anthropic/claude-opus], routing_strategy: least-busy}]
`))
	require.NoError(t, err)
	c := conf.Router
	require.Equal(t, "anthropic/claude-*", c.Deployments[2].Model)
	require.Len(t, c.Deployments, 5)
	require.Equal(t, [2]string{"claude-haiku-4-5", "anthropic/claude-haiku-4-5"}, [2]string{c.Deployments[3].Group, c.Deployments[3].Model})
	opus := c.Deployments[4]
	require.Equal(t, [3]string{"anthropic/claude-opus", "anthropic/claude-opus", "anthropic/claude-opus"}, [3]string{opus.ID, opus.Group, opus.Model})
	require.Equal(t, `{"max_completion_tokens":7}`, parameters(t, conf, opus.ID, new(llm.CompletionRequest)))
	require.Equal(t, map[string]string{"haiku": "claude-haiku-4-5"}, c.Aliases)
	require.Equal(t, "least-busy", c.Strategies["anthropic/claude-opus"].Name())
	require.Equal(t, map[string][]string{
		"gpt-4o":                {"anthropic/claude-haiku-4-5", "claude-haiku-4-5"},
		"anthropic/claude-opus": {"gpt-4o"},
		"claude-*":              {"gpt-4o"},
	}, c.Fallbacks)
	require.Len(t, conf.Notes, 1)
	require.ErrorContains(t, conf.Notes[0], "line 7: litellm_settings.fallbacks[1].anthropic/claude-opus: the limits of the wildcard")
	_, err = router.New(c)
	require.NoError(t, err)
}

// Keys are in no error, no note, and in nothing that is printed.
func TestKeysAreNotShown(t *testing.T) {
	const canary = "sk-canary-5f1d"
	places := []string{
		"model_list: %s", "model_list: [%s]", "router_settings: %s", "include: %s", "a: [%s", "*%s: 1", "a: *%s", "a: !!%s 1", "'%s",
		"environment_variables: {OPENAI_API_KEY: %s}\nmodel_list: 7",
		"credential_list: [{credential_name: c, credential_values: {api_key: %s}}, {credential_values: %[1]s}]\nmodel_list: 7",
	}
	for _, name := range []string{"model_name", "model", "custom_llm_provider", "api_key", "api_base", "api_version", "organization", "region_name",
		"aws_secret_access_key", "aws_region_name", "vertex_credentials", "extra_headers", "rpm", "tpm", "weight", "order", "tags", "timeout", "max_retries",
		"input_cost_per_token", "mock_response", "drop_params", "additional_drop_params", "temperature", "extra_body", "litellm_credential_name", "unknown"} {
		for _, v := range []string{"%s", "[%s]", "{x: %s}", "os.environ/%s", "os.environ/SECRET"} {
			places = append(places, "model_list: [{model_name: a, litellm_params: {model: openai/a, "+name+": "+v+"}}, {model_name: b, litellm_params: {model: openai/b, api_key: %[1]s}}]",
				"model_list: [{model_name: a, litellm_params: {"+name+": "+v+"}}]")
		}
	}
	for _, name := range []string{"routing_strategy", "model_group_alias", "fallbacks", "default_fallbacks", "num_retries", "timeout", "redis_host", "redis_port",
		"redis_password", "redis_url", "enable_tag_filtering", "routing_groups", "default_litellm_params", "cache_params", "unknown"} {
		for _, v := range []string{"%s", "[%s]", "{a: %s}", "[{a: %s}]", "[{a: [%s]}]"} {
			for _, section := range []string{"router_settings", "litellm_settings", "general_settings"} {
				places = append(places, "model_list: [{model_name: a, litellm_params: {model: openai/a, api_key: %[1]s}}]\n"+section+": {"+name+": "+v+"}")
			}
		}
	}
	read := 0
	for _, place := range places {
		file := strings.ReplaceAll(strings.ReplaceAll(place, "%[1]s", canary), "%s", canary)
		for _, opts := range [][]yaml.Option{nil, {yaml.Strict()}} {
			opts = append(opts, yaml.WithLookup(func(name string) (string, bool) { return canary, name == "SECRET" }))
			conf, err := yaml.Parse([]byte(file), opts...)
			if err != nil {
				require.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, errors.Unwrap(err)), canary, "%s", file)
				continue
			}
			read++
			if strings.Contains(file, "redis_host: ") {
				continue // it is the name of a host
			}
			shown := fmt.Sprintf("%v %+v %v %+v", conf.Notes, conf.Options, conf.Redis, conf.Middleware)
			for _, d := range conf.Router.Deployments {
				shown += fmt.Sprintf("%v %+v", d.Options, d.Keys)
			}
			require.NotContains(t, shown, canary, "%s", file)
			require.NotContains(t, fmt.Sprintf("%#v %#v", conf.Redis, conf.Options), canary, "%s", file)
		}
	}
	require.Greater(t, read, 100)
}

// What is read is what a router takes, and nothing that is read crashes.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(f, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Add([]byte("model_list: &a [{model_name: '*', litellm_params: {model: '*', <<: *a}}]"))
	f.Add([]byte("a: &a {b: *a, <<: *a}\nmodel_list: [{model_name: x, litellm_params: {model: openai/x, temperature: *a, extra_body: *a}}]"))
	f.Add([]byte("model_list: [{model_name: 'a*', litellm_params: {model: 'openai/*'}}, {model_name: '*', litellm_params: {model: '*'}}]\n" +
		"router_settings: {fallbacks: [{ab: [a*, ac]}, {a*: [x/y]}, {'b*': [ab]}], model_group_alias: {x: ab, y: b/c}, default_fallbacks: [x]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		conf, err := yaml.Parse(data, yaml.WithLookup(func(string) (string, bool) { return "1", true }))
		if err != nil {
			return
		}
		_, _, err = conf.Client()
		require.NoError(t, err, "%s", data)
	})
}
