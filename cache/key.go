package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math"
	"reflect"
	"sync"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// Key names an answer in a store. It is a SHA-256 digest, so it says nothing of the request; the same request has the
// same key in every process.
type Key [sha256.Size]byte

// String is the key in hexadecimal, lower case.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// keyVersion changes when what is written below changes its meaning, so that old answers are not found any more.
const keyVersion = "llm cache 1"

// keyer writes what a key covers, each part such that no other sequence of parts gives the same bytes. It walks the
// request by reflection, so that a field that is added to a request is covered without being thought of.
type keyer struct {
	sum  hash.Hash
	b    []byte
	json jsonx.Encoder
	err  error
}

var keyers = sync.Pool{New: func() any { return &keyer{sum: sha256.New()} }}

// scope is all that a key covers beside the operation and the request.
type scope struct {
	target             [sha256.Size]byte
	namespaces, tenant string
	purpose            string
}

// newKey is the key of a request. An error means that the request cannot be written as JSON, and so not sent.
func newKey(s *scope, call *llm.Call, request any) (Key, error) {
	k := keyers.Get().(*keyer)
	k.sum.Reset()
	k.b, k.err = k.b[:0], nil
	for _, text := range [...]string{keyVersion, s.purpose, string(call.Operation), call.ModelName(), s.namespaces, s.tenant} {
		k.string(text)
	}
	k.write(s.target[:])
	k.value(reflect.ValueOf(request))
	k.flush()
	var key Key
	k.sum.Sum(key[:0])
	err := k.err
	if err != nil || cap(k.json.B) > maxPooled {
		k.json = jsonx.Encoder{}
	}
	keyers.Put(k)
	return key, err
}

// maxPooled keeps rare giants out of the pool.
const maxPooled = 64 << 10

// flushAt keeps requests with large files from being copied as a whole.
const flushAt = 4096

func (k *keyer) flush() {
	k.sum.Write(k.b)
	k.b = k.b[:0]
}

func (k *keyer) byte(c byte) { k.b = append(k.b, c) }

func (k *keyer) uint(n uint64) { k.b = binary.AppendUvarint(k.b, n) }

func (k *keyer) string(s string) {
	k.uint(uint64(len(s)))
	for len(s) > flushAt {
		k.b = append(k.b, s[:flushAt]...)
		k.flush()
		s = s[flushAt:]
	}
	if k.b = append(k.b, s...); len(k.b) > flushAt {
		k.flush()
	}
}

func (k *keyer) write(b []byte) {
	k.uint(uint64(len(b)))
	k.flush()
	k.sum.Write(b)
}

// value writes v after its type, which the place where it stands tells: nil and empty are different, and so are a
// pointer to zero and none.
func (k *keyer) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		k.string(v.String())
	case reflect.Bool:
		if v.Bool() {
			k.byte(1)
		} else {
			k.byte(0)
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		k.b = binary.AppendVarint(k.b, v.Int())
	case reflect.Float32, reflect.Float64:
		k.b = binary.BigEndian.AppendUint64(k.b, math.Float64bits(v.Float()))
	case reflect.Pointer:
		if v.IsNil() {
			k.byte(0)
			return
		}
		k.byte(1)
		k.value(v.Elem())
	case reflect.Slice:
		k.slice(v)
	case reflect.Struct:
		k.fields(v)
	case reflect.Map, reflect.Interface:
		if v.IsNil() {
			k.byte(0)
			return
		}
		k.byte(1)
		k.any(v)
	default:
		k.err = fmt.Errorf("cache: a request with a %s has no key", v.Type())
	}
}

func (k *keyer) slice(v reflect.Value) {
	switch {
	case v.IsNil():
		k.byte(0)
	case v.Type().Elem().Kind() == reflect.Uint8:
		k.byte(1)
		k.write(v.Bytes())
	default:
		k.byte(1)
		k.uint(uint64(v.Len()))
		for i := range v.Len() {
			k.value(v.Index(i))
		}
	}
}

// fields writes the fields that are set, each after its name: a library with more fields gives the same key.
func (k *keyer) fields(v reflect.Value) {
	for _, f := range fieldsOf(v.Type()) {
		if field := v.Field(f.index); !field.IsZero() {
			k.string(f.name)
			k.value(field)
		}
	}
	k.byte(0)
}

// any writes values of any type as they would be sent: as JSON, with sorted members.
func (k *keyer) any(v reflect.Value) {
	e := &k.json
	e.B = e.B[:0]
	x := v.Interface()
	if extra, ok := x.(llm.Extra); ok {
		x = map[string]any(extra)
	}
	e.Any(x)
	if err := e.Err(); err != nil && k.err == nil {
		k.err = err
	}
	k.write(e.B)
}

type field struct {
	index int
	name  string
}

var structs sync.Map // reflect.Type to []field; only types of requests

func fieldsOf(t reflect.Type) []field {
	if list, ok := structs.Load(t); ok {
		return list.([]field)
	}
	var list []field
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() {
			list = append(list, field{i, f.Name})
		}
	}
	structs.Store(t, list)
	return list
}
