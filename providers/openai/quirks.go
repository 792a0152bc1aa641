package openai

import (
	"slices"
	"strings"

	"github.com/llm-go/llm"
)

// Quirks are the ways in which a host deviates from OpenAI's API. The list is closed and short: a host that needs
// more is a package of its own. Lists of words are separated by spaces.
type Quirks struct {
	// Drop names request members that the host refuses or silently ignores: "seed logit_bias user". They are
	// errors for the caller, or dropped with a warning where dropping is allowed.
	Drop string
	// ModelPrefix is put before model names that do not begin with its first path segment.
	ModelPrefix string
	// EmbeddingBase64: the host takes "encoding_format": "base64" for embeddings.
	EmbeddingBase64 bool
}

// drops says whether the host cannot carry the member.
func (q *Quirks) drops(param string) bool {
	return slices.Contains(strings.Fields(q.Drop), param)
}

// model is the name for the wire.
func (q *Quirks) model(call *llm.Call) string {
	if q.ModelPrefix == "" {
		return call.Model
	}
	first, _, _ := strings.Cut(q.ModelPrefix, "/")
	if strings.HasPrefix(call.Model, first+"/") {
		return call.Model
	}
	return q.ModelPrefix + call.Model
}
