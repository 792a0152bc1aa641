package anthropic_test

import (
	"testing"

	"github.com/llm-go/llm/providers/anthropic"
	"github.com/llm-go/llm/providers/providertest"
)

func TestConformance(t *testing.T) {
	providertest.Run(t, anthropic.Provider(), "testdata")
}
