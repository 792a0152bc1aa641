package storetest

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/llm-go/llm/cost"
)

func TestMemory(t *testing.T) {
	Run(t, func(*testing.T) Subject {
		var now atomic.Int64
		return Subject{
			Store:   cost.NewMemory(cost.MemoryConfig{Now: func() time.Time { return time.Unix(1_800_000_000, now.Load()) }}),
			Advance: func(d time.Duration) { now.Add(int64(d)) },
		}
	})
}

func TestMemoryInRealTime(t *testing.T) {
	store := cost.NewMemory(cost.MemoryConfig{})
	Run(t, func(*testing.T) Subject { return Subject{Store: store} })
}
