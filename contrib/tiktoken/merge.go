package tiktoken

import (
	"container/heap"
	"sync"
	"unicode/utf8"

	"github.com/llm-go/llm/tokens"
	loader "github.com/pkoukk/tiktoken-go-loader"
)

// vocabulary maps each token to its rank: the lower, the earlier two parts are merged into it.
type vocabulary map[string]int

var vocabularies = [2]func() vocabulary{
	tokens.O200k:  sync.OnceValue(func() vocabulary { return load("o200k_base.tiktoken") }),
	tokens.Cl100k: sync.OnceValue(func() vocabulary { return load("cl100k_base.tiktoken") }),
}

func load(name string) vocabulary {
	v, err := loader.NewOfflineLoader().LoadTiktokenBpe(name)
	if err != nil {
		panic("tiktoken: the vocabulary is part of the program: " + err.Error())
	}
	return v
}

// each calls yield with the tokens of a text, in order.
func each(v tokens.Vocabulary, text string, yield func(token string)) {
	ranks := vocabularies[v]()
	if !utf8.ValidString(text) {
		text = string([]rune(text))
	}
	for len(text) > 0 {
		n := piece(v, text)
		if _, ok := ranks[text[:n]]; ok {
			yield(text[:n])
		} else {
			ranks.merge(text[:n], yield)
		}
		text = text[n:]
	}
}

// merge splits a piece into tokens: two neighbours with the lowest rank become one, the leftmost first, until none
// are a token together.
func (v vocabulary) merge(s string, yield func(token string)) {
	// next[i] is where the part after the one at i begins, prev[i] where the one before does. gone marks places where
	// no part begins any more.
	m := merger{s: s, ranks: v, parts: make([]part, len(s)+1)}
	for i := range m.parts {
		m.parts[i] = part{prev: i - 1, next: i + 1}
	}
	for i := range len(s) - 1 {
		m.offer(i)
	}
	heap.Init(&m.pairs)
	for len(m.pairs) > 0 {
		p := heap.Pop(&m.pairs).(pair)
		// A pair that has changed since is of another length.
		if m.parts[p.at].gone || m.end(p.at) != p.end {
			continue
		}
		left := &m.parts[p.at]
		m.parts[left.next].gone = true
		left.next = p.end
		m.parts[p.end].prev = p.at
		m.push(p.at)
		if left.prev >= 0 {
			m.push(left.prev)
		}
	}
	for i := 0; i < len(s); i = m.parts[i].next {
		yield(s[i:m.parts[i].next])
	}
}

type part struct {
	prev, next int
	gone       bool
}

type pair struct{ rank, at, end int }

type merger struct {
	s     string
	ranks vocabulary
	parts []part
	pairs pairs
}

// end is where the part after the one at i ends, 0 if there is none.
func (m *merger) end(i int) int {
	if next := m.parts[i].next; next < len(m.s) {
		return m.parts[next].next
	}
	return 0
}

func (m *merger) offer(i int) bool {
	end := m.end(i)
	if end == 0 {
		return false
	}
	rank, ok := m.ranks[m.s[i:end]]
	if ok {
		m.pairs = append(m.pairs, pair{rank, i, end})
	}
	return ok
}

func (m *merger) push(i int) {
	if m.offer(i) {
		heap.Fix(&m.pairs, len(m.pairs)-1)
	}
}

type pairs []pair

func (p pairs) Len() int { return len(p) }
func (p pairs) Less(i, j int) bool {
	return p[i].rank < p[j].rank || p[i].rank == p[j].rank && p[i].at < p[j].at
}
func (p pairs) Swap(i, j int) { p[i], p[j] = p[j], p[i] }
func (p *pairs) Push(x any)   { *p = append(*p, x.(pair)) }
func (p *pairs) Pop() any {
	last := (*p)[len(*p)-1]
	*p = (*p)[:len(*p)-1]
	return last
}
