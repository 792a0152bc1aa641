package cache_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/llm-go/llm/cache"
	"github.com/llm-go/llm/cache/cachetest"
	"github.com/stretchr/testify/require"
)

// clock is time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Unix(1_700_000_000, 0)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestMemory(t *testing.T) {
	cachetest.Run(t, func(*testing.T) cachetest.Subject {
		c := newClock()
		return cachetest.Subject{Store: cache.NewMemory(cache.MemoryConfig{Now: c.Now}), Advance: c.Advance}
	})
}

func TestDisk(t *testing.T) {
	cachetest.Run(t, func(t *testing.T) cachetest.Subject {
		c := newClock()
		return cachetest.Subject{Store: openDisk(t, cache.DiskConfig{Dir: t.TempDir(), Now: c.Now}), Advance: c.Advance}
	})
}

// Two that have one directory are as two processes.
func TestDiskIsShared(t *testing.T) {
	dir := t.TempDir()
	a, b := openDisk(t, cache.DiskConfig{Dir: dir}), openDisk(t, cache.DiskConfig{Dir: dir})
	require.NoError(t, a.Set(t.Context(), key(1), []byte("value"), time.Hour))
	require.Equal(t, "value", string(get(t, b, key(1))))
}

func openDisk(t testing.TB, c cache.DiskConfig) *cache.Disk {
	t.Helper()
	d, err := cache.OpenDisk(c)
	require.NoError(t, err)
	return d
}

func key(n int) (k cache.Key) {
	k[0], k[30], k[31] = byte(n), byte(n>>8), byte(n)
	return k
}

func get(t testing.TB, s cache.Store, k cache.Key) []byte {
	t.Helper()
	b, err := s.Get(context.Background(), k)
	require.NoError(t, err)
	return b
}

func set(t testing.TB, s cache.Store, k cache.Key, size int) {
	t.Helper()
	require.NoError(t, s.Set(context.Background(), k, bytes.Repeat([]byte{1}, size), 0))
}

func TestMemoryKeepsItsBounds(t *testing.T) {
	t.Run("entries, the one used last stays", func(t *testing.T) {
		m := cache.NewMemory(cache.MemoryConfig{MaxEntries: 3})
		for n := range 3 {
			set(t, m, key(n), 10)
		}
		require.NotNil(t, get(t, m, key(0)))
		set(t, m, key(3), 10)
		for n, there := range []bool{true, false, true, true} {
			require.Equal(t, there, get(t, m, key(n)) != nil, "key %d", n)
		}
	})
	t.Run("bytes", func(t *testing.T) {
		m := cache.NewMemory(cache.MemoryConfig{MaxBytes: 10_000})
		for n := range 20 {
			set(t, m, key(n), 2000)
		}
		there := 0
		for n := range 20 {
			if get(t, m, key(n)) != nil {
				there++
			}
		}
		require.Equal(t, 4, there, "2,000 bytes each with what it costs to keep them")
		set(t, m, key(50), 20_000)
		require.Nil(t, get(t, m, key(50)), "larger than all of it")
		require.NotNil(t, get(t, m, key(19)), "and nothing had to go for it")
	})
	t.Run("a large one", func(t *testing.T) {
		m := cache.NewMemory(cache.MemoryConfig{MaxEntries: 1600})
		for n := range 4000 {
			set(t, m, key(n), 10)
		}
		there := 0
		for n := range 4000 {
			if get(t, m, key(n)) != nil {
				there++
			}
		}
		require.LessOrEqual(t, there, 1600)
		require.Greater(t, there, 1400)
	})
}

// files are those of a store in dir.
func files(t *testing.T, dir string) (paths []string, bytes int64) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			info, err := e.Info()
			require.NoError(t, err)
			paths, bytes = append(paths, path), bytes+info.Size()
		}
		return err
	}))
	return paths, bytes
}

func TestDiskKeepsItsBounds(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	d := openDisk(t, cache.DiskConfig{Dir: dir, MaxBytes: 100_000, Now: c.Now})
	for n := range 50 {
		set(t, d, key(n), 5000)
		c.Advance(2 * time.Minute)
		require.NotNil(t, get(t, d, key(0)), "what is used stays")
	}
	_, bytes := files(t, dir)
	require.LessOrEqual(t, bytes, int64(110_000))
	require.Greater(t, bytes, int64(80_000))
	require.NotNil(t, get(t, d, key(49)), "the newest")
	require.Nil(t, get(t, d, key(1)), "the oldest that was not used")
}

func TestDiskRemovesWhatHasEnded(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	d := openDisk(t, cache.DiskConfig{Dir: dir, MaxBytes: 16_000, Now: c.Now})
	for n := range 5 {
		require.NoError(t, d.Set(t.Context(), key(n), make([]byte, 100), time.Minute))
	}
	abandoned := filepath.Join(dir, "00", "tmp-1")
	require.NoError(t, os.WriteFile(abandoned, []byte("x"), 0o600))
	require.NoError(t, os.Chtimes(abandoned, c.Now(), c.Now()))
	c.Advance(2 * time.Hour)
	set(t, d, key(99), 2000)
	paths, _ := files(t, dir)
	require.Len(t, paths, 1)
}

func TestDiskFilesAreTheOwnersAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no such modes")
	}
	dir := filepath.Join(t.TempDir(), "made")
	set(t, openDisk(t, cache.DiskConfig{Dir: dir}), key(1), 10)
	paths, _ := files(t, dir)
	require.Len(t, paths, 1)
	for path, mode := range map[string]fs.FileMode{paths[0]: 0o600, filepath.Dir(paths[0]): 0o700, dir: 0o700} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().Perm(), path)
	}
	require.Equal(t, key(1).String(), filepath.Base(paths[0]))
	require.True(t, strings.HasPrefix(key(1).String(), filepath.Base(filepath.Dir(paths[0]))))
}

func TestDiskOfCutFiles(t *testing.T) {
	dir := t.TempDir()
	d := openDisk(t, cache.DiskConfig{Dir: dir})
	set(t, d, key(1), 10)
	paths, _ := files(t, dir)
	for _, size := range []int64{8, 3, 0} {
		require.NoError(t, os.Truncate(paths[0], size))
		require.Nil(t, get(t, d, key(1)))
	}
	_, err := cache.OpenDisk(cache.DiskConfig{})
	require.ErrorContains(t, err, "Dir is missing")
}
