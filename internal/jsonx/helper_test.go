package jsonx_test

import "math/big"

// exact is Decoder.Int64 by other means.
func exact(s string) (int64, bool) {
	r, ok := new(big.Rat).SetString(s)
	if !ok || !r.IsInt() || !r.Num().IsInt64() {
		return 0, false
	}
	return r.Num().Int64(), true
}
