//go:build race

package llm_test

// raceEnabled: under the race detector counts are lower, since each access costs ten times as much.
const raceEnabled = true
