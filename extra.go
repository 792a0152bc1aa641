package llm

import (
	"encoding/json"

	"github.com/llm-go/llm/internal/jsonx"
	"github.com/tidwall/gjson"
)

func extraGet(e Extra, path string) gjson.Result {
	for i := 0; ; i++ {
		if i == len(path) || path[i] == '.' || path[i] == '|' {
			v, ok := e[path[:i]]
			if !ok {
				return gjson.Result{}
			}
			raw, isRaw := v.(json.RawMessage)
			if !isRaw {
				var err error
				if raw, err = json.Marshal(v); err != nil {
					return gjson.Result{}
				}
			}
			if !gjson.ValidBytes(raw) {
				return gjson.Result{}
			}
			if i == len(path) {
				return gjson.ParseBytes(raw)
			}
			return gjson.GetBytes(raw, path[i+1:])
		}
	}
}

// keep stores a member that is not named by the type being decoded.
func keep(e *Extra, d *jsonx.Decoder) {
	key := string(d.Key())
	raw := d.Raw()
	if d.Err() != nil {
		return
	}
	if *e == nil {
		*e = make(Extra, 2)
	}
	(*e)[key] = json.RawMessage(append([]byte(nil), raw...))
}
