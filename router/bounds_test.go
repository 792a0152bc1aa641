package router

import (
	"fmt"
	"hash/maphash"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestEverythingIsBounded: what grows with callers and sessions has an end, and keeps what was used of late.
func TestEverythingIsBounded(t *testing.T) {
	s := &sessions{seed: maphash.MakeSeed()}
	const calls = 500_000
	for i := range calls {
		s.put(fmt.Sprint("session ", i), "d", 1, time.Hour)
		s.put("used all the time", "d", 1, time.Hour)
	}
	kept := 0
	for i := range s.shards {
		kept += len(s.shards[i].newer) + len(s.shards[i].older)
	}
	require.LessOrEqual(t, kept, 2*maxSessions*len(s.shards))
	require.Greater(t, kept, maxSessions*len(s.shards)/2)
	require.Equal(t, "d", s.get("used all the time", 2))
	require.Equal(t, "d", s.get(fmt.Sprint("session ", calls-1), 2))
	require.Empty(t, s.get("session 0", 2))
	require.Empty(t, s.get("used all the time", 2+int64(time.Hour)))

	var p parallel
	var q queues
	for i := range 1000 {
		key := fmt.Sprint(i)
		require.True(t, p.enter(key, 1))
		require.False(t, p.enter(key, 1))
		p.leave(key)
		w := q.open(key, 0).enter(0)
		q.open(key, 0)
		q.byKey[key].leave(w)
		q.close(key)
		q.close(key)
	}
	require.Empty(t, p.n)
	require.Empty(t, q.byKey)

	g := guard{rt: &Router{}}
	g.rt.shared = &g
	for range maxPending + 10 {
		g.rt.settle([]Settlement{{Key: "k", Window: time.Minute, Delta: 1}})
	}
	require.Len(t, g.pending, maxPending)

	var h history
	h.q = 0.5
	for i := range 10_000 {
		h.add(int64(i))
	}
	require.Len(t, h.samples, historySize)
}
