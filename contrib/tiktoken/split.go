package tiktoken

import (
	"unicode"
	"unicode/utf8"

	"github.com/llm-go/llm/tokens"
)

// The splitting patterns are those of openai/tiktoken, tiktoken_ext/openai_public.py. They are written out here:
// the standard library's regular expressions have no look-ahead, and engines that have it are slower by far. The numbers below are those of the alternatives, in order:
//
//	cl100k_base                           o200k_base
//	1  '(?i:[sdmt]|ll|ve|re)              [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//	2  [^\r\n\p{L}\p{N}]?\p{L}+           [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//	3  \p{N}{1,3}                         the same
//	4  ?[^\s\p{L}\p{N}]+[\r\n]*           the same, ending in [\r\n/]*
//	5  \s*[\r\n]+                         the same
//	6  \s+(?!\S)                          the same
//	7  \s+                                the same

// kind is what the patterns ask of a character, as bits.
type kind uint8

const (
	high    kind = 1 << iota // Lu, Lt, Lm, Lo, M
	low                      // Ll, Lm, Lo, M
	letter                   // L
	number                   // N
	white                    // \s
	newline                  // \r, \n
)

func kindOf(r rune) kind {
	if r < utf8.RuneSelf {
		return ascii[r]
	}
	switch {
	case unicode.Is(unicode.Ll, r):
		return low | letter
	case unicode.Is(unicode.Lu, r), unicode.Is(unicode.Lt, r):
		return high | letter
	case unicode.Is(unicode.L, r):
		return high | low | letter
	case unicode.Is(unicode.M, r):
		return high | low
	case unicode.Is(unicode.N, r):
		return number
	case unicode.IsSpace(r):
		return white
	}
	return 0
}

var ascii = func() (t [utf8.RuneSelf]kind) {
	for r := range rune(utf8.RuneSelf) {
		switch {
		case 'a' <= r && r <= 'z':
			t[r] = low | letter
		case 'A' <= r && r <= 'Z':
			t[r] = high | letter
		case '0' <= r && r <= '9':
			t[r] = number
		case r == '\r' || r == '\n':
			t[r] = white | newline
		case unicode.IsSpace(r):
			t[r] = white
		}
	}
	return t
}()

// at is the kind of the character at i and where the next begins. Past the end there is none, of no kind.
func at(s string, i int) (k kind, next int) {
	if i >= len(s) {
		return 0, i
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	return kindOf(r), i + n
}

// while is where a run of characters of any of the kinds ends.
func while(s string, i int, of kind) int {
	for i < len(s) {
		k, next := at(s, i)
		if k&of == 0 {
			break
		}
		i = next
	}
	return i
}

// piece is the length of the first piece of s, which is not empty.
func piece(v tokens.Vocabulary, s string) int {
	if v == tokens.Cl100k {
		if n := contraction(s); n > 0 {
			return n
		}
	}
	first, next := at(s, 0)
	word := wordO200k
	if v == tokens.Cl100k {
		word = wordCl100k
	}
	if first&(newline|letter|number) == 0 {
		if end := word(s, next); end > next {
			return end
		}
	}
	if end := word(s, 0); end > 0 {
		return end
	}
	switch {
	case first&number != 0:
		end := next
		for range 2 {
			if k, after := at(s, end); k&number != 0 {
				end = after
			}
		}
		return end
	case first&white == 0:
		return signs(v, s, 0)
	}
	if s[0] == ' ' {
		if end := signs(v, s, 1); end > 1 {
			return end
		}
	}
	return blank(s)
}

// signs is alternative 4 without its space.
func signs(v tokens.Vocabulary, s string, i int) int {
	end := i
	for end < len(s) {
		k, next := at(s, end)
		if k&(white|letter|number) != 0 {
			break
		}
		end = next
	}
	if end == i {
		return i
	}
	for end < len(s) && (s[end] == '\r' || s[end] == '\n' || s[end] == '/' && v == tokens.O200k) {
		end++
	}
	return end
}

// blank is alternatives 5 to 7.
func blank(s string) int {
	end, last, lines := 0, 0, 0
	for end < len(s) {
		k, next := at(s, end)
		if k&white == 0 {
			break
		}
		if k&newline != 0 {
			lines = next
		}
		last, end = end, next
	}
	switch {
	case lines > 0:
		return lines
	case end < len(s) && last > 0: // the last white space goes with what follows
		return last
	}
	return end
}

func wordCl100k(s string, i int) int { return while(s, i, letter) }

// wordO200k is alternatives 1 and 2 without their first character; it is i if they do not match.
func wordO200k(s string, i int) int {
	end, lastLow := i, i
	for end < len(s) {
		k, next := at(s, end)
		if k&high == 0 {
			break
		}
		end = next
		if k&low != 0 {
			lastLow = next
		}
	}
	switch after := while(s, end, low); {
	case after > end:
		end = after
	case lastLow > i: // what is both may end the first part, so that the second is not empty
		end = lastLow
	}
	if end == i {
		return i
	}
	return end + contraction(s[end:])
}

// contraction is the length of 's, 't, 're, 've, 'm, 'll or 'd, in any case. The long s, U+017F, is an s in another
// case.
func contraction(s string) int {
	if len(s) < 2 || s[0] != '\'' {
		return 0
	}
	switch s[1] | 0x20 {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		if len(s) > 2 && s[2]|0x20 == 'e' {
			return 3
		}
	case 'l':
		if len(s) > 2 && s[2]|0x20 == 'l' {
			return 3
		}
	}
	if len(s) > 2 && s[1:3] == "\u017f" {
		return 3
	}
	return 0
}
