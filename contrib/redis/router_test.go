//go:build unix

package redis

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/llm-go/llm/router"
	"github.com/llm-go/llm/router/storetest"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

var _ router.Store = (*RouterStore)(nil)

func TestConformance(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, binary string) {
		s := startServer(t, binary)
		storetest.Run(t, func(t *testing.T) storetest.Subject { return storetest.Subject{Store: openStore(t, s.url())} })
	})
}

// A cluster refuses commands whose keys are in different slots.
func TestConformanceInCluster(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, binary string) {
		url := startCluster(t, binary)
		storetest.Run(t, func(t *testing.T) storetest.Subject { return storetest.Subject{Store: openStore(t, url)} })
	})
}

// RESP2 is what proxies and older servers speak.
func TestConformanceWithOldProtocol(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, binary string) {
		s := startServer(t, binary)
		storetest.Run(t, func(t *testing.T) storetest.Subject {
			return storetest.Subject{Store: openStore(t, s.url()+"?protocol=2")}
		})
	})
}

// Calls that never have longer than a router gives them by default must get a connection, too.
func TestColdStartInShortCalls(t *testing.T) {
	onEach(t, func(t *testing.T, binary string) {
		for name, url := range map[string]string{"alone": startServer(t, binary).url(), "cluster": startCluster(t, binary)} {
			s := openStore(t, url)
			require.Eventually(t, func() bool {
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
				defer cancel()
				_, err := s.Take(ctx, &router.Take{Choices: []router.Choice{choice("a", claim("a", 1e9, 1))}})
				return err == nil
			}, patience, time.Millisecond, name)
		}
	})
}

func claim(key string, limit, amount int64) router.Claim {
	return router.Claim{Key: "{r}" + key, Limit: limit, Amount: amount, Window: time.Hour}
}

func choice(key string, claims ...router.Claim) router.Choice {
	return router.Choice{Key: "{r}" + key, Claims: claims}
}

func take(t testing.TB, s router.Store, k *router.Take) router.Taken {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	taken, err := s.Take(ctx, k)
	require.NoError(t, err)
	return taken
}

// The store in memory, told the server's times, must say the same of everything.
func TestDecidesAsMemoryDoes(t *testing.T) {
	onEach(t, func(t *testing.T, binary string) {
		s := openStore(t, startServer(t, binary).url())
		now := time.Unix(0, 0) // so that buckets begin at the same times
		m := router.NewMemory(router.MemoryConfig{Now: func() time.Time { return now }})
		rnd := rand.New(rand.NewPCG(3, 4))
		window := func() time.Duration { return time.Duration(1+rnd.IntN(3)) * 60 * time.Millisecond }
		amounts := func() []router.Claim {
			var list []router.Claim
			for range rnd.IntN(3) {
				c := claim(strconv.Itoa(rnd.IntN(4)), 20+rnd.Int64N(10), rnd.Int64N(8))
				c.Window = window()
				list = append(list, c)
			}
			return list
		}
		var booked []router.Settlement
		refused, held := 0, 0
		for i := range 4000 {
			k := &router.Take{Claims: amounts()}
			for range rnd.IntN(5) {
				k.Choices = append(k.Choices, choice(strconv.Itoa(rnd.IntN(6)), amounts()...))
			}
			if rnd.IntN(4) > 0 {
				k.Session, k.SessionTTL = fmt.Sprint("{r}", rnd.IntN(3)), time.Hour
			}
			for len(booked) > 0 && rnd.IntN(3) == 0 {
				n := rnd.IntN(len(booked))
				booked[n].Delta = rnd.Int64N(20) - 12
				k.Settle = append(k.Settle, booked[n])
				booked = slices.Delete(booked, n, n+1)
			}
			got := take(t, s, k)
			now = got.At
			want, err := m.Take(context.Background(), k)
			require.NoError(t, err)
			require.True(t, want.At.Equal(got.At), "step %d: at %v, want %v", i, got.At, want.At)
			got.At = want.At
			require.Equal(t, want, got, "step %d: %+v", i, k)
			if got.Choice < 0 {
				refused++
			} else {
				for _, c := range append(k.Claims, k.Choices[got.Choice].Claims...) {
					booked = append(booked, router.Settlement{Key: c.Key, Window: c.Window, At: got.At})
				}
			}
			if got.Session {
				held++
			}
			booked = booked[max(len(booked)-50, 0):]
			if rnd.IntN(100) == 0 {
				time.Sleep(time.Duration(rnd.IntN(100)) * time.Millisecond)
			}
		}
		require.Greater(t, refused, 400, "too little was refused to compare")
		require.Greater(t, held, 200, "too few sessions were held to compare")
	})
}

// counter counts commands and pipelines, which is round trips.
type counter struct{ trips atomic.Int64 }

func (c *counter) DialHook(next redis.DialHook) redis.DialHook { return next }
func (c *counter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.trips.Add(1)
		return next(ctx, cmd)
	}
}
func (c *counter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.trips.Add(1)
		return next(ctx, cmds)
	}
}

func TestOneRoundTrip(t *testing.T) {
	onEach(t, func(t *testing.T, binary string) {
		ctx := context.Background()
		client := open(t, startServer(t, binary).url())
		s, err := NewRouterStore(client)
		require.NoError(t, err)
		trips := &counter{}
		client.AddHook(trips)
		count := func(f func()) int64 {
			before := trips.trips.Load()
			f()
			return trips.trips.Load() - before
		}
		k := &router.Take{
			Choices: []router.Choice{choice("a", claim("a:rpm", 1000, 1), claim("a:tpm", 1e6, 500)), choice("b", claim("b", 9, 1))},
			Claims:  []router.Claim{claim("user", 1000, 1)},
			Session: "{r}session", SessionTTL: time.Hour,
		}
		require.LessOrEqual(t, count(func() { take(t, s, k) }), int64(4), "the first has to connect and send the script")
		for range 10 {
			require.EqualValues(t, 1, count(func() {
				k.Settle = []router.Settlement{{Key: "{r}a:tpm", Window: time.Hour, At: take(t, s, k).At, Delta: -100}}
			}))
		}
		require.NoError(t, s.Cool(ctx, "{r}a", time.Second))
		require.EqualValues(t, 1, count(func() { require.NoError(t, s.Cool(ctx, "{r}a", time.Hour)) }))

		// A server that was restarted, or whose scripts were dropped, does not know them any more.
		require.NoError(t, client.ScriptFlush(ctx).Err())
		require.EqualValues(t, 2, count(func() { require.Equal(t, 1, take(t, s, k).Choice) }))
		require.EqualValues(t, 1, count(func() { require.Equal(t, 1, take(t, s, k).Choice) }))
		require.NoError(t, client.ScriptFlush(ctx).Err())
		require.EqualValues(t, 2, count(func() { require.NoError(t, s.Cool(ctx, "{r}a", 2*time.Hour)) }))
	})
}

// What a Take costs the server does not depend on how many buckets a window has: it touches those that change.
func TestCostOfTake(t *testing.T) {
	onEach(t, func(t *testing.T, binary string) {
		ctx := context.Background()
		client := open(t, startServer(t, binary).url())
		s, err := NewRouterStore(client)
		require.NoError(t, err)
		k := &router.Take{Choices: []router.Choice{choice("a", claim("rpm", 1e6, 1), claim("tpm", 1e6, 500))}}
		last := take(t, s, k)
		require.NoError(t, client.ConfigResetStat(ctx).Err())
		const n = 200
		for range n {
			k.Settle = []router.Settlement{{Key: "{r}tpm", Window: time.Hour, At: last.At, Delta: -1}}
			last = take(t, s, k)
			require.Equal(t, 0, last.Choice)
		}
		stats, err := client.Info(ctx, "commandstats").Result()
		require.NoError(t, err)
		calls := make(map[string]int)
		for _, m := range regexp.MustCompile(`cmdstat_(\S+?):calls=(\d+)`).FindAllStringSubmatch(stats, -1) {
			calls[m[1]], err = strconv.Atoi(m[2])
			require.NoError(t, err)
		}
		require.Equal(t, n, calls["evalsha"])
		require.InDelta(t, 2*n, calls["hmget"], 10, "one read of each window, and more only when buckets have left")
		require.InDelta(t, 2*n, calls["hset"], 10)
		require.Less(t, calls["pexpire"]+calls["del"], 10)
		require.Equal(t, n, calls["mget"])

		// In a window that moves there are never more than its buckets, its sum and its newest number.
		k = &router.Take{Choices: []router.Choice{{Key: "{r}b", Claims: []router.Claim{
			{Key: "{r}b", Limit: 1e6, Amount: 1, Window: 120 * time.Millisecond},
		}}}}
		for range 300 {
			take(t, s, k)
			time.Sleep(time.Millisecond)
		}
		fields, err := client.HLen(ctx, windowKey("{r}b", 120*time.Millisecond)).Result()
		require.NoError(t, err)
		require.LessOrEqual(t, fields, int64(123))
	})
}

func TestEveryKeyExpires(t *testing.T) {
	onEach(t, func(t *testing.T, binary string) {
		ctx := context.Background()
		client := open(t, startServer(t, binary).url())
		s, err := NewRouterStore(client)
		require.NoError(t, err)
		short := claim("short", 9, 1)
		short.Window = 60 * time.Millisecond
		k := &router.Take{
			Choices: []router.Choice{choice("a", claim("a", 1, 1)), choice("b", claim("b", 9, 1), claim("zero", 9, 0), short)},
			Claims:  []router.Claim{claim("user", 9, 1)},
			Session: "{r}session", SessionTTL: time.Minute,
		}
		for range 5 {
			at := take(t, s, k).At
			k.Settle = []router.Settlement{
				{Key: "{r}b", Window: time.Hour, At: at, Delta: -1}, {Key: "{r}b", Window: time.Hour, At: at.Add(-time.Minute), Delta: 3},
				{Key: "{r}never", Window: time.Hour, At: at, Delta: 3},
			}
			time.Sleep(time.Millisecond)
		}
		require.NoError(t, s.Cool(ctx, "{r}a", time.Second))
		require.NoError(t, s.Cool(ctx, "{r}b", 1<<62))
		keys, err := client.Keys(ctx, "*").Result()
		require.NoError(t, err)
		require.Len(t, keys, 8, "%q", keys) // 5 windows, 2 cooldowns, 1 session
		for _, key := range keys {
			require.True(t, strings.HasPrefix(key, "llm:"), key)
			ttl, err := client.PTTL(ctx, key).Result()
			require.NoError(t, err)
			require.Greater(t, ttl, time.Duration(0), key)
		}
		require.Eventually(t, func() bool {
			n, err := client.Exists(ctx, windowKey(short.Key, short.Window)).Result()
			return err == nil && n == 0
		}, patience, 5*time.Millisecond, "a window that nobody uses goes")
	})
}

// A clock that jumps back, as when another server takes over, neither gives limits away nor blocks for long.
func TestServerClockThatIsBehind(t *testing.T) {
	onEach(t, func(t *testing.T, binary string) {
		ctx := context.Background()
		client := open(t, startServer(t, binary).url())
		s, err := NewRouterStore(client)
		require.NoError(t, err)
		k := &router.Take{Choices: []router.Choice{choice("a", claim("a", 5, 1))}}
		key := windowKey("{r}a", time.Hour)
		// What the server whose clock was ahead has left: a full window.
		ahead := func(buckets int64) {
			newest := time.Now().UnixMicro()/width(time.Hour) + buckets
			require.NoError(t, client.Del(ctx, key).Err())
			require.NoError(t, client.HSet(ctx, key, "s", 5, "l", newest, strconv.FormatInt(newest%121, 10), 5).Err())
		}
		ahead(3)
		taken := take(t, s, k)
		require.Equal(t, -1, taken.Choice)
		settle := router.Settlement{Key: "{r}a", Window: time.Hour, At: time.Now().Add(90 * time.Second), Delta: -1}
		k.Settle = []router.Settlement{settle}
		taken = take(t, s, k)
		require.Equal(t, 0, taken.Choice)
		require.Greater(t, time.Until(taken.At), time.Minute, "it is booked where the clock was, so that settlements find it")
		ahead(150)
		k.Settle = nil
		for range 5 {
			require.Equal(t, 0, take(t, s, k).Choice, "by more than the window: it begins anew")
		}
		require.Equal(t, -1, take(t, s, k).Choice)
	})
}

// Against a server that has frozen, calls end with their contexts. When it goes on, so do they.
func TestFrozenServer(t *testing.T) {
	onEach(t, func(t *testing.T, binary string) {
		const budget = 5 * time.Millisecond
		server := startServer(t, binary)
		s := openStore(t, server.url())
		k := &router.Take{Choices: []router.Choice{choice("a", claim("a", 1e9, 1))}}
		within := func() (time.Duration, error) {
			ctx, cancel := context.WithTimeout(context.Background(), budget)
			defer cancel()
			start := time.Now()
			_, err := s.Take(ctx, k)
			return time.Since(start), err
		}
		percentile := func(all []time.Duration, p int) time.Duration {
			slices.Sort(all)
			return all[(len(all)-1)*p/100]
		}
		for range 20 {
			take(t, s, k)
		}
		server.freeze(t)
		var alone []time.Duration
		for range 100 {
			took, err := within()
			require.ErrorIs(t, err, context.DeadlineExceeded)
			alone = append(alone, took)
		}
		var mu sync.Mutex
		var together []time.Duration
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				for range 5 {
					took, err := within()
					mu.Lock()
					if together = append(together, took); err == nil {
						together = append(together, time.Hour)
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		t.Logf("with %v: alone p50 %v p99 %v, 64 goroutines p50 %v p99 %v", budget,
			percentile(alone, 50), percentile(alone, 99), percentile(together, 50), percentile(together, 99))
		// ReadTimeout is a second: that is what a client would wait that does not look at the context.
		require.Less(t, percentile(alone, 99), 500*time.Millisecond)
		require.Less(t, percentile(together, 99), 500*time.Millisecond)
		ctx, cancel := context.WithTimeout(context.Background(), budget)
		defer cancel()
		require.ErrorIs(t, s.Cool(ctx, "{r}a", time.Hour), context.DeadlineExceeded)

		server.thaw(t)
		require.Eventually(t, func() bool { _, err := within(); return err == nil }, patience, time.Millisecond)
	})
}

// Without a server, calls fail at once. When it is back, so are they.
func TestDeadServer(t *testing.T) {
	onEach(t, func(t *testing.T, binary string) {
		server := startServer(t, binary)
		s := openStore(t, server.url())
		k := &router.Take{Choices: []router.Choice{choice("a", claim("a", 1e9, 1))}}
		take(t, s, k)
		server.kill()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		refused := 0
		for range 50 {
			_, err := s.Take(ctx, k)
			require.Error(t, err)
			require.NoError(t, ctx.Err(), "it waited for its deadline")
			if errors.As(err, new(*net.OpError)) {
				refused++
			}
		}
		require.Greater(t, refused, 40)
		require.True(t, server.start(t))
		require.Eventually(t, func() bool { _, err := s.Take(ctx, k); return err == nil }, patience, 10*time.Millisecond)
	})
}

const (
	processEnv    = "LLM_REDIS_PROCESS"
	processes     = 8
	processWindow = 2 * time.Second
	processTime   = 8 * time.Second
	processRPM    = 400
	processTPM    = 20_000
)

// process takes as much as it gets, and prints what it asked for: the name, the server's time and what was admitted.
func process(addr string) error {
	ctx, cancel := context.WithTimeout(context.Background(), processTime+patience)
	defer cancel()
	client, err := Open("redis://" + addr)
	if err != nil {
		return err
	}
	defer client.Close()
	s, err := NewRouterStore(client)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	for start := time.Now(); time.Since(start) < processTime; {
		tokens := 1 + rand.Int64N(200)
		for _, c := range []router.Claim{
			{Key: "{r}rpm", Limit: processRPM, Amount: 1, Window: processWindow},
			{Key: "{r}tpm", Limit: processTPM, Amount: tokens, Window: processWindow},
		} {
			taken, err := s.Take(ctx, &router.Take{Choices: []router.Choice{{Key: "{r}d", Claims: []router.Claim{c}}}})
			if err != nil {
				return err
			}
			if taken.Choice < 0 {
				c.Amount = 0
			}
			fmt.Fprintln(out, c.Key, taken.At.UnixMicro(), c.Amount)
		}
		time.Sleep(time.Duration(rand.Int64N(int64(8 * time.Millisecond))))
	}
	return out.Flush()
}

// Eight processes that share a store keep a limit together in every window, and use it.
func TestProcessesShareLimits(t *testing.T) {
	onEach(t, func(t *testing.T, binary string) {
		server := startServer(t, binary)
		outs := make([]strings.Builder, processes)
		errs := make([]error, processes)
		var wg sync.WaitGroup
		for i := range processes {
			wg.Go(func() {
				cmd := exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), processEnv+"="+server.addr())
				cmd.Stdout, cmd.Stderr = &outs[i], os.Stderr
				errs[i] = cmd.Run()
			})
		}
		wg.Wait()
		type asked struct{ at, amount int64 }
		all := make(map[string][]asked)
		for i := range processes {
			require.NoError(t, errs[i])
			for line := range strings.Lines(outs[i].String()) {
				var key string
				var a asked
				_, err := fmt.Sscanln(line, &key, &a.at, &a.amount)
				require.NoError(t, err)
				all[key] = append(all[key], a)
			}
		}
		for key, limit := range map[string]int64{"{r}rpm": processRPM, "{r}tpm": processTPM} {
			list := all[key]
			slices.SortFunc(list, func(a, b asked) int { return cmp.Compare(a.at, b.at) })
			window := processWindow.Microseconds()
			from, sum, total, most, idle := 0, int64(0), int64(0), int64(0), int64(0)
			for i, a := range list {
				for sum += a.amount; list[from].at <= a.at-window; from++ {
					sum -= list[from].amount
				}
				most = max(most, sum)
				total += a.amount
				if i > 0 {
					if gap := a.at - list[i-1].at; gap > 20_000 { // nobody asked: a busy machine
						idle += gap
					}
				}
			}
			span := list[len(list)-1].at - list[0].at - idle
			share := float64(total) / (float64(limit) * float64(span) / float64(window))
			t.Logf("%s: %d asked, at most %d of %d in a window, %.1f %% of the limit over %d windows",
				key, len(list), most, limit, 100*share, span/window)
			require.LessOrEqual(t, most, limit)
			require.GreaterOrEqual(t, share, 0.95)
		}
	})
}

func BenchmarkTake(b *testing.B) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		b.Skip("there is no redis-server here")
	}
	s := openStore(b, startServer(b, path).url())
	k := &router.Take{
		Choices: []router.Choice{choice("a", claim("a:rpm", 1e9, 1), claim("a:tpm", 1e12, 500))},
		Claims:  []router.Claim{claim("user", 1e9, 1)},
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Take(context.Background(), k); err != nil {
			b.Fatal(err)
		}
	}
}
