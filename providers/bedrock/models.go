package bedrock

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// encodeModels asks ListFoundationModels, which lives on the control plane's host: that of the runtime without
// "-runtime". At any other base URL (a gateway, a test server) it is asked of that.
func encodeModels(call *llm.Call, req *llm.ModelsRequest) (*http.Request, error) {
	u, err := url.Parse(call.URL("/foundation-models"))
	if err != nil {
		return nil, llm.InvalidRequest("base_url", "the base URL does not parse")
	}
	u.Host = strings.Replace(u.Host, "bedrock-runtime", "bedrock", 1)
	if len(req.Extra) > 0 {
		q := u.Query()
		for k := range req.Extra {
			q.Set(k, req.Extra.Get(k).String())
		}
		u.RawQuery = q.Encode()
	}
	return llm.NewRequest(http.MethodGet, u.String(), "", nil)
}

func decodeModels(_ *llm.Call, _ http.Header, body []byte) (*llm.ModelsResponse, error) {
	r := &llm.ModelsResponse{}
	var d jsonx.Decoder
	d.Reset(body)
	listed := false
	for d.Object(); d.More(); {
		if string(d.Key()) != "modelSummaries" {
			d.Skip()
			continue
		}
		listed = true
		for d.Array(); d.More(); {
			r.Data = append(r.Data, decodeModel(&d))
		}
	}
	if err := d.End(); err != nil {
		return nil, llm.Malformed("the answer is not the JSON that ListFoundationModels promises", err)
	}
	if !listed {
		return nil, llm.Malformed("the answer has no list of models", nil)
	}
	return r, nil
}

func decodeModel(d *jsonx.Decoder) (m llm.Model) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "modelId":
			m.ID = d.Str()
		case "modelName":
			m.DisplayName = d.Str()
		case "providerName":
			m.OwnedBy = d.Str()
		case "modelLifecycle":
			key := string(d.Key())
			raw := append([]byte(nil), d.Raw()...)
			if d.Err() == nil {
				store(&m.Extra, key, raw)
				m.Created = launched(raw)
			}
		default:
			keep(&m.Extra, d)
		}
	}
	return m
}

// launched is when the model became available, 0 if the lifecycle does not tell.
func launched(lifecycle []byte) (unix int64) {
	d := jsonx.NewDecoder(lifecycle)
	if d.Kind() != jsonx.Object {
		return 0
	}
	for d.Object(); d.More(); {
		switch {
		case string(d.Key()) != "startOfLifeTime":
			d.Skip()
		case d.Kind() == jsonx.String:
			if t, err := time.Parse(time.RFC3339, d.Str()); err == nil {
				unix = t.Unix()
			}
		case d.Kind() == jsonx.Number:
			unix = int64(d.Float())
		default:
			d.Skip()
		}
	}
	return unix
}
