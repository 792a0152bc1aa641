package tokens

// Bounds are numbers of tokens that a text has at least and at most, in o200k_base. Both are proven, for any text
// in UTF-8: budgets can reserve the high one. It is some three times the truth for English prose, up to six for other scripts;
// docs/tokens.md has the measured ratios.
//
// What is proven, and from what:
//
//   - A token is at least one byte and at most 128 bytes long (the longest in both vocabularies).
//   - Byte-pair encoding stops only when no two neighbours within one word make a token. So where two bytes that are
//     certainly in one word are a token together, not both of them are tokens of their own. Which pairs are tokens is
//     read from the vocabularies; contrib/tiktoken checks the table.
//   - Digits are cut in threes, and every group of one to three digits is a token.
//   - Up to 64 spaces in a row are one token, before the one space that goes with what follows.
//   - A token never reaches over white space into another word, nor from a digit into something else.
func Bounds(text string) (low, high int) { return O200k.Bounds(text) }

const (
	longestToken  = 128
	longestIndent = 64
)

// Bounds are [Bounds] for this vocabulary.
func (v Vocabulary) Bounds(text string) (low, high int) {
	return max(lowest(text), (len(text)+longestToken-1)/longestToken), v.highest(text)
}

// lowest counts what certainly begins a token: words between white space, digits after something else and the other
// way round, and each further group of digits.
func lowest(text string) (n int) {
	run := 0 // digits so far
	prev := byte(' ')
	for i := range len(text) {
		c := text[i]
		switch {
		case isSpace(c):
			run = 0
		case isDigit(c):
			if isSpace(prev) || prev < 0x80 && run == 0 || run > 0 && run%3 == 0 {
				n++
			}
			run++
		default:
			if isSpace(prev) || run > 0 && c < 0x80 {
				n++
			}
			run = 0
		}
		prev = c
	}
	return n
}

// highest is the largest number of pieces that the text can be cut into by the rules above. single is the most with
// a last piece of one byte, longer with one of two bytes or more, before the same one byte earlier.
func (v Vocabulary) highest(text string) int {
	pairs := &pairTables[v&1]
	single, longer, before := 0, 0, 0
	apostrophe := 0 // bytes in which a contraction may end a word
	prev := byte(0)
	for i := 0; i < len(text); {
		c := text[i]
		if isDigit(c) || c == ' ' {
			if n, most := whole(text, i); n > 0 {
				most += max(single, longer)
				single, longer, before = most, most, most-1
				i, prev, apostrophe = i+n, text[i+n-1], 0
				continue
			}
		}
		here := max(single, longer)
		next := 1 + here
		if apostrophe == 0 && pairs[prev][c>>6]>>(c&63)&1 == 1 {
			next = 1 + longer
		}
		if c == '\'' {
			apostrophe = 4
		}
		apostrophe = max(0, apostrophe-1)
		single, longer, before = next, 1+before, here
		prev = c
		i++
	}
	return max(single, longer)
}

// whole tells of a run of digits or spaces that begins at i how long it is and how many tokens it has at most. Length
// 0 means that nothing better is known than for other bytes.
func whole(text string, i int) (n, most int) {
	c := text[i]
	for i+n < len(text) && (text[i+n] == c || isDigit(c) && isDigit(text[i+n])) {
		n++
	}
	after := byte('.')
	if i+n < len(text) {
		after = text[i+n]
	}
	if c == ' ' {
		// The last space goes with what follows; white space of another kind would be one piece with this one.
		n--
		open := i > 0 && (text[i-1] >= 0x80 || isSpace(text[i-1]) && text[i-1] != '\n')
		if open || n < 1 || n > longestIndent || i+n+1 >= len(text) || isSpace(after) || after >= 0x80 {
			return 0, 0
		}
		return n, 1
	}
	most = (n + 2) / 3
	if i > 0 && text[i-1] >= 0x80 { // perhaps a number of another script, which takes up to two of the digits
		most = min(n, 2+n/3)
	}
	if after >= 0x80 { // perhaps a number that is in one group with the last digits
		most = min(n, most+2)
	}
	return n, most
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }
