package models

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestDump(t *testing.T) {
	for _, id := range strings.Fields(os.Getenv("IDS")) {
		m, ok := Lookup(id)
		if !ok {
			fmt.Println(id, "NONE")
			continue
		}
		fmt.Println("==", m.ID, m.Aliases, m.Mode, m.ContextWindow, m.MaxInputTokens, m.MaxOutputTokens, m.Input, m.Output, m.ReasoningEfforts, m.Released, m.Retired, m.FirstParty)
		for _, l := range m.Prices {
			fmt.Println("  [", l.Tier, l.Regions, l.From, l.Until, l.Windows, l.Source, l.Checked, "]")
			s := ""
			for _, p := range l.Prices {
				s += fmt.Sprintf(" %s(%s%v)/%s=%s", p.Dimension, p.Variant, p.Above, p.Unit, p.Amount)
			}
			fmt.Println("    ", s)
		}
	}
	_ = json.Marshal
}
