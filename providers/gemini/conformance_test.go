package gemini_test

import (
	"testing"

	"github.com/llm-go/llm/providers/gemini"
	"github.com/llm-go/llm/providers/providertest"
)

func TestConformance(t *testing.T) { providertest.Run(t, gemini.Provider(), "testdata") }
