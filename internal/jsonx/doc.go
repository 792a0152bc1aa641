// Package jsonx reads and writes JSON in one pass.
package jsonx
