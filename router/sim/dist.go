package sim

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Latency draws how long something takes. A function of one's own may be used, as long as it draws from rnd alone.
type Latency func(rnd *rand.Rand) time.Duration

// Constant is always d.
func Constant(d time.Duration) Latency { return func(*rand.Rand) time.Duration { return d } }

// LogNormal is how latencies are mostly spread: half of them are below median, and sigma says how long the tail is.
// At 0.5 the p99 is 3.2 times the median, at 1 it is 10 times.
func LogNormal(median time.Duration, sigma float64) Latency {
	return func(rnd *rand.Rand) time.Duration {
		return scale(median, math.Exp(sigma*rnd.NormFloat64()))
	}
}

// Exponential has this mean, and a p99 of 4.6 times the mean.
func Exponential(mean time.Duration) Latency {
	return func(rnd *rand.Rand) time.Duration { return scale(mean, rnd.ExpFloat64()) }
}

// Quantiles follows what was measured: {0.5: 400 * time.Millisecond, 0.9: time.Second, 0.99: 4 * time.Second}. Between
// two of them it is interpolated; below the first and above the last it is that one. It panics on a quantile outside
// 0 to 1 and when there is none.
func Quantiles(q map[float64]time.Duration) Latency {
	at := slices.Sorted(maps.Keys(q))
	if len(at) == 0 || !(at[0] >= 0 && at[len(at)-1] <= 1) {
		panic("sim: Quantiles needs quantiles from 0 to 1")
	}
	values := make([]float64, len(at))
	for i, p := range at {
		values[i] = float64(q[p])
	}
	return func(rnd *rand.Rand) time.Duration {
		u := rnd.Float64()
		i, _ := slices.BinarySearch(at, u)
		switch i {
		case 0:
			return time.Duration(values[0])
		case len(at):
			return time.Duration(values[len(at)-1])
		}
		part := (u - at[i-1]) / (at[i] - at[i-1])
		return time.Duration(values[i-1] + part*(values[i]-values[i-1]))
	}
}

// maxDuration is longer than any run, and short enough to be added to a time in it.
const maxDuration = 100 * 365 * 24 * time.Hour

// scale is d times f, without overflow.
func scale(d time.Duration, f float64) time.Duration {
	return time.Duration(min(max(float64(d)*f, 0), float64(maxDuration)))
}

// Load is when calls come. It begins anew for each run; rnd is the run's.
type Load func(rnd *rand.Rand) Arrivals

// Arrivals tells, each time that it is called, when the next call comes: a time since the beginning of the run, not
// before the last one. A negative one says that there are no more.
type Arrivals func() time.Duration

// Poisson is what many callers who know nothing of each other make: perSecond calls a second on average.
func Poisson(perSecond float64) Load {
	return func(rnd *rand.Rand) Arrivals {
		var t time.Duration
		return func() time.Duration {
			t += gap(perSecond, rnd.ExpFloat64())
			return t
		}
	}
}

// Steady is perSecond calls a second, evenly spaced.
func Steady(perSecond float64) Load {
	return func(*rand.Rand) Arrivals {
		n := 0.0
		return func() time.Duration {
			n++
			return gap(perSecond, n)
		}
	}
}

// gap is the time that n calls take; without a rate it is longer than any run, and adding to it does not overflow.
func gap(perSecond, n float64) time.Duration {
	if !(perSecond > 0) {
		return maxDuration
	}
	return min(scale(time.Second, n/perSecond), maxDuration)
}

// rateStep is how often a [Varying] load looks at its rate.
const rateStep = 100 * time.Millisecond

// Varying is [Poisson] with a rate, in calls a second, that depends on the time since the beginning: a spike, a day's
// curve. The rate is looked at every 100 ms. One that stays 0 for 7 days is the end.
func Varying(perSecond func(t time.Duration) float64) Load {
	return func(rnd *rand.Rand) Arrivals {
		var t, rate, until = time.Duration(0), 0.0, time.Duration(0)
		return func() time.Duration {
			// The next call comes when the integral of the rate has grown by an exponential variable.
			need := rnd.ExpFloat64()
			for end := t + 7*24*time.Hour; t < end; t = until {
				if t >= until {
					rate, until = max(perSecond(t), 0), t-t%rateStep+rateStep
				}
				have := rate * (until - t).Seconds()
				if have >= need {
					t += scale(time.Second, need/rate)
					return t
				}
				need -= have
			}
			return -1
		}
	}
}

// Replay makes the calls of a recording: times since its beginning, in ascending order.
func Replay(times []time.Duration) Load {
	return func(*rand.Rand) Arrivals {
		i := -1
		return func() time.Duration {
			if i++; i < len(times) {
				return times[i]
			}
			return -1
		}
	}
}
