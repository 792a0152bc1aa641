package providertest_test

import (
	"testing"

	"github.com/llm-go/llm/providers/providertest"
)

// The one test that a provider needs beside its golden cases.
func ExampleRun() {
	_ = func(t *testing.T) { // func TestConformance(t *testing.T)
		providertest.Run(t, acme(), "testdata/acme")
	}
}
