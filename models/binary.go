package models

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// The binary form: gzip over a version, a table of strings and the models. Numbers are varints, strings are numbers
// in the table, lists begin with their length. Numbers that tend to be round in decimals are written as digits and
// zeros. It is read some ten times as fast as JSON, and belongs to one version of this package.
const binaryVersion = 1

type encoder struct {
	b       []byte
	strings map[string]uint64
	table   []string
}

// MarshalBinary writes the compact form that this package embeds. Other versions of the package do not read it: use
// JSON to keep a catalogue.
func (c *Catalogue) MarshalBinary() ([]byte, error) {
	e := &encoder{strings: make(map[string]uint64)}
	aliases := make([]string, 0, len(c.providers))
	for alias := range c.providers {
		aliases = append(aliases, alias)
	}
	slices.Sort(aliases)
	e.uint(uint64(len(aliases)))
	for _, alias := range aliases {
		e.string(alias)
		e.string(c.providers[alias])
	}
	e.uint(uint64(len(c.models)))
	lists, prices := 0, 0
	for _, m := range c.models {
		lists += len(m.Prices)
		for _, l := range m.Prices {
			prices += len(l.Prices)
		}
	}
	e.uint(uint64(lists))
	e.uint(uint64(prices))
	for _, m := range c.models {
		e.model(m)
	}
	head := binary.AppendUvarint(nil, binaryVersion)
	text := strings.Join(e.table, "")
	head = binary.AppendUvarint(head, uint64(len(e.table)))
	for _, s := range e.table {
		head = binary.AppendUvarint(head, uint64(len(s)))
	}
	head = binary.AppendUvarint(head, uint64(len(text)))
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	for _, part := range [][]byte{head, []byte(text), e.b} {
		if _, err := z.Write(part); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func (e *encoder) uint(v uint64) { e.b = binary.AppendUvarint(e.b, v) }

func (e *encoder) string(s string) {
	i, ok := e.strings[s]
	if !ok {
		i = uint64(len(e.table))
		e.strings[s] = i
		e.table = append(e.table, s)
	}
	e.uint(i)
}

func (e *encoder) list(l []string) {
	e.uint(uint64(len(l)))
	for _, s := range l {
		e.string(s)
	}
}

// round writes a number as its digits before the zeros, and how many zeros there are.
func (e *encoder) round(v int64) {
	zeros := uint64(0)
	for v != 0 && v%10 == 0 {
		v /= 10
		zeros++
	}
	e.b = append(e.b, byte(zeros))
	e.uint(uint64(v))
}

func (e *encoder) model(m *Model) {
	e.string(m.Provider)
	e.string(m.ID)
	e.list(m.Aliases)
	e.string(string(m.Mode))
	e.string(m.Status)
	for _, n := range []int{m.ContextWindow, m.MaxInputTokens, m.MaxOutputTokens, m.Dimensions, m.MinCacheTokens, m.MinReasoningTokens,
		m.MaxReasoningTokens} {
		e.uint(uint64(n))
	}
	e.b = append(e.b, byte(m.Input), byte(m.Output))
	e.list(m.ReasoningEfforts)
	first := uint64(0)
	if m.FirstParty {
		first = 1
	}
	e.uint(first)
	for _, d := range []Date{m.Released, m.Deprecated, m.Retired} {
		e.uint(uint64(d))
	}
	e.uint(uint64(m.known))
	e.uint(uint64(m.supported))
	e.uint(uint64(len(m.Prices)))
	for _, l := range m.Prices {
		e.string(string(l.Tier))
		e.list(l.Regions)
		e.uint(uint64(l.From))
		e.uint(uint64(l.Until))
		e.uint(uint64(l.UpTo))
		e.uint(uint64(len(l.Windows)))
		for _, w := range l.Windows {
			e.uint(uint64(w.From))
			e.uint(uint64(w.Until))
			e.uint(uint64(w.Days))
		}
		e.string(l.Source)
		e.uint(uint64(l.Checked))
		e.uint(uint64(len(l.Prices)))
		for _, p := range l.Prices {
			e.b = append(e.b, byte(p.Dimension), byte(p.Unit))
			e.round(int64(p.Amount))
			excess := uint64(0)
			if p.Excess {
				excess = 1
			}
			e.uint(uint64(p.Above)<<1 | excess)
			e.string(p.Variant)
		}
	}
}

var errBinary = errors.New("models: the binary catalogue is damaged")

// maxBinary bounds what a binary catalogue may unpack to.
const maxBinary = 16 << 20

// UnmarshalBinary reads what MarshalBinary of the same version wrote.
func (c *Catalogue) UnmarshalBinary(data []byte) error {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("%w: %w", errBinary, err)
	}
	// The size of the whole stands at the end of the gzip stream; a wrong one costs time only.
	size := min(int64(binary.LittleEndian.Uint32(data[len(data)-4:])), int64(len(data))*32, maxBinary)
	buf := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	if _, err := buf.ReadFrom(io.LimitReader(z, maxBinary)); err != nil {
		return fmt.Errorf("%w: %w", errBinary, err)
	}
	d := &decoder{b: buf.Bytes()}
	if version := d.uint(); version != binaryVersion {
		return fmt.Errorf("%w: it is of version %d, not %d", errBinary, version, binaryVersion)
	}
	d.readTable()
	fresh := &Catalogue{providers: make(map[string]string)}
	for range d.count(2) {
		alias := d.string()
		fresh.providers[alias] = d.string()
	}
	models := make([]Model, d.count(20))
	d.lists, d.prices = make([]PriceList, d.count(9)), make([]Price, d.count(6))
	fresh.models = make([]*Model, len(models))
	for i := range models {
		d.model(&models[i])
		fresh.models[i] = &models[i]
	}
	if d.bad || len(d.b) > 0 || len(d.lists) > 0 || len(d.prices) > 0 {
		return errBinary
	}
	if err := fresh.build(); err != nil {
		return err
	}
	*c = *fresh
	return nil
}

type decoder struct {
	b      []byte
	bad    bool
	table  []string
	lists  []PriceList // not given out yet
	prices []Price
	last   []string // the list of strings read last, which the next is often the same as
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count is the length of a list whose elements have at least so many bytes: it is never more than those that are left hold.
func (d *decoder) count(bytes int) int {
	n := d.uint()
	if n > uint64(len(d.b)/bytes) {
		d.bad, d.b = true, nil
		return 0
	}
	return int(n)
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) readTable() {
	lengths := make([]int, d.count(1))
	for i := range lengths {
		lengths[i] = d.count(1)
	}
	n := d.count(1)
	if d.bad {
		return
	}
	text := string(d.b[:n])
	d.b = d.b[n:]
	d.table = make([]string, len(lengths))
	for i, l := range lengths {
		if l > len(text) {
			d.bad, d.b = true, nil
			return
		}
		d.table[i], text = text[:l], text[l:]
	}
	if text != "" {
		d.bad, d.b = true, nil
	}
}

func (d *decoder) string() string {
	i := d.uint()
	if i >= uint64(len(d.table)) {
		d.bad, d.b = true, nil
		return ""
	}
	return d.table[i]
}

func (d *decoder) list() []string {
	n := d.count(1)
	if n == 0 {
		return nil
	}
	same := n == len(d.last)
	l := make([]string, 0, n)
	for i := range n {
		s := d.string()
		same = same && d.last[i] == s
		l = append(l, s)
	}
	if !same {
		d.last = l
	}
	return d.last
}

func (d *decoder) round() int64 {
	zeros, v := d.byte(), d.uint()
	for range min(zeros, 19) {
		v *= 10
	}
	return int64(v)
}

func (d *decoder) model(m *Model) {
	m.Provider, m.ID = d.string(), d.string()
	if len(m.ID) < len(m.Provider)+1 {
		d.bad, d.b = true, nil
		return
	}
	m.Name = m.ID[len(m.Provider)+1:]
	m.Aliases = d.list()
	m.Mode, m.Status = Mode(d.string()), d.string()
	for _, p := range []*int{&m.ContextWindow, &m.MaxInputTokens, &m.MaxOutputTokens, &m.Dimensions, &m.MinCacheTokens, &m.MinReasoningTokens,
		&m.MaxReasoningTokens} {
		*p = int(d.uint())
	}
	m.Input, m.Output = Modalities(d.byte()), Modalities(d.byte())
	m.ReasoningEfforts = d.list()
	m.FirstParty = d.uint() == 1
	for _, p := range []*Date{&m.Released, &m.Deprecated, &m.Retired} {
		*p = Date(d.uint())
	}
	m.known, m.supported = capabilitySet(d.uint()), capabilitySet(d.uint())
	n := d.count(1)
	if n > len(d.lists) {
		d.bad, d.b = true, nil
		return
	}
	if n > 0 {
		m.Prices, d.lists = d.lists[:n:n], d.lists[n:]
	}
	for i := range m.Prices {
		d.priceList(&m.Prices[i])
	}
}

func (d *decoder) priceList(l *PriceList) {
	l.Tier = Tier(d.string())
	l.Regions = d.list()
	l.From, l.Until, l.UpTo = Date(d.uint()), Date(d.uint()), int64(d.uint())
	for range d.count(1) {
		l.Windows = append(l.Windows, Window{From: int16(d.uint()), Until: int16(d.uint()), Days: uint8(d.uint())})
	}
	l.Source, l.Checked = d.string(), Date(d.uint())
	n := d.count(1)
	if n > len(d.prices) {
		d.bad, d.b = true, nil
		return
	}
	l.Prices, d.prices = d.prices[:n:n], d.prices[n:]
	for i := range l.Prices {
		p := &l.Prices[i]
		p.Dimension, p.Unit = Dimension(d.byte()), Unit(d.byte())
		p.Amount = Amount(d.round())
		above := d.uint()
		p.Above, p.Excess = int64(above>>1), above&1 == 1
		p.Variant = d.string()
	}
}
