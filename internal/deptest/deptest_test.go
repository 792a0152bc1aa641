package deptest

import (
	"fmt"
	"strings"
	"testing"
)

// recorder keeps what a failing assertion says.
type recorder struct {
	testing.TB
	said []string
}

func (r *recorder) Helper()                   {}
func (r *recorder) Errorf(f string, a ...any) { r.said = append(r.said, fmt.Sprintf(f, a...)) }

func TestBrokenRulesAreReported(t *testing.T) {
	const self = Module + "/internal/deptest"
	r := &recorder{TB: t}
	AssertNoImports(r, self, map[string]string{"os/exec": "it starts programs", "net/rpc": "nobody does"})
	if len(r.said) != 1 || !strings.Contains(r.said[0], "it starts programs") || !strings.Contains(r.said[0], self+" -> os/exec") {
		t.Errorf("want one report with the reason and the chain, got %q", r.said)
	}
	r = &recorder{TB: t}
	AssertNoImports(r, self, map[string]string{"internal/...": "deep inside the standard library"})
	if len(r.said) == 0 {
		t.Error("an import through others is not seen")
	}
	r = &recorder{TB: t}
	AssertNoDirectImports(r, self, map[string]string{"internal/...": "deep inside the standard library"})
	if len(r.said) != 0 {
		t.Errorf("imports of others count as direct: %q", r.said)
	}
	r = &recorder{TB: t}
	AssertImports(r, Module, map[string]string{"github.com/tidwall/...": "reads JSON"})
	if len(r.said) == 0 || strings.Contains(strings.Join(r.said, ""), "must not import net/http") {
		t.Errorf("want reports about all but the standard library and the allowed, got %q", r.said)
	}
}
