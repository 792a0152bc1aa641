// Package cachetest checks implementations of [cache.Store]: that what was stored comes back, byte for byte, and no
// longer than it should, that keys do not touch each other, also when many use them at once, and that contexts hold. This
// library's own stores are tested with it, and others should be.
//
//	func TestStore(t *testing.T) {
//		cachetest.Run(t, func(t *testing.T) cachetest.Subject {
//			return cachetest.Subject{Store: open(t)}
//		})
//	}
package cachetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/llm-go/llm/cache"
	"github.com/stretchr/testify/require"
)

// Subject is a store to be checked, with room for 10 MiB in 100 entries.
type Subject struct {
	Store cache.Store
	// Advance moves the store's clock, if that can be done. nil: it has a clock of its own, and the kit sleeps, for about
	// two seconds in all.
	Advance func(d time.Duration)
}

// Run checks a store. It calls open once for each of its subtests, which run in parallel; stores that are opened may
// share what they keep, since each subtest has keys of its own. An open that has something to close does so by
// t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &subject{Subject: open(t)}
			require.NotNil(t, s.Store, "open returned no store")
			_, err := rand.Read(s.base[:])
			require.NoError(t, err)
			c.check(t, s)
		})
	}
}

var checks = []struct {
	name  string
	check func(t *testing.T, s *subject)
}{
	{"missing", checkMissing},
	{"bytes", checkBytes},
	{"replace", checkReplace},
	{"keys", checkKeys},
	{"ttl", checkTTL},
	{"no_ttl", checkNoTTL},
	{"ttl_replaced", checkTTLReplaced},
	{"context", checkContext},
	{"together", checkTogether},
}

// patience bounds a call to the store.
const patience = 30 * time.Second

type subject struct {
	Subject
	base cache.Key
}

// key is the n-th of the subtest's own.
func (s *subject) key(n int) cache.Key {
	k := s.base
	k[len(k)-1] ^= byte(n)
	k[len(k)-2] ^= byte(n >> 8)
	return k
}

// sleep lets at least d pass.
func (s *subject) sleep(d time.Duration) {
	if s.Advance == nil {
		time.Sleep(d)
	} else {
		s.Advance(d)
	}
}

func (s *subject) get(t *testing.T, key cache.Key) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	b, err := s.Store.Get(ctx, key)
	require.NoError(t, err)
	return b
}

func (s *subject) set(t *testing.T, key cache.Key, value string, ttl time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, s.Store.Set(ctx, key, []byte(value), ttl))
}

func checkMissing(t *testing.T, s *subject) {
	require.Nil(t, s.get(t, s.key(0)), "a key that was never set")
}

func checkBytes(t *testing.T, s *subject) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	large := bytes.Repeat(all, 1<<20/256)
	for i, value := range [][]byte{{0}, []byte("\r\n"), []byte("text"), all, large} {
		s.set(t, s.key(i), string(value), time.Hour)
		require.True(t, bytes.Equal(value, s.get(t, s.key(i))), "%d bytes came back changed", len(value))
		require.True(t, bytes.Equal(value, s.get(t, s.key(i))), "%d bytes came back changed the second time", len(value))
	}
}

func checkReplace(t *testing.T, s *subject) {
	for _, value := range []string{"first, which is longer", "second", "third, which is longer again"} {
		s.set(t, s.key(0), value, time.Hour)
		require.Equal(t, value, string(s.get(t, s.key(0))))
	}
}

// Keys that differ in one bit are different.
func checkKeys(t *testing.T, s *subject) {
	s.set(t, s.base, "mine", time.Hour)
	for i := range s.base {
		k := s.base
		k[i] ^= 1
		require.Nil(t, s.get(t, k), "byte %d of a key does not count", i)
	}
	k := s.base
	k[0] ^= 0x80
	s.set(t, k, "other", time.Hour)
	require.Equal(t, "mine", string(s.get(t, s.base)))
	require.Equal(t, "other", string(s.get(t, k)))
}

func checkTTL(t *testing.T, s *subject) {
	s.set(t, s.key(0), "short", 500*time.Millisecond)
	s.set(t, s.key(1), "long", time.Hour)
	if s.Advance != nil {
		s.Advance(499 * time.Millisecond)
		require.Equal(t, "short", string(s.get(t, s.key(0))), "it ended too soon")
		s.Advance(time.Millisecond)
	} else {
		time.Sleep(600 * time.Millisecond)
	}
	require.Nil(t, s.get(t, s.key(0)), "it did not end")
	require.Equal(t, "long", string(s.get(t, s.key(1))))
}

func checkNoTTL(t *testing.T, s *subject) {
	s.set(t, s.key(0), "value", 0)
	s.sleep(200 * time.Millisecond)
	require.Equal(t, "value", string(s.get(t, s.key(0))))
}

// The last Set says how long a value stays.
func checkTTLReplaced(t *testing.T, s *subject) {
	s.set(t, s.key(0), "short", 300*time.Millisecond)
	s.set(t, s.key(0), "long", time.Hour)
	s.set(t, s.key(1), "short", 300*time.Millisecond)
	s.set(t, s.key(1), "endless", 0)
	s.set(t, s.key(2), "long", time.Hour)
	s.set(t, s.key(2), "short", 300*time.Millisecond)
	s.sleep(400 * time.Millisecond)
	require.Equal(t, "long", string(s.get(t, s.key(0))))
	require.Equal(t, "endless", string(s.get(t, s.key(1))))
	require.Nil(t, s.get(t, s.key(2)))
}

func checkContext(t *testing.T, s *subject) {
	s.set(t, s.key(0), "value", time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Store.Get(ctx, s.key(0))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, s.Store.Set(ctx, s.key(0), []byte("other"), time.Hour), context.Canceled)
	require.Equal(t, "value", string(s.get(t, s.key(0))))
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	_, err = s.Store.Get(late, s.key(0))
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// Many write and read the same keys; each value that comes back is one that was stored under its key, whole.
func checkTogether(t *testing.T, s *subject) {
	const keys, writers, rounds = 4, 8, 25
	value := func(key, writer int) []byte {
		return bytes.Repeat([]byte(fmt.Sprintf("[%d %d]", key, writer)), 500+100*writer)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var wg sync.WaitGroup
	errs := make(chan error, writers)
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				k := (w + i) % keys
				if err := s.Store.Set(ctx, s.key(k), value(k, w), time.Hour); err != nil {
					errs <- err
					return
				}
				for _, k := range []int{k, (k + 1) % keys} { // what this one has just stored, and what others have
					b, err := s.Store.Get(ctx, s.key(k))
					var from, writer int
					if err == nil && (b != nil || k == (w+i)%keys) {
						_, err = fmt.Sscanf(string(b[:min(len(b), 16)]), "[%d %d]", &from, &writer)
						if err != nil || from != k || !bytes.Equal(b, value(k, writer)) {
							err = errors.New("a value came back mixed up, or under another key")
						}
					}
					if err != nil {
						errs <- err
						return
					}
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
}
