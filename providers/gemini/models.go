package gemini

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// maxPages bounds how often the list is asked for its next page.
const maxPages = 100

// listModels asks for the models page by page (API reference, Models, models.list).
func listModels(ctx context.Context, call *llm.Call, req *llm.ModelsRequest, send llm.Send) (*llm.ModelsResponse, error) {
	query := url.Values{"pageSize": {"1000"}}
	for _, k := range slices.Sorted(maps.Keys(req.Extra)) {
		query.Set(k, fmt.Sprint(req.Extra[k]))
	}
	r := &llm.ModelsResponse{}
	seen := map[string]bool{}
	for range maxPages {
		out, err := call.NewRequest(http.MethodGet, version(call)+"/models?"+query.Encode(), "", nil)
		if err != nil {
			return nil, err
		}
		token, err := listPage(ctx, out, send, r)
		if err != nil {
			return nil, err
		}
		if token == "" || seen[token] {
			return r, nil
		}
		seen[token] = true
		query.Set("pageToken", token)
	}
	return nil, llm.Malformed("the list of models has no end", nil)
}

func listPage(ctx context.Context, req *http.Request, send llm.Send, r *llm.ModelsResponse) (next string, err error) {
	resp, err := send(ctx, req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	var d jsonx.Decoder
	d.Reset(body)
	failed := false
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "models":
			for d.Array(); d.More(); {
				r.Data = append(r.Data, readModel(&d))
			}
		case "nextPageToken":
			next = d.Str()
		case "error":
			failed = true
			d.Skip()
		default:
			d.Skip()
		}
	}
	if err := d.End(); err != nil {
		return "", malformed(err)
	}
	if failed {
		return "", Error(0, resp.Header, body)
	}
	return next, nil
}

func readModel(d *jsonx.Decoder) llm.Model {
	m := llm.Model{OwnedBy: "google"}
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "name":
			m.ID = strings.TrimPrefix(d.Str(), "models/")
		case "displayName":
			m.DisplayName = d.Str()
		case "inputTokenLimit":
			m.MaxInputTokens = d.Int()
		case "outputTokenLimit":
			m.MaxOutputTokens = d.Int()
		default:
			keep(&m.Extra, d)
		}
	}
	return m
}
