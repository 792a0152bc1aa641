package storetest

import (
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/llm-go/llm/router"
	"github.com/stretchr/testify/require"
)

func memory() Subject {
	var now atomic.Int64
	return Subject{
		Store:   router.NewMemory(router.MemoryConfig{Now: func() time.Time { return time.Unix(1_800_000_000, now.Load()) }}),
		Advance: func(d time.Duration) { now.Add(int64(d)) },
	}
}

func TestMemory(t *testing.T) {
	Run(t, func(*testing.T) Subject { return memory() })
}

func TestMemoryInRealTime(t *testing.T) {
	Run(t, func(*testing.T) Subject { return Subject{Store: router.NewMemory(router.MemoryConfig{})} })
}

// faulty is a store with a fault: what is not set works.
type faulty struct {
	router.Store
	take func(ctx context.Context, s router.Store, k *router.Take) (router.Taken, error)
	cool func(ctx context.Context, s router.Store, key string, d time.Duration) error
}

func (f *faulty) Take(ctx context.Context, k *router.Take) (router.Taken, error) {
	if f.take == nil {
		return f.Store.Take(ctx, k)
	}
	return f.take(ctx, f.Store, k)
}

func (f *faulty) Cool(ctx context.Context, key string, d time.Duration) error {
	if f.cool == nil {
		return f.Store.Cool(ctx, key, d)
	}
	return f.cool(ctx, f.Store, key, d)
}

// asks is a fault in what the store makes of a call.
func asks(change func(k *router.Take)) func() *faulty {
	return func() *faulty {
		return &faulty{take: func(ctx context.Context, s router.Store, k *router.Take) (router.Taken, error) {
			if k.Validate() != nil {
				return s.Take(ctx, k)
			}
			c := *k
			c.Choices, c.Claims, c.Settle = slices.Clone(k.Choices), slices.Clone(k.Claims), slices.Clone(k.Settle)
			for i := range c.Choices {
				c.Choices[i].Claims = slices.Clone(c.Choices[i].Claims)
			}
			change(&c)
			return s.Take(ctx, &c)
		}}
	}
}

// claims is a fault in what the store makes of a claim.
func claims(change func(c *router.Claim)) func() *faulty {
	return asks(func(k *router.Take) {
		for i := range k.Choices {
			for j := range k.Choices[i].Claims {
				change(&k.Choices[i].Claims[j])
			}
		}
		for i := range k.Claims {
			change(&k.Claims[i])
		}
	})
}

// says is a fault in what the store answers.
func says(change func(k *router.Take, taken *router.Taken)) func() *faulty {
	return func() *faulty {
		return &faulty{take: func(ctx context.Context, s router.Store, k *router.Take) (router.Taken, error) {
			taken, err := s.Take(ctx, k)
			if err == nil {
				change(k, &taken)
			}
			return taken, err
		}}
	}
}

func keys(change func(key string) string) func() *faulty {
	return func() *faulty {
		f := asks(func(k *router.Take) {
			for i := range k.Choices {
				k.Choices[i].Key = change(k.Choices[i].Key)
				for j := range k.Choices[i].Claims {
					k.Choices[i].Claims[j].Key = change(k.Choices[i].Claims[j].Key)
				}
			}
			for i := range k.Settle {
				k.Settle[i].Key = change(k.Settle[i].Key)
			}
			k.Session = change(k.Session)
		})()
		f.cool = func(ctx context.Context, s router.Store, key string, d time.Duration) error {
			return s.Cool(ctx, change(key), d)
		}
		return f
	}
}

// pause lets other goroutines come between two steps that ought to be one.
func pause() { time.Sleep(time.Millisecond) }

// faults are, by the check that must find them, stores with one fault each.
var faults = map[string]map[string]func() *faulty{
	"limit": {
		"a little more": claims(func(c *router.Claim) { c.Limit += c.Limit / 20 }),
		"a little less": claims(func(c *router.Claim) {
			if c.Window < long {
				c.Limit -= c.Limit / 10
			}
		}),
		"shorter windows": claims(func(c *router.Claim) { c.Window = c.Window * 9 / 10 }),
		"aligned windows": func() *faulty {
			return &faulty{take: func(ctx context.Context, s router.Store, k *router.Take) (router.Taken, error) {
				clock, err := s.Take(ctx, &router.Take{})
				if err != nil {
					return clock, err
				}
				return claims(func(c *router.Claim) { c.Key += clock.At.Truncate(c.Window).String() })().take(ctx, s, k)
			}}
		},
		"time goes back": says(func(_ *router.Take, taken *router.Taken) {
			taken.At = time.Unix(1_800_000_000, 0).Add(-taken.At.Sub(time.Unix(1_800_000_000, 0)))
		}),
	},
	"room_returns": {"longer windows": claims(func(c *router.Claim) { c.Window = c.Window * 11 / 10 })},
	"wait": {
		"too long":  says(func(_ *router.Take, taken *router.Taken) { taken.Wait *= 2 }),
		"too short": says(func(_ *router.Take, taken *router.Taken) { taken.Wait = time.Millisecond }),
		"none":      says(func(_ *router.Take, taken *router.Taken) { taken.Wait = 0 }),
	},
	"order": {
		"last first": asks(func(k *router.Take) { slices.Reverse(k.Choices) }),
		"first only": asks(func(k *router.Take) { k.Choices = k.Choices[:min(1, len(k.Choices))] }),
		"claims one by one": func() *faulty {
			return &faulty{take: func(ctx context.Context, s router.Store, k *router.Take) (router.Taken, error) {
				taken := router.Taken{Choice: -1}
				for i, c := range k.Choices {
					n := 0
					for _, claim := range c.Claims {
						one, err := s.Take(ctx, &router.Take{Choices: []router.Choice{{Key: c.Key, Claims: []router.Claim{claim}}}})
						if taken.At, taken.Wait = one.At, one.Wait; err != nil {
							return taken, err
						}
						if one.Choice < 0 {
							break
						}
						n++
					}
					if n == len(c.Claims) {
						taken.Choice = i
						break
					}
				}
				return taken, nil
			}}
		},
	},
	"nothing_to_claim": {
		"no amounts of 0": func() *faulty {
			return &faulty{take: func(ctx context.Context, s router.Store, k *router.Take) (router.Taken, error) {
				for _, c := range k.Choices {
					for _, claim := range c.Claims {
						if claim.Amount == 0 {
							return router.Taken{Choice: -1}, errors.New("nothing is claimed")
						}
					}
				}
				return s.Take(ctx, k)
			}}
		},
	},
	"caller": {
		"forgotten":     asks(func(k *router.Take) { k.Claims = nil }),
		"not named":     says(func(_ *router.Take, taken *router.Taken) { taken.Refused = "" }),
		"another named": says(func(k *router.Take, taken *router.Taken) { taken.Refused = k.Claims[0].Key }),
	},
	"same_window": {
		"counted once": asks(func(k *router.Take) {
			for i := range k.Choices {
				k.Choices[i].Claims = slices.Compact(k.Choices[i].Claims)
			}
		}),
		"not the caller's": asks(func(k *router.Take) {
			k.Claims = slices.DeleteFunc(k.Claims, func(c router.Claim) bool { return slices.Contains(k.Choices[0].Claims, c) })
		}),
	},
	"windows_apart": {"one for all lengths": claims(func(c *router.Claim) { c.Window = long })},
	"large_amounts": {
		"rounded": claims(func(c *router.Claim) { c.Amount = int64(float32(c.Amount)) }),
		"overflow": asks(func(k *router.Take) {
			for i := range k.Settle {
				k.Settle[i].Delta = int64(int32(k.Settle[i].Delta))
			}
		}),
	},
	"many": {"few": asks(func(k *router.Take) { k.Choices = k.Choices[:min(16, len(k.Choices))] })},
	"any_key": {
		"lower case":    keys(strings.ToLower),
		"trimmed":       keys(strings.TrimSpace),
		"UTF-8":         keys(func(key string) string { return strings.ToValidUTF8(key, "") }),
		"up to a zero":  keys(func(key string) string { key, _, _ = strings.Cut(key, "\x00"); return key }),
		"no cooldowns":  func() *faulty { return &faulty{cool: noCooldown} },
		"all one state": keys(func(key string) string { return key[:min(1, len(key))] }),
	},
	"together": {
		"looks, then books": func() *faulty {
			return &faulty{take: func(ctx context.Context, s router.Store, k *router.Take) (router.Taken, error) {
				look := *k
				look.Choices = slices.Clone(k.Choices)
				taken, err := s.Take(ctx, &look)
				if err != nil || taken.Choice < 0 {
					return taken, err
				}
				for _, c := range append(slices.Clone(k.Claims), k.Choices[taken.Choice].Claims...) {
					look.Settle = append(look.Settle, router.Settlement{Key: c.Key, Window: c.Window, At: taken.At, Delta: -c.Amount})
				}
				if _, err := s.Take(ctx, &router.Take{Settle: look.Settle}); err != nil {
					return taken, err
				}
				pause()
				return taken, claimsWithoutLimit(ctx, s, k, taken.Choice)
			}}
		},
	},
	"choices_together": {
		"both at once": says(func(k *router.Take, taken *router.Taken) {
			if taken.Choice < 0 && len(k.Choices) > 1 {
				taken.Choice = 1
			}
		}),
	},
	"cooldown": {
		"none": func() *faulty { return &faulty{cool: noCooldown} },
		"of no time": func() *faulty {
			return &faulty{cool: func(ctx context.Context, s router.Store, key string, d time.Duration) error {
				return s.Cool(ctx, key, max(d, time.Second))
			}}
		},
		"the last holds": func() *faulty {
			var round atomic.Int64
			f := asks(func(k *router.Take) {
				for i := range k.Choices {
					k.Choices[i].Key += strings.Repeat("'", int(round.Load()))
				}
			})()
			f.cool = func(ctx context.Context, s router.Store, key string, d time.Duration) error {
				return s.Cool(ctx, key+strings.Repeat("'", int(round.Add(1))), d)
			}
			return f
		},
		"not told": says(func(_ *router.Take, taken *router.Taken) { taken.Cooling = nil }),
		"told up to what was taken": says(func(_ *router.Take, taken *router.Taken) {
			if taken.Choice == 0 {
				taken.Cooling = nil
			}
		}),
	},
	"cooldown_ends": {
		"for ever": func() *faulty {
			return &faulty{cool: func(ctx context.Context, s router.Store, key string, _ time.Duration) error {
				return s.Cool(ctx, key, 1<<62)
			}}
		},
		"too soon": func() *faulty {
			return &faulty{cool: func(ctx context.Context, s router.Store, key string, d time.Duration) error {
				return s.Cool(ctx, key, d/2)
			}}
		},
	},
	"session": {
		"none":       asks(func(k *router.Take) { k.Session = "" }),
		"one":        asks(func(k *router.Take) { k.Session = k.Session[:min(1, len(k.Session))] }),
		"not told":   says(func(_ *router.Take, taken *router.Taken) { taken.Session = false }),
		"told first": says(func(k *router.Take, taken *router.Taken) { taken.Session = k.Session != "" && taken.Choice >= 0 }),
	},
	"session_moves": {
		"stays": func() *faulty {
			var mu sync.Mutex
			places := make(map[string]string)
			return &faulty{take: func(ctx context.Context, s router.Store, k *router.Take) (router.Taken, error) {
				mu.Lock()
				defer mu.Unlock()
				c := *k
				if at := places[k.Session]; k.Session != "" && at != "" {
					c.Choices = slices.DeleteFunc(slices.Clone(k.Choices), func(c router.Choice) bool { return c.Key != at })
				}
				taken, err := s.Take(ctx, &c)
				if err == nil && taken.Choice >= 0 {
					places[k.Session] = c.Choices[taken.Choice].Key
				}
				return taken, err
			}}
		},
	},
	"session_ends": {
		"never": asks(func(k *router.Take) { k.SessionTTL = 1 << 62 }),
		"soon":  asks(func(k *router.Take) { k.SessionTTL /= 2 }),
	},
	"session_begun_together": {
		"looks, then writes": func() *faulty {
			var mu sync.Mutex
			places := make(map[string]string)
			return &faulty{take: func(ctx context.Context, s router.Store, k *router.Take) (router.Taken, error) {
				mu.Lock()
				at := places[k.Session]
				mu.Unlock()
				pause()
				for i, c := range k.Choices {
					if c.Key == at {
						return router.Taken{Choice: i, Session: true}, nil
					}
				}
				mu.Lock()
				defer mu.Unlock()
				places[k.Session] = k.Choices[0].Key
				return router.Taken{Choice: 0}, nil
			}}
		},
	},
	"settle": {
		"never": asks(func(k *router.Take) { k.Settle = nil }),
		"up only": asks(func(k *router.Take) {
			k.Settle = slices.DeleteFunc(k.Settle, func(s router.Settlement) bool { return s.Delta < 0 })
		}),
		"down only": asks(func(k *router.Take) {
			k.Settle = slices.DeleteFunc(k.Settle, func(s router.Settlement) bool { return s.Delta > 0 })
		}),
		"books what was not booked": func() *faulty {
			return &faulty{take: func(ctx context.Context, s router.Store, k *router.Take) (router.Taken, error) {
				for _, t := range k.Settle {
					if t.Delta > 0 {
						c := router.Choice{Key: "x", Claims: []router.Claim{{Key: t.Key, Window: t.Window, Amount: t.Delta, Limit: 1 << 53}}}
						if taken, err := s.Take(ctx, &router.Take{Choices: []router.Choice{c}}); err != nil {
							return taken, err
						}
					}
				}
				return asks(func(k *router.Take) {
					k.Settle = slices.DeleteFunc(k.Settle, func(s router.Settlement) bool { return s.Delta > 0 })
				})().take(ctx, s, k)
			}}
		},
	},
	"settle_first": {
		"settles last": func() *faulty {
			return &faulty{take: func(ctx context.Context, s router.Store, k *router.Take) (router.Taken, error) {
				c := *k
				c.Settle = nil
				taken, err := s.Take(ctx, &c)
				if err == nil {
					_, err = s.Take(ctx, &router.Take{Settle: k.Settle})
				}
				return taken, err
			}}
		},
		"one only": asks(func(k *router.Take) { k.Settle = k.Settle[:min(1, len(k.Settle))] }),
	},
	"settle_too_late": {
		"in whatever is there": func() *faulty {
			return &faulty{take: func(ctx context.Context, s router.Store, k *router.Take) (router.Taken, error) {
				clock, err := s.Take(ctx, &router.Take{})
				if err != nil {
					return clock, err
				}
				return asks(func(k *router.Take) {
					k.Settle = slices.DeleteFunc(k.Settle, func(s router.Settlement) bool { return s.Delta < 0 })
					for i := range k.Settle {
						k.Settle[i].At = clock.At
					}
				})().take(ctx, s, k)
			}}
		},
	},
	"context": {
		"ignored": func() *faulty {
			return &faulty{
				take: func(ctx context.Context, s router.Store, k *router.Take) (router.Taken, error) {
					return s.Take(context.WithoutCancel(ctx), k)
				},
			}
		},
		"ignored by Cool": func() *faulty {
			return &faulty{cool: func(ctx context.Context, s router.Store, key string, d time.Duration) error {
				return s.Cool(context.WithoutCancel(ctx), key, d)
			}}
		},
		"too late": func() *faulty {
			return &faulty{take: func(ctx context.Context, s router.Store, k *router.Take) (router.Taken, error) {
				taken, err := s.Take(context.WithoutCancel(ctx), k)
				return taken, errors.Join(err, ctx.Err())
			}}
		},
	},
	"bad_input": {
		"accepted": func() *faulty {
			return &faulty{take: func(ctx context.Context, s router.Store, k *router.Take) (router.Taken, error) {
				if k.Validate() != nil {
					return router.Taken{Choice: -1}, nil
				}
				return s.Take(ctx, k)
			}}
		},
		"settled": func() *faulty {
			return &faulty{take: func(ctx context.Context, s router.Store, k *router.Take) (router.Taken, error) {
				settle := &router.Take{Settle: k.Settle}
				if k.Validate() != nil && settle.Validate() == nil {
					if taken, err := s.Take(ctx, settle); err != nil {
						return taken, err
					}
				}
				return s.Take(ctx, k)
			}}
		},
		"keys in errors": func() *faulty {
			return &faulty{take: func(ctx context.Context, s router.Store, k *router.Take) (router.Taken, error) {
				if k.Validate() != nil {
					return router.Taken{Choice: -1}, errors.New("bad input for " + k.Claims[0].Key)
				}
				return s.Take(ctx, k)
			}}
		},
	},
	"take_unchanged": {
		"sorted": func() *faulty {
			return &faulty{take: func(ctx context.Context, s router.Store, k *router.Take) (router.Taken, error) {
				for _, c := range k.Choices {
					slices.Reverse(c.Claims)
				}
				return s.Take(ctx, k)
			}}
		},
	},
}

func noCooldown(context.Context, router.Store, string, time.Duration) error { return nil }

func claimsWithoutLimit(ctx context.Context, s router.Store, k *router.Take, choice int) error {
	c := router.Take{Choices: []router.Choice{{Key: "x", Claims: append(slices.Clone(k.Claims), k.Choices[choice].Claims...)}}}
	for i := range c.Choices[0].Claims {
		c.Choices[0].Claims[i].Limit = 1 << 53
	}
	_, err := s.Take(ctx, &c)
	return err
}

const faultEnv = "STORETEST_FAULT"

// TestBroken runs in a process of its own.
func TestBroken(t *testing.T) {
	check, name, ok := strings.Cut(os.Getenv(faultEnv), "/")
	if !ok {
		t.Skip("run by TestFaultsAreFound")
	}
	Run(t, func(*testing.T) Subject {
		s, f := memory(), faults[check][name]()
		f.Store, s.Store = s.Store, f
		return s
	})
}

// TestFaultsAreFound holds the kit to its word: each check finds the stores with a fault that it is there for.
func TestFaultsAreFound(t *testing.T) {
	for _, check := range slices.Sorted(maps.Keys(faults)) {
		for name := range faults[check] {
			t.Run(check+"/"+name, func(t *testing.T) {
				t.Parallel()
				cmd := exec.Command(os.Args[0], "-test.run=^TestBroken$/^"+check+"$")
				cmd.Env = append(os.Environ(), faultEnv+"="+check+"/"+name)
				out, err := cmd.CombinedOutput()
				require.Error(t, err, "the kit found nothing wrong:\n%s", out)
				require.Contains(t, string(out), "--- FAIL: TestBroken/"+check)
				require.NotContains(t, string(out), "panic:")
			})
		}
	}
}

func TestEveryCheckHasAFault(t *testing.T) {
	for _, c := range checks {
		require.NotEmpty(t, faults[c.name], c.name)
	}
}
