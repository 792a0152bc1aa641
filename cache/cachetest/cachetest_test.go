package cachetest

import (
	"bytes"
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

	"github.com/llm-go/llm/cache"
	"github.com/stretchr/testify/require"
)

func memory() Subject {
	var now atomic.Int64
	return Subject{
		Store:   cache.NewMemory(cache.MemoryConfig{Now: func() time.Time { return time.Unix(1_800_000_000, now.Load()) }}),
		Advance: func(d time.Duration) { now.Add(int64(d)) },
	}
}

func TestMemory(t *testing.T) {
	Run(t, func(*testing.T) Subject { return memory() })
}

func TestMemoryInRealTime(t *testing.T) {
	Run(t, func(*testing.T) Subject { return Subject{Store: cache.NewMemory(cache.MemoryConfig{})} })
}

// faulty is a store with a fault: what is not set works.
type faulty struct {
	cache.Store
	get func(ctx context.Context, s cache.Store, key cache.Key) ([]byte, error)
	set func(ctx context.Context, s cache.Store, key cache.Key, e entry) error
}

type entry struct {
	value []byte
	ttl   time.Duration
}

func (f *faulty) Get(ctx context.Context, key cache.Key) ([]byte, error) {
	if f.get == nil {
		return f.Store.Get(ctx, key)
	}
	return f.get(ctx, f.Store, key)
}

func (f *faulty) Set(ctx context.Context, key cache.Key, value []byte, ttl time.Duration) error {
	if f.set == nil {
		return f.Store.Set(ctx, key, value, ttl)
	}
	return f.set(ctx, f.Store, key, entry{value, ttl})
}

// stores is a fault in what is kept of an entry.
func stores(change func(e *entry)) func() *faulty {
	return func() *faulty {
		return &faulty{set: func(ctx context.Context, s cache.Store, key cache.Key, e entry) error {
			change(&e)
			return s.Set(ctx, key, e.value, e.ttl)
		}}
	}
}

// names is a fault in what is made of a key.
func names(change func(key *cache.Key)) func() *faulty {
	return func() *faulty {
		return &faulty{
			get: func(ctx context.Context, s cache.Store, key cache.Key) ([]byte, error) {
				change(&key)
				return s.Get(ctx, key)
			},
			set: func(ctx context.Context, s cache.Store, key cache.Key, e entry) error {
				change(&key)
				return s.Set(ctx, key, e.value, e.ttl)
			},
		}
	}
}

// faults are, by check, stores that it must find.
var faults = map[string]map[string]func() *faulty{
	"missing": {
		"is_an_error": func() *faulty {
			return &faulty{get: func(ctx context.Context, s cache.Store, key cache.Key) ([]byte, error) {
				b, err := s.Get(ctx, key)
				if b == nil && err == nil {
					err = errors.New("not found")
				}
				return b, err
			}}
		},
		"is_empty": func() *faulty {
			return &faulty{get: func(ctx context.Context, s cache.Store, key cache.Key) ([]byte, error) {
				b, err := s.Get(ctx, key)
				return append([]byte{}, b...), err
			}}
		},
	},
	"bytes": {
		"lines":      stores(func(e *entry) { e.value = bytes.ReplaceAll(e.value, []byte("\r\n"), []byte("\n")) }),
		"ends_at_0":  stores(func(e *entry) { e.value, _, _ = bytes.Cut(e.value, []byte{0}) }),
		"large_ones": stores(func(e *entry) { e.value = e.value[:min(len(e.value), 1<<16)] }),
		"once": func() *faulty {
			return &faulty{get: func(ctx context.Context, s cache.Store, key cache.Key) ([]byte, error) {
				b, err := s.Get(ctx, key)
				_ = s.Set(ctx, key, []byte("used"), 0)
				return b, err
			}}
		},
	},
	"replace": {
		"first_wins": func() *faulty {
			return &faulty{set: func(ctx context.Context, s cache.Store, key cache.Key, e entry) error {
				if b, _ := s.Get(ctx, key); b != nil {
					return nil
				}
				return s.Set(ctx, key, e.value, e.ttl)
			}}
		},
		"over_the_old": func() *faulty {
			return &faulty{set: func(ctx context.Context, s cache.Store, key cache.Key, e entry) error {
				b, _ := s.Get(ctx, key)
				e.value = append(slices.Clone(e.value), b[min(len(b), len(e.value)):]...)
				return s.Set(ctx, key, e.value, e.ttl)
			}}
		},
	},
	"keys": {
		"short":     names(func(k *cache.Key) { clear(k[16:]) }),
		"late":      names(func(k *cache.Key) { clear(k[:1]) }),
		"seven_bit": names(func(k *cache.Key) { k[0] &= 0x7f }),
	},
	"ttl": {
		"ignored":  stores(func(e *entry) { e.ttl = 0 }),
		"too_long": stores(func(e *entry) { e.ttl += time.Millisecond }),
		"too_soon": stores(func(e *entry) { e.ttl -= time.Millisecond }),
		"seconds":  stores(func(e *entry) { e.ttl = (e.ttl + time.Second - 1).Truncate(time.Second) }),
	},
	"no_ttl": {
		"is_now": stores(func(e *entry) { e.ttl = max(e.ttl, time.Nanosecond) }),
	},
	"ttl_replaced": {
		"first_counts": func() *faulty {
			var mu sync.Mutex
			first := make(map[cache.Key]time.Duration)
			return &faulty{set: func(ctx context.Context, s cache.Store, key cache.Key, e entry) error {
				mu.Lock()
				defer mu.Unlock()
				if ttl, ok := first[key]; ok {
					e.ttl = ttl
				}
				first[key] = e.ttl
				return s.Set(ctx, key, e.value, e.ttl)
			}}
		},
	},
	"context": {
		"unread_by_get": func() *faulty {
			return &faulty{get: func(ctx context.Context, s cache.Store, key cache.Key) ([]byte, error) {
				return s.Get(context.WithoutCancel(ctx), key)
			}}
		},
		"unread_by_set": func() *faulty {
			return &faulty{set: func(ctx context.Context, s cache.Store, key cache.Key, e entry) error {
				return s.Set(context.WithoutCancel(ctx), key, e.value, e.ttl)
			}}
		},
		"another_error": func() *faulty {
			return &faulty{get: func(ctx context.Context, s cache.Store, key cache.Key) ([]byte, error) {
				b, err := s.Get(ctx, key)
				if err != nil {
					err = errors.New("failed")
				}
				return b, err
			}}
		},
	},
	"together": {
		"mixed": func() *faulty {
			var last atomic.Pointer[[]byte]
			return &faulty{set: func(ctx context.Context, s cache.Store, key cache.Key, e entry) error {
				half := slices.Clone(e.value)
				if other := last.Swap(&e.value); other != nil {
					copy(half[len(half)/2:], (*other)[min(len(*other), len(half)/2):])
				}
				return s.Set(ctx, key, half, e.ttl)
			}}
		},
		"last_of_all": func() *faulty {
			var last atomic.Pointer[[]byte]
			return &faulty{
				set: func(_ context.Context, _ cache.Store, _ cache.Key, e entry) error { last.Store(&e.value); return nil },
				get: func(context.Context, cache.Store, cache.Key) ([]byte, error) { return *last.Load(), nil },
			}
		},
	},
}

const faultEnv = "CACHETEST_FAULT"

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
