package tokens

import "math"

// tileRule: "Tile-based image tokenization" of OpenAI's guide.
type tileRule struct{ base, tile int }

var tileRules = map[string]tileRule{
	"gpt-5.1": {70, 140}, "gpt-5": {70, 140}, "gpt-4o": {85, 170}, "gpt-4.1": {85, 170}, "gpt-4o-mini": {2833, 5667},
	"o1": {75, 150}, "o1-pro": {75, 150}, "o3": {75, 150}, "gpt-4-turbo": {85, 170},
}

func (r tileRule) tokens(w, h int, detail string) int {
	if detail == "low" {
		return r.base
	}
	w, h = fit(w, h, 2048)
	if short := min(w, h); short > 768 {
		w, h = w*768/short, h*768/short
	}
	return r.base + r.tile*cover(w, 512)*cover(h, 512)
}

// patchRule: "Patch-based image tokenization" of OpenAI's guide.
type patchRule struct {
	multiplier float64
	low, high  patchLimit
	original   patchLimit
	auto       patchLimit
}

// patchLimit is the longest side in pixels and the most patches; 0 is no limit.
type patchLimit struct{ side, patches int }

var (
	small      = patchLimit{side: 512}
	older      = patchLimit{side: 2048, patches: 6144}
	standard   = patchLimit{side: 2048, patches: 2500}
	large      = patchLimit{side: 6000, patches: 10_000}
	unlimited  = patchLimit{side: 65_535}
	capped     = patchLimit{patches: 1536}
	gpt56      = patchRule{1.2, small, standard, unlimited, unlimited}
	gpt55      = patchRule{1.2, small, standard, large, large}
	gpt54      = patchRule{1.2, older, standard, large, standard}
	patchRules = map[string]patchRule{
		"gpt-5.6-sol": gpt56, "gpt-5.6-terra": gpt56, "gpt-5.6-luna": gpt56, "gpt-5.5": gpt55,
		"gpt-5.4": gpt54, "gpt-5.4-mini": gpt54, "gpt-5.4-nano": gpt54,
		"gpt-5.2": {1.2, older, older, older, older}, "gpt-4.1-mini": {1.62, older, older, older, older},
		// The current guide has the multipliers of these, the sizes are those of its edition of 2025.
		"gpt-5-mini": {1.2, capped, capped, capped, capped}, "gpt-5-nano": {1.5, capped, capped, capped, capped},
		"gpt-4.1-nano": {2.46, capped, capped, capped, capped}, "o4-mini": {1.72, capped, capped, capped, capped},
	}
	newestPatches = gpt56
)

func (r patchRule) tokens(w, h int, detail string) int {
	limit := r.auto
	switch detail {
	case "low":
		limit = r.low
	case "high":
		limit = r.high
	case "original":
		limit = r.original
	}
	if limit.side > 0 {
		w, h = fit(w, h, limit.side)
	}
	if limit.patches > 0 && cover(w, 32)*cover(h, 32) > limit.patches {
		shrink := math.Sqrt(float64(32*32*limit.patches) / (float64(w) * float64(h)))
		x, y := float64(w)*shrink/32, float64(h)*shrink/32
		shrink *= min(math.Floor(x)/x, math.Floor(y)/y)
		// An image that is one patch high has no room left in that direction.
		w, h = max(1, int(float64(w)*shrink)), max(1, int(float64(h)*shrink))
	}
	return int(math.Ceil(float64(cover(w, 32)*cover(h, 32))*r.multiplier - 1e-9))
}

// claudeLimit is the longest side in pixels and the most tokens of an image.
type claudeLimit struct{ side, tokensMax int }

var (
	standardResolution = claudeLimit{1568, 1568}
	highResolution     = claudeLimit{2576, 4784}
)

// tokens resizes to the largest size with the same proportions that is within the limits.
func (l claudeLimit) tokens(w, h int, _ string) int {
	long, short := float64(max(w, h)), float64(min(w, h))
	for side := min(max(w, h), l.side); side > 0; side-- {
		other := max(1, int(math.Round(float64(side)*short/long)))
		if n := cover(side, 28) * cover(other, 28); n <= l.tokensMax {
			return n
		}
	}
	return 1
}

// geminiTiles: "Image understanding", "Token calculation": the unit is the shorter side by 1.5, within 256 and 768.
func geminiTiles(w, h int, _ string) int {
	if w <= 384 && h <= 384 {
		return 258
	}
	unit := min(max(min(w, h)*2/3, 256), 768)
	return 258 * cover(w, unit) * cover(h, unit)
}

func geminiImage(_, _ int, detail string) int {
	switch detail {
	case "low":
		return 280
	case "medium":
		return 560
	case "original", "ultra_high":
		return 2240
	}
	return 1120
}

// fit scales a size down until neither side is over the limit.
func fit(w, h, limit int) (int, int) {
	if long := max(w, h); long > limit {
		return max(1, w*limit/long), max(1, h*limit/long)
	}
	return w, h
}

func cover(length, unit int) int { return (length + unit - 1) / unit }
