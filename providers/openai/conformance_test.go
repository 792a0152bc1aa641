package openai_test

import (
	"testing"

	"github.com/llm-go/llm/providers/openai"
	"github.com/llm-go/llm/providers/providertest"
)

func TestConformance(t *testing.T) { providertest.Run(t, openai.Provider(), "testdata") }
