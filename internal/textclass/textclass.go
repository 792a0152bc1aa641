// Package textclass is the automaton that package tokens reads text with: it sorts bytes into classes, and keeps just
// enough of what came before (the kind of run, and how far into it) to say how likely a token begins at a byte. The
// likelihoods are not here; they are fitted in contrib/tiktoken and stored in package tokens.
package textclass

// Class is what kind of byte a byte is. Continuation bytes of UTF-8 are told apart where the second byte decides the
// script.
type Class = uint8

// The classes. Lower case letters are split by how they take part in words, so that random letters cost more than
// language.
const (
	vowel    Class = iota // a e i o u
	frequent              // t n s r l h d c
	letter                // the other lower case letters
	rare                  // j q x z k w v
	upper
	digit
	space // and tab
	newline
	punct
	bracket    // ( ) [ ] { } " : , which pair up in code and JSON
	underscore // _ - / . inside identifiers and paths
	control
	markC2 // C2: Latin-1 signs
	latin  // C3 to CB: letters with diacritics
	mark   // CC, CD: combining marks
	greek
	cyrillic
	armenian // D4 to D6, DC to DF: other two-byte scripts
	hebrew
	arabic
	leadE0
	leadE1
	leadE2
	leadE3
	han // E4 to E9
	leadEA
	hangul // EB to ED
	leadEF // and EE
	leadF0 // and F1 to F4
	invalid
	cont80
	cont81
	cont82
	cont83
	cont84 // to 8F
	cont90 // to 9E
	cont9F
	contA0 // to A3
	contA4 // A5
	contA6 // to AF
	contB0 // to B7
	contB8 // B9
	contBA // BB
	contBC // to BF
	Classes
)

// Of tells the class of each byte.
var Of = classes()

func classes() (t [256]Class) {
	set := func(from, to int, c Class) {
		for b := from; b <= to; b++ {
			t[b] = c
		}
	}
	set(0x00, 0x1F, control)
	set(0x20, 0x7E, punct)
	t[0x7F] = control
	t[' '], t['\t'] = space, space
	t['\n'], t['\r'] = newline, newline
	set('a', 'z', letter)
	set('A', 'Z', upper)
	set('0', '9', digit)
	for _, group := range []struct {
		chars string
		class Class
	}{{"aeiou", vowel}, {"tnsrlhdc", frequent}, {"jqxzkwv", rare}, {`()[]{}":,`, bracket}, {"_-/.", underscore}} {
		for i := range len(group.chars) {
			t[group.chars[i]] = group.class
		}
	}
	set(0x80, 0xBF, cont84)
	t[0x80], t[0x81], t[0x82], t[0x83], t[0x9F] = cont80, cont81, cont82, cont83, cont9F
	set(0x90, 0x9E, cont90)
	set(0xA0, 0xA3, contA0)
	set(0xA4, 0xA5, contA4)
	set(0xA6, 0xAF, contA6)
	set(0xB0, 0xB7, contB0)
	set(0xB8, 0xB9, contB8)
	set(0xBA, 0xBB, contBA)
	set(0xBC, 0xBF, contBC)
	set(0xC0, 0xFF, invalid)
	t[0xC2] = markC2
	set(0xC3, 0xCB, latin)
	set(0xCC, 0xCD, mark)
	set(0xCE, 0xCF, greek)
	set(0xD0, 0xD3, cyrillic)
	set(0xD4, 0xD6, armenian)
	t[0xD7] = hebrew
	set(0xD8, 0xDB, arabic)
	set(0xDC, 0xDF, armenian)
	t[0xE0], t[0xE1], t[0xE2], t[0xE3] = leadE0, leadE1, leadE2, leadE3
	set(0xE4, 0xE9, han)
	t[0xEA] = leadEA
	set(0xEB, 0xED, hangul)
	set(0xEE, 0xEF, leadEF)
	set(0xF0, 0xF4, leadF0)
	return t
}

// Latin tells the class of letters with diacritics, which mark text that is not English.
const Latin = latin

// The states: the kind of run, and the position in it, up to where more makes no difference.
const (
	start       = 0
	word        = start + 1     // words of lower case letters, 10 long
	accented    = word + 10     // words from the first letter with a diacritic on, 5
	capitals    = accented + 5  // runs of upper case letters, 4
	mixed       = capitals + 4  // after a change of case within three letters, or a digit: codes, base64; 3
	digits      = mixed + 3     // 3, then again the first
	spaces      = digits + 3    // 2
	newlines    = spaces + 2    // 2
	puncts      = newlines + 2  // 4
	cyrWord     = puncts + 4    // 8
	grkWord     = cyrWord + 8   // 5
	hebWord     = grkWord + 5   // 5
	araWord     = hebWord + 5   // 6
	twoByte     = araWord + 6   // other scripts of two bytes, 2
	indic       = twoByte + 2   // Devanagari, 4
	thai        = indic + 4     // 2
	indicElse   = thai + 2      // the other scripts that begin with E0
	leadOther   = indicElse + 1 // E0 after anything else
	leadOfIndic = leadOther + 1 // E0 within Devanagari, 4
	leadOfThai  = leadOfIndic + 4
	leadOfElse  = leadOfThai + 1
	pendE1      = leadOfElse + 1
	threeByte   = pendE1 + 1
	pendE2      = threeByte + 1
	dash        = pendE2 + 1 // general punctuation, U+2000 to U+203F
	symbol      = dash + 1
	pendE3      = symbol + 1
	pendE3Kana  = pendE3 + 1
	kana        = pendE3Kana + 1 // 2
	cjkPunct    = kana + 2
	hanzi       = cjkPunct + 1 // 3
	pendEA      = hanzi + 3
	hangulWord  = pendEA + 1 // 4
	pendEF      = hangulWord + 4
	fullwidth   = pendEF + 1
	selector    = fullwidth + 1
	pendF0      = selector + 1
	emoji       = pendF0 + 1
	fourByte    = emoji + 1
	latinSign   = fourByte + 1
	binary      = latinSign + 1
	States      = binary + 1
)

// run is the next position in a run of n states that begins at first.
func run(state, first, n int) int {
	if state < first || state >= first+n {
		return first
	}
	return min(state+1, first+n-1)
}

func within(state, first, n int) bool { return state >= first && state < first+n }

// Next is the state after a byte of the given class. A continuation byte that decides nothing leaves the state as it
// is.
func Next(state int, c Class) int {
	switch c {
	case vowel, frequent, letter, rare:
		switch {
		case within(state, mixed, 3):
			return run(state, mixed, 3)
		case within(state, accented, 5):
			return run(state, accented, 5)
		case within(state, digits, 3):
			return mixed
		case state == capitals:
			return word + 1
		case within(state, capitals, 4):
			return mixed
		}
		return run(state, word, 10)
	case upper:
		if within(state, digits, 3) || within(state, mixed, 3) || within(state, word, 3) {
			return mixed
		}
		return run(state, capitals, 4)
	case digit:
		if within(state, digits, 3) {
			return digits + (state-digits+1)%3
		}
		return digits
	case space:
		return run(state, spaces, 2)
	case newline:
		return run(state, newlines, 2)
	case punct, bracket, underscore:
		return run(state, puncts, 4)
	case control, invalid:
		return binary
	case markC2:
		return latinSign
	case latin:
		return run(state, accented, 5)
	case mark:
		return state
	case greek:
		return run(state, grkWord, 5)
	case cyrillic:
		return run(state, cyrWord, 8)
	case hebrew:
		return run(state, hebWord, 5)
	case arabic:
		return run(state, araWord, 6)
	case armenian:
		return run(state, twoByte, 2)
	case leadE0:
		switch {
		case within(state, indic, 4):
			return leadOfIndic + state - indic
		case within(state, thai, 2):
			return leadOfThai
		case state == indicElse:
			return leadOfElse
		}
		return leadOther
	case leadE1:
		return pendE1
	case leadE2:
		return pendE2
	case leadE3:
		if within(state, kana, 2) {
			return pendE3Kana
		}
		return pendE3
	case han:
		return run(state, hanzi, 3)
	case leadEA:
		return pendEA
	case hangul:
		return run(state, hangulWord, 4)
	case leadEF:
		return pendEF
	case leadF0:
		return pendF0
	}
	return second(state, c)
}

// second is the state after a continuation byte.
func second(state int, c Class) int {
	switch {
	case within(state, leadOfIndic, 4) && c == contA4:
		return min(indic+state-leadOfIndic+1, indic+3)
	case state == leadOther || within(state, leadOfIndic, 4) || state == leadOfThai || state == leadOfElse:
		switch {
		case c == contA4:
			return indic
		case c == contB8 && state == leadOfThai:
			return thai + 1
		case c == contB8:
			return thai
		}
		return indicElse
	case state == pendE1:
		if c == contB8 || c == contBA { // Latin Extended Additional, as in Vietnamese
			return accented + 1
		}
		return threeByte
	case state == pendE2:
		if c == cont80 {
			return dash
		}
		return symbol
	case state == pendE3 || state == pendE3Kana:
		switch c {
		case cont80:
			return cjkPunct
		case cont81, cont82, cont83:
			if state == pendE3Kana {
				return kana + 1
			}
			return kana
		}
		return hanzi
	case state == pendEA:
		if c >= contB0 {
			return hangulWord
		}
		return threeByte
	case state == pendEF:
		if c == contBC {
			return fullwidth
		}
		return selector
	case state == pendF0:
		if c == cont9F {
			return emoji
		}
		return fourByte
	}
	return state
}
