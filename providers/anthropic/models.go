package anthropic

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// models is GET /v1/models, asked page by page. Extra members of the request are query parameters.
func models() *llm.Op[llm.ModelsRequest, llm.ModelsResponse, llm.None] {
	return &llm.Op[llm.ModelsRequest, llm.ModelsResponse, llm.None]{Do: listModels}
}

// maxPages bounds the walk: a host that ignores after_id would answer the same page for ever.
const maxPages = 100

func listModels(ctx context.Context, call *llm.Call, req *llm.ModelsRequest, send llm.Send) (*llm.ModelsResponse, error) {
	all := &llm.ModelsResponse{}
	after := ""
	for range maxPages {
		query := url.Values{"limit": {"1000"}}
		for k, v := range req.Extra {
			query.Set(k, fmt.Sprint(v))
		}
		if after != "" {
			query.Set("after_id", after)
		}
		r, err := call.NewRequest(http.MethodGet, "/v1/models?"+query.Encode(), "", nil)
		if err != nil {
			return nil, err
		}
		r.Header["Anthropic-Version"] = []string{apiVersion}
		resp, err := send(ctx, r)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return nil, err
		}
		next, err := decodeModels(body, all)
		if err != nil {
			return nil, err
		}
		if next == "" || next == after {
			return all, nil
		}
		after = next
	}
	return nil, llm.Malformed("the list of models does not end", nil)
}

// decodeModels adds one page to all, and returns the id after which the next one begins, "" for the last.
func decodeModels(body []byte, all *llm.ModelsResponse) (next string, err error) {
	var d jsonx.Decoder
	d.Reset(body)
	var failure *apiError
	found, more := false, false
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "data":
			found = d.Kind() == jsonx.Array
			for d.Array(); d.More(); {
				all.Data = append(all.Data, decodeModel(&d))
			}
		case "has_more":
			more = d.Bool()
		case "last_id":
			next = d.Str()
		case "error":
			failure = new(apiError)
			failure.decode(&d)
		default:
			d.Skip()
		}
	}
	switch err := d.End(); {
	case err != nil:
		return "", llm.Malformed("the answer is not a list of models", err)
	case failure != nil:
		return "", failure.error(http.StatusOK)
	case !found:
		return "", llm.Malformed("the answer has no list of models", nil)
	case !more:
		return "", nil
	}
	return next, nil
}

func decodeModel(d *jsonx.Decoder) llm.Model {
	m := llm.Model{OwnedBy: dialect}
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "id":
			m.ID = d.Str()
		case "display_name":
			m.DisplayName = d.Str()
		case "created_at":
			if t, err := time.Parse(time.RFC3339, d.Str()); err == nil {
				m.Created = max(t.Unix(), 0)
			}
		case "max_input_tokens":
			m.MaxInputTokens = d.Int()
		case "max_tokens":
			m.MaxOutputTokens = d.Int()
		case "type":
			d.Skip()
		default:
			keep(&m.Extra, d)
		}
	}
	return m
}
