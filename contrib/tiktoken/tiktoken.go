// Package tiktoken counts tokens exactly for OpenAI's models: with their vocabularies o200k_base and cl100k_base, which
// are part of the program, so nothing is loaded at run time. It adds some 20 MB to a program and, at the first count in
// a vocabulary, some 50 ms and 30 MB; without it, package tokens estimates.
//
//	n, err := tiktoken.Count("openai/gpt-4o", "Hello, world!")
//
// Texts are exact: what OpenAI's own tiktoken gives. Requests are texts and the rules that OpenAI publishes for
// messages, tools and images; see [tokens.OpenAI].
package tiktoken

import (
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/tokens"
	"github.com/tiktoken-go/tokenizer"
)

var codecs = [2]func() (tokenizer.Codec, error){
	tokens.O200k:  sync.OnceValues(func() (tokenizer.Codec, error) { return tokenizer.Get(tokenizer.O200kBase) }),
	tokens.Cl100k: sync.OnceValues(func() (tokenizer.Codec, error) { return tokenizer.Get(tokenizer.Cl100kBase) }),
}

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
func CountAs(v tokens.Vocabulary, text string) int {
	codec, err := codecs[v&1]()
	if err != nil {
		panic("tiktoken: the vocabulary is part of the program: " + err.Error())
	}
	if !utf8.ValidString(text) {
		text = string([]rune(text))
	}
	// The tokeniser's splitter passes over U+007F. U+0002 stands in: the same kind of character, and like it in no
	// token but its own.
	text = strings.ReplaceAll(text, "\x7f", "\x02")
	n, err := codec.Count(text)
	if err != nil { // the splitter has no time limit set, and no other error
		panic("tiktoken: " + err.Error())
	}
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
