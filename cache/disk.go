package cache

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Disk is a [Store] in a directory, which several processes may share. Each value is a file, named by its key, that only
// its owner may read, and that appears whole or not at all. When there are too many bytes, what was not used for the
// longest time goes first. It is for local disks: a call waits for the file system whatever its context says.
type Disk struct {
	config DiskConfig
	// written counts the bytes since the directory was measured; other processes write, too.
	written  atomic.Int64
	sweeping sync.Mutex
}

// DiskConfig says where a [Disk] is, and bounds it.
type DiskConfig struct {
	// Dir is made if it is not there. It should have nothing else in it.
	Dir string
	// MaxBytes bounds the files; default 1 GiB. Each process measures the directory when it has written a sixteenth of
	// it, so it may hold that much more for each of them.
	MaxBytes int64
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// OpenDisk makes the directory, if need be, and returns the store in it. There is nothing to close.
func OpenDisk(c DiskConfig) (*Disk, error) {
	if c.Dir == "" {
		return nil, errors.New("cache: DiskConfig.Dir is missing")
	}
	c.MaxBytes = cmp.Or(c.MaxBytes, 1<<30)
	if c.Now == nil {
		c.Now = time.Now
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, err
	}
	d := &Disk{config: c}
	d.written.Store(c.MaxBytes) // what is there is measured when something is written
	return d, nil
}

// A file is the time at which its value ends, in Unix milliseconds (0: never), and the value.
const diskHeader = 8

const (
	tempPrefix = "tmp-"
	tempAge    = time.Hour // of a file that a process has not finished, and will not
	touchEvery = time.Minute
)

// path has a directory in between: some file systems are slow with many files in one.
func (d *Disk) path(key Key) string {
	name := key.String()
	return filepath.Join(d.config.Dir, name[:2], name)
}

// Get is [Store.Get].
func (d *Disk) Get(ctx context.Context, key Key) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path := d.path(key)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(b) <= diskHeader {
		return nil, nil // a machine that went down
	}
	now := d.config.Now()
	if end := int64(binary.BigEndian.Uint64(b)); end != 0 && now.UnixMilli() >= end {
		return nil, nil // the sweep removes it: another process may just have replaced it
	}
	if info, err := os.Stat(path); err == nil && now.Sub(info.ModTime()) > touchEvery {
		_ = os.Chtimes(path, now, now) // it was used
	}
	return b[diskHeader:], nil
}

// Set is [Store.Set].
func (d *Disk) Set(ctx context.Context, key Key, value []byte, ttl time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	size := int64(len(value)) + diskHeader
	if size > d.config.MaxBytes {
		return nil
	}
	b := make([]byte, diskHeader, size)
	now := d.config.Now()
	if ttl > 0 {
		binary.BigEndian.PutUint64(b, uint64(now.Add(ttl).UnixMilli()))
	}
	path := d.path(key)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := writeFile(path, append(b, value...), now); err != nil {
		return err
	}
	if d.written.Add(size) > d.config.MaxBytes/16 && d.sweeping.TryLock() {
		defer d.sweeping.Unlock()
		d.written.Store(0)
		d.sweep()
	}
	return nil
}

// writeFile puts a file in the place of another at once. It is not synced: a value that a crash has cut is a miss.
func writeFile(path string, b []byte, now time.Time) error {
	f, err := os.CreateTemp(filepath.Dir(path), tempPrefix) // with mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Chtimes(f.Name(), now, now)
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// sweep removes what has ended, what was left behind, and, if there is too much, what was not used for the longest time.
// Files that others remove meanwhile are no error.
func (d *Disk) sweep() {
	type file struct {
		path string
		size int64
		used time.Time
	}
	var files []file
	var total int64
	now := d.config.Now()
	_ = filepath.WalkDir(d.config.Dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return nil
		}
		switch name := e.Name(); {
		case strings.HasPrefix(name, tempPrefix):
			if now.Sub(info.ModTime()) > tempAge {
				_ = os.Remove(path)
			}
		case len(name) != 2*len(Key{}): // not ours
		case over(path, now):
			_ = os.Remove(path)
		default:
			files = append(files, file{path, info.Size(), info.ModTime()})
			total += info.Size()
		}
		return nil
	})
	if total <= d.config.MaxBytes {
		return
	}
	slices.SortFunc(files, func(a, b file) int { return a.used.Compare(b.used) })
	for _, f := range files {
		if total <= d.config.MaxBytes-d.config.MaxBytes/16 { // some room, or the next one sweeps again
			return
		}
		if err := os.Remove(f.path); err == nil || errors.Is(err, fs.ErrNotExist) {
			total -= f.size
		}
	}
}

// over says whether a file's value is over.
func over(path string, now time.Time) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var b [diskHeader]byte
	if n, _ := f.Read(b[:]); n < diskHeader {
		return true
	}
	end := int64(binary.BigEndian.Uint64(b[:]))
	return end != 0 && now.UnixMilli() >= end
}
