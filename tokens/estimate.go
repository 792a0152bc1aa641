package tokens

import (
	"sync"

	"github.com/llm-go/llm/internal/textclass"
)

// Vocabulary is a published tokeniser's vocabulary that this package can estimate and bound without holding it.
type Vocabulary uint8

const (
	// O200k is o200k_base: GPT-4o, GPT-4.1, GPT-5 and the o series.
	O200k Vocabulary = iota
	// Cl100k is cl100k_base: GPT-4, GPT-3.5 and the embedding models.
	Cl100k
)

// Estimate is about how many tokens a text has in o200k_base, without a tokeniser: about a nanosecond a byte, and no
// allocation. It is within some percent for prose and code; docs/tokens.md has the error per language, as measured.
// For a number that is never too small see [Bounds].
func Estimate(text string) int { return O200k.Estimate(text) }

// Estimate is [Estimate] for this vocabulary.
//
// It adds up, byte by byte, how likely a token begins there, given what kind of byte it is and what came before. The
// likelihoods were counted in a corpus of many languages; the fit is in contrib/tiktoken. Where a block of 512 bytes
// has letters with diacritics, those counted in languages other than English hold.
func (v Vocabulary) Estimate(text string) int {
	if text == "" {
		return 0
	}
	t := tables[v&1]()
	var sum uint64 // in 1/unit tokens
	if len(text) >= 4*blockBytes {
		// One byte's step waits for the one before, so four parts are read side by side. A part that begins within a
		// word costs at most a token.
		part := len(text) / 4 / blockBytes * blockBytes
		sum, text = quarters(t, text[:4*part], part), text[4*part:]
	}
	var state uint64
	for len(text) > 0 {
		n := min(len(text), blockBytes)
		var acc uint64
		for i := range n {
			e := t[(state+uint64(textclass.Of[text[i]]))&(tableSize-1)]
			state = e & stateMask
			acc += e >> stateBits
		}
		sum += blend(acc, n)
		text = text[n:]
	}
	return max(1, int((sum+unit/2)/unit))
}

func quarters(t *table, text string, part int) (sum uint64) {
	a, b, c, d := text[:part], text[part:2*part], text[2*part:3*part], text[3*part:]
	of := &textclass.Of
	var sa, sb, sc, sd uint64
	for len(a) >= blockBytes && len(b) >= blockBytes && len(c) >= blockBytes && len(d) >= blockBytes {
		var ta, tb, tc, td uint64
		for i := range blockBytes {
			sa = t[(sa&stateMask+uint64(of[a[i]]))&(tableSize-1)]
			sb = t[(sb&stateMask+uint64(of[b[i]]))&(tableSize-1)]
			sc = t[(sc&stateMask+uint64(of[c[i]]))&(tableSize-1)]
			sd = t[(sd&stateMask+uint64(of[d[i]]))&(tableSize-1)]
			ta += sa >> stateBits
			tb += sb >> stateBits
			tc += sc >> stateBits
			td += sd >> stateBits
		}
		sum += blend(ta, blockBytes) + blend(tb, blockBytes) + blend(tc, blockBytes) + blend(td, blockBytes)
		a, b, c, d = a[blockBytes:], b[blockBytes:], c[blockBytes:], d[blockBytes:]
	}
	return sum
}

// An entry of a table holds, from the lowest bit: the row of the next state, the likelihood in English, code and
// scripts of their own, the likelihood in other languages with Latin letters, and whether the byte begins a letter
// with a diacritic. The last three add up over a block without running into each other.
const (
	blockBytes = 512
	stateBits  = 14
	stateMask  = 1<<stateBits - 1
	costBits   = 20
	costMask   = 1<<costBits - 1
	unit       = 1024 // likelihoods are stored in 1/unit
	tableSize  = 8192
)

type table [tableSize]uint64

// blend weighs the two sums of a block of n bytes: from 4 letters with diacritics in 512 bytes on, a text is taken
// for one in a language that is not English.
func blend(acc uint64, n int) uint64 {
	plain, foreign, letters := acc&costMask, acc>>costBits&costMask, acc>>(2*costBits)
	weight := min(letters*blockBytes*64/uint64(n), 4*64)
	return (plain*(4*64-weight) + foreign*weight) / (4 * 64)
}

// weight is how likely, in 1/unit, a token begins at a byte of the class in the state.
type weight struct {
	state, class   uint8
	plain, foreign uint16
}

// weights are what was seen in the corpus; for the rest the mean over the class holds.
type weights struct {
	classes [textclass.Classes][2]uint16
	pairs   []weight
}

var tables = [2]func() *table{
	sync.OnceValue(func() *table { return newTable(&o200kWeights) }),
	sync.OnceValue(func() *table { return newTable(&cl100kWeights) }),
}

func newTable(w *weights) *table {
	const row = int(textclass.Classes)
	t := new(table)
	set := func(state int, class uint8, plain, foreign uint16) {
		e := uint64(textclass.Next(state, class)*row) | uint64(plain)<<stateBits | uint64(foreign)<<(stateBits+costBits)
		if class == textclass.Latin {
			e |= 1 << (stateBits + 2*costBits)
		}
		t[state*row+int(class)] = e
	}
	for state := range textclass.States {
		for class := range uint8(textclass.Classes) {
			set(state, class, w.classes[class][0], w.classes[class][1])
		}
	}
	for _, p := range w.pairs {
		set(int(p.state), p.class, p.plain, p.foreign)
	}
	return t
}
