package llm_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/llm-go/llm"
	"github.com/stretchr/testify/require"
)

// fmt and reflection do not see a Secret's methods inside unexported fields.
func TestKeysInWhatIsPrinted(t *testing.T) {
	const key = "sk-canary-4f1d8e7a90b2"
	var printed bytes.Buffer
	log := slog.New(slog.NewTextHandler(&printed, nil))
	show := func(values ...any) {
		for _, v := range values {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
				fmt.Fprintf(&printed, verb+"\n", v)
			}
			log.Info("seen", "v", v)
		}
	}
	s := llm.NewSecret(key)
	show(s, &s, struct{ S llm.Secret }{s}, struct{ s llm.Secret }{s}, []llm.Secret{s}, map[string]llm.Secret{"k": s}, struct{ m map[string]llm.Secret }{map[string]llm.Secret{"k": s}})
	c := over(transport(func(*http.Request) (*http.Response, error) {
		return answer(500, "application/json", strings.NewReader("{}")), nil
	}),
		llm.WithAPIKey(key), llm.WithProviderKey("other", key), llm.WithSetting("AWS_SECRET_ACCESS_KEY", key), llm.WithMaxAttempts(1), llm.WithCallback(llm.Callback{
			OnStart:   func(_ context.Context, c *llm.Call) { show(c, *c) },
			OnAttempt: func(_ context.Context, c *llm.Call, _ llm.Attempt) { show(c, *c) },
			OnFailure: func(_ context.Context, c *llm.Call, o *llm.Outcome) { show(c, *c, o, *o) },
		}))
	show(c, *c)
	_, err := c.Completion(t.Context(), ask("Hi"))
	require.Error(t, err)
	require.NotContains(t, printed.String(), key)

	require.Equal(t, key, s.Reveal())
	require.True(t, s.Equal(llm.NewSecret(key)) && !s.Equal(llm.NewSecret("other")) && !s.IsZero())
	require.True(t, llm.NewSecret("").IsZero() && llm.Secret{}.Reveal() == "")
}

// Every secret that was used is looked for in what a host says, and in every field that holds the host's words.
func TestEchoedSecretsAreHidden(t *testing.T) {
	const key, secret = "sk-canary-4f1d8e7a90b2", "wJalrXUtnFEMI/canary/bPxRfiCYEXAMPLEKEY"
	p := testProvider()
	p.Auth = func(_ context.Context, r *http.Request, call *llm.Call) error {
		r.Header.Set("X-Signature", call.Secret("TEST_SECRET_ACCESS_KEY").Reveal()[:4]+call.Setting("TEST_REGION"))
		return nil
	}
	for _, fromEnv := range []bool{false, true} {
		opts := []llm.Option{llm.WithProvider(p), llm.WithAPIKey(key), llm.WithMaxAttempts(1), llm.WithSetting("TEST_REGION", "eu-central-1")}
		if fromEnv {
			t.Setenv("TEST_SECRET_ACCESS_KEY", secret)
		} else {
			opts = append(opts, llm.WithoutEnv(), llm.WithSetting("TEST_SECRET_ACCESS_KEY", secret))
		}
		echo := key + " and " + secret
		c := llm.New(append(opts, llm.WithBaseURL("https://test.invalid"), llm.WithHTTPClient(&http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
			return answer(403, "application/json", strings.NewReader(fmt.Sprintf(`{"error":{"message":"in eu-central-1: %[1]s","type":"t %[1]s","code":"c %[1]s","param":"p %[1]s"}}`, echo))), nil
		})}))...)
		_, err := c.Completion(t.Context(), ask("Hi"))
		e := asError(t, err)
		for _, text := range []string{err.Error(), e.Message, e.Type, e.Code, e.Param, string(e.Body)} {
			require.NotContains(t, text, key)
			require.NotContains(t, text, secret)
		}
		require.Contains(t, e.Message, "eu-central-1", "a setting is not a secret")
	}
}

// Looking for the prompt in a host's message takes time in proportion to their lengths, not to the product.
func TestLongErrorsOfLongRequests(t *testing.T) {
	prompt := strings.Repeat("The quick brown fox jumps over the lazy dog, again. ", 100_000)
	message := strings.Repeat("no such thing here; ", 3000)
	c := over(transport(func(r *http.Request) (*http.Response, error) {
		io.Copy(io.Discard, r.Body)
		return answer(400, "application/json", strings.NewReader(`{"error":{"message":"`+message+`"}}`)), nil
	}))
	start := time.Now()
	_, err := c.Completion(t.Context(), ask(prompt))
	require.ErrorIs(t, err, llm.ErrInvalidRequest)
	require.Less(t, time.Since(start), 5*time.Second)
}
