package models

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Unit is what a price is for.
type Unit uint8

// Vendors bill tokens and characters by the million, and other things by the piece. A price per hour stands where the
// price of a second has no end as a decimal number.
const (
	PerMillionTokens Unit = iota
	PerMillionCharacters
	PerMillionPixels
	PerSecond
	PerMinute
	PerHour
	PerImage
	PerPage
	PerQuery   // of a search, a rerank, a tool of the provider
	PerRequest // of the whole call, beside its tokens
	PerSession // of a container, an hour's code execution
	PerStep    // of an image's diffusion
	numUnits
)

var unitNames = [numUnits]string{"million_tokens", "million_characters", "million_pixels", "second", "minute", "hour", "image", "page",
	"query", "request", "session", "step"}

// Size is how many of what is counted the price is for: 1,000,000 tokens, characters or pixels; of time the seconds;
// otherwise 1. The cost of n is Amount × n / Size.
func (u Unit) Size() int64 {
	switch u {
	case PerMillionTokens, PerMillionCharacters, PerMillionPixels:
		return 1_000_000
	case PerMinute:
		return 60
	case PerHour:
		return 3600
	}
	return 1
}

// String is "million_tokens", "second", "image" …
func (u Unit) String() string { return nameOf(unitNames[:], u) }

// MarshalText is [Unit.String].
func (u Unit) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText reads what String writes.
func (u *Unit) UnmarshalText(text []byte) error { return parseName(u, unitNames[:], "unit", text) }

// Dimension is what of a call is billed.
type Dimension uint8

// The dimensions of a price. Tokens are of text where nothing else is said.
const (
	Input Dimension = iota
	Output
	CacheRead
	CacheWrite   // with the life that is the vendor's default: 5 minutes at Anthropic
	CacheWrite1h // kept for an hour
	Reasoning
	InputAudio
	OutputAudio
	CacheReadAudio
	CacheWriteAudio
	InputImage
	OutputImage // by token, or per image: see [Price.Variant]
	CacheReadImage
	InputVideo
	OutputVideo
	Citation         // tokens of cited sources
	Request          // a sum for each call, beside its tokens
	Page             // of a document that is read
	AnnotatedPage    // of a document that is read into a given structure
	WebSearch        // by the provider's own tool; the variant is the size of the context, where that counts
	EnterpriseSearch // Google's web grounding for enterprises
	MapsSearch
	XSearch
	FileSearch
	AttachmentSearch
	CodeExecution
	Compute // time of the machine that serves the call
	numDimensions
)

var dimensionNames = [numDimensions]string{"input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning", "input_audio",
	"output_audio", "cache_read_audio", "cache_write_audio", "input_image", "output_image", "cache_read_image", "input_video", "output_video",
	"citation", "request", "page", "annotated_page", "web_search", "enterprise_search", "maps_search", "x_search", "file_search",
	"attachment_search", "code_execution", "compute"}

// Base is the dimension by which this one is billed where a vendor has no price of its own for it: reasoning as output,
// images as text. Cached input is billed as input at most. ok is false where nothing can be said: what is written to a
// cache, and audio and images that a model makes, cost more than text where they cost something else.
func (d Dimension) Base() (base Dimension, ok bool) {
	switch d {
	case CacheRead, InputAudio, InputImage, InputVideo:
		return Input, true
	case CacheReadAudio:
		return InputAudio, true
	case CacheReadImage:
		return InputImage, true
	case Reasoning:
		return Output, true
	}
	return d, false
}

// String is "input", "cache_read", "web_search" …
func (d Dimension) String() string { return nameOf(dimensionNames[:], d) }

// MarshalText is [Dimension.String].
func (d Dimension) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what String writes.
func (d *Dimension) UnmarshalText(text []byte) error {
	return parseName(d, dimensionNames[:], "dimension", text)
}

// Tier is a service tier that has prices of its own.
type Tier string

// The tiers that vendors sell.
const (
	Standard Tier = ""
	Batch    Tier = "batch"
	Flex     Tier = "flex"
	Priority Tier = "priority"
	Fast     Tier = "fast" // Anthropic's "speed": "fast"
)

// TierOf is the tier that an answer names in its service_tier: "default", "auto", "standard", "on_demand" and "" are
// [Standard]; other names stand for themselves.
func TierOf(serviceTier string) Tier {
	switch serviceTier {
	case "default", "auto", "standard", "standard_only", "on_demand":
		return Standard
	}
	return Tier(serviceTier)
}

// Price is the price of one dimension.
type Price struct {
	Dimension Dimension
	Unit      Unit
	Amount    Amount
	// Above is the number of input tokens, cached ones included, above which this price holds instead of the one
	// before it: 200000 means from 200,001 on. 0 is the first price.
	Above int64
	// Excess says that only the tokens above the threshold are billed by this price. Otherwise, which is what all
	// vendors in the embedded catalogue do, the whole request is.
	Excess bool
	// Variant tells prices of one dimension apart: the quality and size of an image ("hd 1024x1792"), the resolution
	// of a video, the size of a search's context ("low"). "" is the default.
	Variant string
}

// PriceList is the prices that hold together: for one service tier, in some regions, for some time.
type PriceList struct {
	Tier Tier
	// Regions are those that this list is for, as the vendor names them: "eu", "us-gov-west-1". None: all that no
	// other list of the model names.
	Regions []string
	// From and Until bound the days on which the list holds, in UTC: From is the first, Until the first on which it
	// no longer does. 0 is open.
	From, Until Date
	// UpTo is the number of input tokens, cached ones included, up to which the list holds; what longer requests cost
	// is not known, or the vendor does not sell them. 0: all.
	UpTo int64
	// Windows are times of the day at which the list holds, before any list without windows. None: always.
	Windows []Window
	// Source is where the prices were read: the vendor's page as a URL where one is known, else the names of the
	// public price lists that agree. Checked is the day of that.
	Source  string
	Checked Date
	// Prices are sorted by dimension, variant and threshold.
	Prices []Price
}

// Of are the prices of one dimension, all variants and thresholds.
func (l *PriceList) Of(d Dimension) []Price {
	from, found := slices.BinarySearchFunc(l.Prices, d, func(p Price, d Dimension) int { return int(p.Dimension) - int(d) })
	if !found {
		return nil
	}
	to := from
	for to < len(l.Prices) && l.Prices[to].Dimension == d {
		to++
	}
	return l.Prices[from:to]
}

// Find is the price of a dimension, in a variant, for a request of so many input tokens, cached ones included. It
// is the one with the highest threshold that is passed; see [PriceList.UpTo]. A list may price one thing in two ways, by
// the token and, in variants, by the piece: they are alternatives, and only one is billed. A variant that has no price is not found; neither is
// another dimension looked at: see [Dimension.Base].
func (l *PriceList) Find(d Dimension, variant string, inputTokens int64) (Price, bool) {
	var best Price
	found := false
	if l.UpTo > 0 && inputTokens > l.UpTo {
		return best, false
	}
	for _, p := range l.Of(d) {
		if p.Variant == variant && (p.Above == 0 || inputTokens > p.Above) {
			best, found = p, true
		}
	}
	return best, found
}

// Window is a time of each day, in UTC.
type Window struct {
	// From and Until are minutes after midnight; From is within, Until is not. From > Until is over midnight.
	From, Until int16
	// Days are the days of the week on which the window begins, bit 0 is Sunday. 0: all.
	Days uint8
}

const minutesPerDay = 24 * 60

func (w Window) holds(t time.Time) bool {
	minute, day := int16(t.Hour()*60+t.Minute()), t.Weekday()
	if w.From > w.Until && minute < w.Until { // it began the day before
		return w.Days == 0 || w.Days>>((day+6)%7)&1 == 1
	}
	inside := minute >= w.From && (minute < w.Until || w.From > w.Until)
	return inside && (w.Days == 0 || w.Days>>day&1 == 1)
}

var dayNames = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// String is "16:30-00:30", or "01:00-04:00 mon tue".
func (w Window) String() string {
	s := fmt.Sprintf("%02d:%02d-%02d:%02d", w.From/60, w.From%60, w.Until/60, w.Until%60)
	for day, name := range dayNames {
		if w.Days>>day&1 == 1 {
			s += " " + name
		}
	}
	return s
}

// MarshalText is [Window.String].
func (w Window) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText reads what String writes.
func (w *Window) UnmarshalText(text []byte) error {
	words := strings.Fields(string(text))
	if len(words) == 0 {
		return fmt.Errorf("%q is not a window like \"16:30-00:30 mon tue\"", text)
	}
	from, until, found := strings.Cut(words[0], "-")
	a, err := minuteOf(from)
	b, err2 := minuteOf(until)
	if !found || err != nil || err2 != nil || a == b || a >= minutesPerDay {
		return fmt.Errorf("%q is not a window like \"16:30-00:30 mon tue\"", text)
	}
	*w = Window{From: a, Until: b}
	for _, word := range words[1:] {
		day := slices.Index(dayNames[:], word)
		if day < 0 {
			return fmt.Errorf("%q is not a day like \"mon\"", word)
		}
		w.Days |= 1 << day
	}
	return nil
}

func minuteOf(s string) (int16, error) {
	if s == "24:00" {
		return minutesPerDay, nil
	}
	t, err := time.Parse("15:04", s)
	return int16(t.Hour()*60 + t.Minute()), err
}

// PriceAt is the prices of the model at a time, for a service tier ([Standard] is "") and a region ("" is the
// vendor's default). Nothing is assumed: ok is false if the catalogue has no prices for that tier, and for a region
// that has prices of its own, but not in that tier. A list for certain hours of the day goes before one without.
// Tools that are billed by the call cost the same in all tiers where a list does not say otherwise: they stand in
// the list of the standard tier.
func (m *Model) PriceAt(t time.Time, tier Tier, region string) (*PriceList, bool) {
	t = t.UTC()
	day := DateOf(t)
	var best *PriceList
	rank, named := 0, false
	for i := range m.Prices {
		l := &m.Prices[i]
		if l.From > day || l.Until != 0 && l.Until <= day {
			continue
		}
		own := region != "" && slices.Contains(l.Regions, region)
		named = named || own
		if TierOf(string(tier)) != l.Tier || len(l.Regions) > 0 && !own {
			continue
		}
		r := 1
		if own {
			r += 2
		}
		if len(l.Windows) > 0 {
			if !slices.ContainsFunc(l.Windows, func(w Window) bool { return w.holds(t) }) {
				continue
			}
			r++
		}
		if r > rank {
			best, rank = l, r
		}
	}
	if named && rank < 3 {
		return nil, false
	}
	return best, best != nil
}

// compareLists orders the lists of a model: by tier, region, time and window.
func compareLists(a, b PriceList) int {
	if c := strings.Compare(string(a.Tier), string(b.Tier)); c != 0 {
		return c
	}
	if c := slices.Compare(a.Regions, b.Regions); c != 0 {
		return c
	}
	if a.From != b.From {
		return int(a.From) - int(b.From)
	}
	return slices.CompareFunc(a.Windows, b.Windows, func(a, b Window) int { return int(a.From) - int(b.From) })
}

func comparePrices(a, b Price) int {
	if a.Dimension != b.Dimension {
		return int(a.Dimension) - int(b.Dimension)
	}
	if c := strings.Compare(a.Variant, b.Variant); c != 0 {
		return c
	}
	switch {
	case a.Above < b.Above:
		return -1
	case a.Above > b.Above:
		return 1
	}
	return int(a.Unit) - int(b.Unit)
}

// check says what is wrong with a list whose prices are sorted.
func (l *PriceList) check() error {
	if l.Until != 0 && l.From >= l.Until {
		return fmt.Errorf("until %s is not after from %s", l.Until, l.From)
	}
	if l.UpTo < 0 {
		return fmt.Errorf("up_to is negative")
	}
	for i, p := range l.Prices {
		switch {
		case p.Dimension >= numDimensions || p.Unit >= numUnits:
			return fmt.Errorf("prices[%d]: unknown dimension or unit", i)
		case p.Amount < 0:
			return fmt.Errorf("prices[%d]: %s per %s of %s is negative", i, p.Amount, p.Unit, p.Dimension)
		case p.Above < 0:
			return fmt.Errorf("prices[%d]: the threshold of %s is negative", i, p.Dimension)
		case p.Excess && p.Above == 0:
			return fmt.Errorf("prices[%d]: %s has excess without above", i, p.Dimension)
		case i > 0 && l.Prices[i-1].Dimension == p.Dimension && l.Prices[i-1].Variant == p.Variant && l.Prices[i-1].Above == p.Above:
			return fmt.Errorf("prices[%d]: %s has two prices", i, p.Dimension)
		case p.Above > 0 && (i == 0 || l.Prices[i-1].Dimension != p.Dimension || l.Prices[i-1].Variant != p.Variant):
			return fmt.Errorf("prices[%d]: %s has a price above %d and none below", i, p.Dimension, p.Above)
		}
	}
	return nil
}

// SortPrices puts prices in the order of a [PriceList]: by dimension, variant and threshold. Catalogues sort what they
// are given; a list that is used without one needs it.
func SortPrices(prices []Price) { slices.SortStableFunc(prices, comparePrices) }
