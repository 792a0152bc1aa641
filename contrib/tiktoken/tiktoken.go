// Package tiktoken counts tokens exactly for OpenAI's models: with their vocabularies o200k_base and cl100k_base, which
// are part of the program, so nothing is loaded at run time. It adds 7 MB to a program and, at the first count in a
// vocabulary, some 90 ms and 10 MB; a count takes about 7 ns a byte of English. Package tokens estimates without it.
//
//	n, err := tiktoken.Count("openai/gpt-4o", "Hello, world!")
//
// Texts are exact: what OpenAI's own tiktoken gives. Requests are texts and the rules that OpenAI publishes for
// messages, tools and images; see [tokens.OpenAI].
package tiktoken

import (
	"fmt"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/tokens"
)

// Count is how many tokens a text has for a model, "openai/gpt-4o". A model whose vocabulary is not OpenAI's, or is not
// known, is an error; [CountAs] takes the vocabulary instead. Special tokens such as <|endoftext|> count as text, which
// is what the API takes them for.
func Count(model, text string) (int, error) {
	c, err := counter(model)
	if err != nil {
		return 0, err
	}
	return CountAs(c.Vocabulary, text), nil
}

// CountAs is how many tokens a text has in a vocabulary. Bytes that are not UTF-8 count as U+FFFD, as in JSON.
func CountAs(v tokens.Vocabulary, text string) (n int) {
	each(v, text, func(string) { n++ })
	return n
}

// Request counts the input of a completion, its texts exactly.
func Request(req *llm.CompletionRequest) (tokens.Count, error) {
	if req == nil {
		return tokens.Count{}, llm.InvalidRequest("request", "the request is nil")
	}
	c, err := counter(req.Model)
	if err != nil {
		return tokens.Count{}, err
	}
	return c.Request(req), nil
}

// Counter is the counter of a model of OpenAI's with exact texts, for [tokens.TrimOptions] and for requests of other
// kinds. An Azure deployment, whose name says nothing, takes that of its model: Counter("openai/gpt-4o").
func Counter(model string) (tokens.Counter, error) { return counter(model) }

func counter(model string) (tokens.Counter, error) {
	c := tokens.For(model)
	if !c.Published {
		return c, llm.InvalidRequest("model", fmt.Sprintf("the vocabulary of %q is not known to be one of OpenAI's; use \"openai/…\", or CountAs", model))
	}
	c.Source = tokens.SourceTokenizer
	c.Text = func(text string) int { return CountAs(c.Vocabulary, text) }
	return c, nil
}
