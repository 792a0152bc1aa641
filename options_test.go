package llm_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/llm-go/llm"
	"github.com/stretchr/testify/require"
)

// What is given later comes on top: a call's key and address before the client's, however either was given.
func TestLaterOptionsComeOnTop(t *testing.T) {
	for name, tt := range map[string]struct {
		client, call []llm.Option
		want         string
	}{
		"key over provider's key":    {[]llm.Option{llm.WithProviderKey("test", "old")}, []llm.Option{llm.WithAPIKey("new")}, "test.invalid Bearer new"},
		"provider's key over key":    {[]llm.Option{llm.WithAPIKey("old")}, []llm.Option{llm.WithProviderKey("test", "new")}, "test.invalid Bearer new"},
		"another provider's key":     {[]llm.Option{llm.WithAPIKey("old")}, []llm.Option{llm.WithProviderKey("other", "new")}, "test.invalid Bearer old"},
		"address over provider's":    {[]llm.Option{llm.WithAPIKey("k"), llm.WithProviderBaseURL("test", "https://old.invalid")}, []llm.Option{llm.WithBaseURL("https://new.invalid")}, "new.invalid Bearer k"},
		"provider's over address":    {[]llm.Option{llm.WithAPIKey("k"), llm.WithBaseURL("https://old.invalid")}, []llm.Option{llm.WithProviderBaseURL("test", "https://new.invalid")}, "new.invalid Bearer k"},
		"another provider's address": {[]llm.Option{llm.WithAPIKey("k"), llm.WithBaseURL("https://old.invalid")}, []llm.Option{llm.WithProviderBaseURL("other", "https://new.invalid")}, "old.invalid Bearer k"},
	} {
		t.Run(name, func(t *testing.T) {
			var got string
			c := llm.New(append(tt.client, llm.WithProvider(testProvider()), llm.WithoutEnv(), llm.WithHTTPClient(&http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
				got = r.URL.Host + " " + r.Header.Get("Authorization")
				return answer(200, "application/json", strings.NewReader(oneReply)), nil
			})}))...)
			_, err := c.Completion(t.Context(), ask("Hi"), tt.call...)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}
