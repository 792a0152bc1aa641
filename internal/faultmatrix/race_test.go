//go:build race && linux

package faultmatrix

// slow is how many times longer things take: the race detector looks at each access.
const slow = 4
