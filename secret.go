package llm

import (
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
)

// Secret holds a key. However it is printed, logged or marshalled it shows REDACTED; only [Secret.Reveal]
// gives the value, and only an [Auth] has a reason to call it.
//
// The value is behind a pointer, since fmt does not call methods on what it finds in unexported fields: there it
// prints an address.
type Secret struct{ value *string }

const redacted = "REDACTED"

var (
	_ fmt.Formatter          = Secret{}
	_ json.Marshaler         = Secret{}
	_ encoding.TextMarshaler = Secret{}
	_ slog.LogValuer         = Secret{}
)

// NewSecret wraps a value.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{&value}
}

// Reveal is the value.
func (s Secret) Reveal() string {
	if s.IsZero() {
		return ""
	}
	return *s.value
}

// IsZero says whether there is no value.
func (s Secret) IsZero() bool { return s.value == nil }

// Equal says whether two secrets have the same value.
func (s Secret) Equal(other Secret) bool { return s.Reveal() == other.Reveal() }

// String is "REDACTED", or "" if there is no value.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// Format prints String for every verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// MarshalText and MarshalJSON give String.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// LogValue gives String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
