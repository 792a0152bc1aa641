package tiktoken

import "github.com/llm-go/llm/tokens"

// Tokens are the tokens of a text.
func Tokens(v tokens.Vocabulary, text string) (list []string) {
	each(v, text, func(token string) { list = append(list, token) })
	return list
}

// Vocabulary is all tokens.
func Vocabulary(v tokens.Vocabulary) map[string]int { return vocabularies[v]() }
