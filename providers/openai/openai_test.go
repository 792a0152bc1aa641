package openai

import (
	"testing"

	"github.com/llm-go/llm/providers/providertest"
)

func TestConformance(t *testing.T) {
	providertest.Run(t, Provider(), "testdata")
}
