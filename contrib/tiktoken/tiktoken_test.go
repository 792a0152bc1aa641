package tiktoken_test

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/contrib/tiktoken"
	_ "github.com/llm-go/llm/providers/all"
	"github.com/llm-go/llm/tokens"
	peer "github.com/pkoukk/tiktoken-go"
	loader "github.com/pkoukk/tiktoken-go-loader"
	"github.com/stretchr/testify/require"
)

// Counts agree with a second implementation, with its own copy of the vocabularies and its own splitter.
func TestCountAgreesWithAnotherImplementation(t *testing.T) {
	peer.SetBpeLoader(loader.NewOfflineLoader())
	random := rand.New(rand.NewPCG(5, 6))
	for v, name := range []string{"o200k_base", "cl100k_base"} {
		other, err := peer.GetEncoding(name)
		require.NoError(t, err)
		same := func(text string) {
			require.Equal(t, len(other.EncodeOrdinary(text)), tiktoken.CountAs(tokens.Vocabulary(v), text), "%s: %q", name, text)
		}
		for _, c := range corpora(t) {
			same(c.fit + c.held)
		}
		for r := rune(0); r < 0x3000; r++ {
			same("a" + string(r) + "b1" + string(r) + " ")
		}
		for _, text := range []string{"", "\x7f", "a\x7f\x7f b", "<|endoftext|>", "\r\n\r\n \t x", "DON'T don'tx 'sx", "\u00a0\u3000 x", "٣٤٥٦ ½²"} {
			same(text)
		}
		letters := []rune("aBc'sT 12\n\t.,{}_éßжअ你가🚀\u200d\u0301ſ")
		for range 2000 {
			text := make([]rune, random.IntN(40))
			for i := range text {
				text[i] = letters[random.IntN(len(letters))]
			}
			same(string(text))
		}
	}
}

// The counts are those that the Cookbook, "How to count tokens with tiktoken", shows in its section 5.
func TestCount(t *testing.T) {
	for model, want := range map[string]int{"openai/gpt-4o": 8, "openai/gpt-4": 9, "openai/o3": 8, "openai/gpt-5-mini-2025-08-07": 8} {
		n, err := tiktoken.Count(model, "お誕生日おめでとう")
		require.NoError(t, err)
		require.Equal(t, want, n, model)
	}
	for _, model := range []string{"anthropic/claude-sonnet-4-5", "gpt-4o", "azure/my-deployment", ""} {
		_, err := tiktoken.Count(model, "x")
		require.ErrorIs(t, err, llm.ErrInvalidRequest, model)
		_, err = tiktoken.Request(&llm.CompletionRequest{Model: model})
		require.ErrorIs(t, err, llm.ErrInvalidRequest, model)
	}
	require.Equal(t, tiktoken.CountAs(tokens.O200k, "a\uFFFD\uFFFDb"), tiktoken.CountAs(tokens.O200k, "a\xff\xfeb"))
}

// OpenAI's own example, Cookbook "How to count tokens with tiktoken", section 6: gpt-4-0613 counts 129 tokens.
func TestRequestByTheCookbooksExample(t *testing.T) {
	named := func(m llm.Message, name string) llm.Message {
		m.Name = name
		return m
	}
	req := &llm.CompletionRequest{Model: "openai/gpt-4-0613", Messages: []llm.Message{
		llm.System("You are a helpful, pattern-following assistant that translates corporate jargon into plain English."),
		named(llm.System("New synergies will help drive top-line growth."), "example_user"),
		named(llm.System("Things working well together will increase revenue."), "example_assistant"),
		named(llm.System("Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage."), "example_user"),
		named(llm.System("Let's talk later when we're less busy about how to do better."), "example_assistant"),
		llm.User("This late pivot means we don't have time to boil the ocean for the client deliverable."),
	}}
	n, err := tiktoken.Request(req)
	require.NoError(t, err)
	require.Equal(t, 129, n.Tokens)
	require.Equal(t, tokens.SourceTokenizer, n.Source)
	guess := tokens.Request(req)
	require.InDelta(t, 129, guess.Tokens, 13)
	require.LessOrEqual(t, guess.Low, 129)
	require.GreaterOrEqual(t, guess.High, 129)
	_, err = tiktoken.Request(nil)
	require.Error(t, err)
}

func TestTrimByExactCounts(t *testing.T) {
	req := &llm.CompletionRequest{Model: "openai/gpt-4o"}
	for range 20 {
		req.Messages = append(req.Messages, llm.User(strings.Repeat("how now ", 20)), llm.Assistant("Brown cow."))
	}
	req.Messages = append(req.Messages, llm.User("Well?"))
	c, err := tiktoken.Counter(req.Model)
	require.NoError(t, err)
	out, report, err := tokens.Trim(req, 300, tokens.TrimOptions{Counter: &c})
	require.NoError(t, err)
	n, err := tiktoken.Request(out)
	require.NoError(t, err)
	require.Equal(t, n, report.After)
	require.LessOrEqual(t, n.Tokens, 300)
	require.Greater(t, n.Tokens, 240)
}

func TestCountFromManyGoroutines(t *testing.T) {
	want := tiktoken.CountAs(tokens.O200k, "The night train leaves at nine.")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				if n := tiktoken.CountAs(tokens.O200k, "The night train leaves at nine."); n != want {
					t.Error(n)
				}
			}
		})
	}
	all.Wait()
}

// An ending in any case, the long s included, ends the word before it.
func TestContractions(t *testing.T) {
	require.Equal(t, []string{"don", "'t", "x"}, tiktoken.Tokens(tokens.Cl100k, "don'tx"))
	require.Equal(t, "'\u017f", strings.Join(tiktoken.Tokens(tokens.Cl100k, "a'\u017fb")[1:4], ""))
	require.Equal(t, 1, tiktoken.CountAs(tokens.O200k, "\xff"))
}
