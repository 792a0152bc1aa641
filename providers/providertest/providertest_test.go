package providertest_test

import (
	"testing"

	"github.com/llm-go/llm/providers/providertest"
)

func TestAcme(t *testing.T) { providertest.Run(t, acme(), "testdata/acme") }
