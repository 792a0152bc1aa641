//go:build race

package sim_test

// raceEnabled: the race detector costs ten times as much, so there is less to simulate.
const raceEnabled = true
