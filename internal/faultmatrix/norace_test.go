//go:build !race && linux

package faultmatrix

const slow = 1
