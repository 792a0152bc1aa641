package router

import (
	"math/rand/v2"
	"sort"
)

// pool is the candidates of one choice: the deployments that can take the call.
type pool struct {
	list           []*deployment
	sums           []float64 // running sums of their weights; nil: see weights
	weights        func(d *deployment) float64
	now            int64
	prompt, answer int
	stream         bool
	rand           func() uint64
}

// The strategies.
var (
	// Shuffle draws by Weight; without weights by RPM, without RPM by TPM, and else evenly.
	Shuffle = Strategy{name: "shuffle", pick: shuffle}
	// LeastBusy takes the deployment with the fewest calls in flight from this process; of several, any.
	LeastBusy = Strategy{name: "least-busy", pick: leastBusy}
	// LowestLatency takes the one that has answered fastest of late: by the time to the first content for streams, by
	// the time for each token of the answer otherwise. Those that are not slower than the fastest by more than a tenth
	// and what chance explains share the calls: of two drawn, the less busy. One that was not used for half a minute,
	// or never, is tried by one call at a time. A latency is learnt when a call ends: where it grows with the load,
	// PowerOfTwo, which counts calls in flight, is the better choice.
	LowestLatency = Strategy{name: "lowest-latency", pick: lowestLatency}
	// LowestCost takes the cheapest for what the call may use, by Price; those without a price come last.
	LowestCost = Strategy{name: "lowest-cost", pick: lowestCost}
	// LowestUsage draws two and takes the one that has used the smaller part of its TPM in the last minute, or of its RPM;
	// without limits, the fewer tokens. Were it the lowest of all, one that comes back would get every call, and again
	// each minute when they leave the count together.
	LowestUsage = Strategy{name: "lowest-usage", pick: lowestUsage}
	// PowerOfTwo draws two and takes the one with less work before it: calls in flight times a moving average of the
	// latency that rises at once and falls slowly. It costs the same for any number of deployments, does not run after
	// the fastest as a herd, and is the best choice for many processes without shared state.
	PowerOfTwo = Strategy{name: "power-of-two", pick: powerOfTwo}
	// InOrder takes the first in the order of the configuration: the others are for when it is out or at its limits.
	InOrder = Strategy{name: "in-order", pick: func(*pool) int { return 0 }}
)

// choose asks the strategy.
func (s *Strategy) choose(p *pool) int {
	if len(p.list) == 1 {
		return 0
	}
	if s.custom == nil {
		return s.pick(p)
	}
	list := make([]Candidate, len(p.list))
	for i, d := range p.list {
		list[i] = d.candidate(p)
	}
	if i := s.custom(list); i >= 0 && i < len(list) {
		return i
	}
	return 0
}

func (d *deployment) candidate(p *pool) Candidate {
	requests, tokens := d.used(p.now)
	return Candidate{ID: d.ID, Model: d.Model, Region: d.Region, Tags: d.Tags, Weight: d.Weight, Order: d.Order,
		InFlight: int(d.inFlight.Load()), Requests: int(requests), RPM: d.RPM, Tokens: int(tokens), TPM: d.TPM,
		FirstContent: duration(d.firstContent.Load()), PerToken: duration(d.perToken.Load()),
		Latency: duration(int64(d.peak.read(p.now))), Price: d.Price, Prompt: p.prompt, Answer: p.answer, Stream: p.stream}
}

// used is what d has used in the last minute. The sums are kept for as long as the counter's slots stand.
func (d *deployment) used(now int64) (requests, tokens int64) {
	if d.usedAt.Load() == now/d.usage.width {
		return d.requests.Load(), d.tokens.Load()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.publishUsage(now)
}

// publishUsage is called with mu held.
func (d *deployment) publishUsage(now int64) (requests, tokens int64) {
	requests, tokens = d.usage.sum(now)
	d.requests.Store(requests)
	d.tokens.Store(tokens)
	d.usedAt.Store(now / d.usage.width)
	return requests, tokens
}

func (p *pool) below(n int) int {
	if p.rand == nil {
		return rand.IntN(n)
	}
	return int(p.rand() % uint64(n))
}

func (p *pool) fraction() float64 { return fraction(p.rand) }

// fraction is from 0 to below 1.
func fraction(source func() uint64) float64 {
	if source == nil {
		return rand.Float64()
	}
	return float64(source()>>11) / (1 << 53)
}

func shuffle(p *pool) int {
	if p.weights == nil {
		return p.below(len(p.list))
	}
	if p.sums != nil {
		total := p.sums[len(p.sums)-1]
		if total <= 0 {
			return p.below(len(p.list))
		}
		at := p.fraction() * total
		return min(sort.Search(len(p.sums), func(i int) bool { return p.sums[i] > at }), len(p.list)-1)
	}
	total := 0.0
	for _, d := range p.list {
		total += p.weights(d)
	}
	at := p.fraction() * total
	for i, d := range p.list {
		if at -= p.weights(d); at < 0 {
			return i
		}
	}
	return p.below(len(p.list))
}

// lowest is the index with the lowest score; of several, any.
func (p *pool) lowest(score func(d *deployment) float64) int {
	n := len(p.list)
	best, step := p.below(n), p.step()
	value := score(p.list[best])
	for k, i := 1, best; k < n; k++ {
		if i += step; i >= n {
			i -= n
		}
		if v := score(p.list[i]); v < value {
			best, value = i, v
		}
	}
	return best
}

// step is how a list is gone through from a place drawn by lot, so that every place comes once. If it were always one,
// whoever stands behind a place that is never chosen would get what falls to both.
func (p *pool) step() int {
	n := len(p.list)
	for _, prime := range steps[p.below(len(steps)):] {
		if prime < n && n%prime != 0 {
			return prime
		}
	}
	return 1
}

var steps = [...]int{3, 5, 7, 11, 13, 17, 19, 23}

func leastBusy(p *pool) int {
	return p.lowest(func(d *deployment) float64 { return float64(d.inFlight.Load()) })
}

// unexplored is how long a latency is believed.
const unexplored = int64(30e9)

func lowestLatency(p *pool) int {
	lowest := 0.0
	for i, d := range p.list {
		v := d.speed(p.stream)
		if v == 0 || p.now-d.sampled.Load() > unexplored {
			if d.inFlight.Load() == 0 {
				return i
			}
			if v == 0 {
				continue
			}
		}
		if lowest == 0 || v < lowest {
			lowest = v
		}
	}
	if lowest == 0 {
		return leastBusy(p)
	}
	near := func() int {
		i, step := p.below(len(p.list)), p.step()
		for range p.list { // the speeds may change meanwhile
			if v := p.list[i].speed(p.stream); v > 0 && v-2*p.list[i].doubt(p.stream) <= lowest*1.1 {
				break
			}
			if i += step; i >= len(p.list) {
				i -= len(p.list)
			}
		}
		return i
	}
	i, j := near(), near()
	if p.list[j].inFlight.Load() < p.list[i].inFlight.Load() {
		return j
	}
	return i
}

// doubt is the standard error of speed.
func (d *deployment) doubt(stream bool) float64 {
	if stream {
		return float64(d.firstDoubt.Load())
	}
	return float64(d.tokenDoubt.Load())
}

// speed is what LowestLatency compares, in nanoseconds; 0: not known.
func (d *deployment) speed(stream bool) float64 {
	if stream {
		return float64(d.firstContent.Load())
	}
	return float64(d.perToken.Load())
}

func lowestCost(p *pool) int {
	return p.lowest(func(d *deployment) float64 {
		if d.Price == nil {
			return 1e300
		}
		return d.cost(p.prompt, p.answer)
	})
}

// cost is in dollars; Price must be known.
func (d *deployment) cost(prompt, answer int) float64 {
	return (d.Price.Input*float64(max(prompt, 1)) + d.Price.Output*float64(max(answer, 1))) / 1e6
}

func lowestUsage(p *pool) int {
	i, j := p.two()
	if p.usage(p.list[j]) < p.usage(p.list[i]) {
		return j
	}
	return i
}

// usage is what d has used and is about to use, as a part of its limit where it has one.
func (p *pool) usage(d *deployment) float64 {
	requests, tokens := d.used(p.now)
	waiting := float64(d.inFlight.Load())
	switch {
	case d.TPM > 0:
		return (float64(tokens) + waiting*float64(p.prompt+p.answer)) / float64(d.TPM)
	case d.RPM > 0:
		return (float64(requests) + waiting) / float64(d.RPM)
	}
	return float64(tokens) + waiting*float64(max(p.prompt+p.answer, 1))
}

// two draws two different ones.
func (p *pool) two() (i, j int) {
	i, j = p.below(len(p.list)), p.below(len(p.list)-1)
	if j >= i {
		j++
	}
	return i, j
}

func powerOfTwo(p *pool) int {
	i, j := p.two()
	if p.list[j].load(p.now) < p.list[i].load(p.now) {
		return j
	}
	return i
}

// load is the work before a deployment. Without a latency it is its calls in flight alone, each as a long one, so that a
// new deployment is tried, but not run over.
func (d *deployment) load(now int64) float64 {
	latency := d.peak.read(now)
	waiting := float64(d.inFlight.Load())
	if latency == 0 {
		return waiting * 1e9
	}
	return latency * (waiting + 1)
}
