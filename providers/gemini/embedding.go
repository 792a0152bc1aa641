package gemini

import (
	"net/http"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// taskTypes are the words of other vendors for what vectors are for (API reference, Embeddings, TaskType). A word that is
// not here is sent in upper case.
var taskTypes = map[string]string{
	"search_document": "RETRIEVAL_DOCUMENT", "document": "RETRIEVAL_DOCUMENT", "passage": "RETRIEVAL_DOCUMENT",
	"search_query": "RETRIEVAL_QUERY", "query": "RETRIEVAL_QUERY", "similarity": "SEMANTIC_SIMILARITY",
}

// encodeEmbedding asks by embedContent for one text and by batchEmbedContents for more, of which the service takes 100
// at a time.
func encodeEmbedding(call *llm.Call, req *llm.EmbeddingRequest) (*http.Request, error) {
	if len(req.Tokens) > 0 {
		return nil, llm.InvalidRequest("input", "Gemini embeds texts, not tokens")
	}
	if len(req.Input) == 0 {
		return nil, llm.InvalidRequest("input", "there is nothing to embed")
	}
	if req.User != "" {
		if err := call.Unsupported("user", ""); err != nil {
			return nil, err
		}
	}
	var e jsonx.Encoder
	if len(req.Input) == 1 {
		writeEmbed(call, &e, req, req.Input[0])
		return Host{}.request(call, "embedContent", e.B, req.Extra)
	}
	e.Object()
	e.Name("requests")
	e.Array()
	for _, text := range req.Input {
		writeEmbed(call, &e, req, text)
	}
	e.EndArray()
	e.EndObject()
	return Host{}.request(call, "batchEmbedContents", e.B, req.Extra)
}

func writeEmbed(call *llm.Call, e *jsonx.Encoder, req *llm.EmbeddingRequest, text string) {
	e.Object()
	e.Name("model")
	e.Str(resourceName(call.Model, func(s string) string { return s }))
	e.Name("content")
	e.Object()
	e.Name("parts")
	e.Array()
	e.Object()
	e.Name("text")
	e.Str(text)
	e.EndObject()
	e.EndArray()
	e.EndObject()
	if t := req.InputType; t != "" {
		task := taskTypes[t]
		if task == "" {
			task = strings.ToUpper(t)
		}
		e.Name("taskType")
		e.Str(task)
	}
	e.OptInt("outputDimensionality", req.Dimensions)
	e.EndObject()
}

func decodeEmbedding(call *llm.Call, h http.Header, body []byte) (*llm.EmbeddingResponse, error) {
	var d jsonx.Decoder
	d.Reset(body)
	r := &llm.EmbeddingResponse{Object: "list", Model: call.Model}
	failed := d.Kind() == jsonx.Array
	if failed {
		d.Skip()
	} else {
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "embedding":
				r.Data = append(r.Data[:0], readEmbedding(&d, nil))
			case "embeddings":
				r.Data = r.Data[:0]
				for d.Array(); d.More(); {
					r.Data = append(r.Data, readEmbedding(&d, r.Data))
				}
			case "usageMetadata":
				r.Usage, _ = readUsage(d.Raw())
			case "error":
				failed = true
				d.Skip()
			default:
				keep(&r.Extra, &d)
			}
		}
	}
	switch err := d.End(); {
	case err != nil:
		return nil, malformed(err)
	case failed:
		return nil, Error(0, h, body)
	case len(r.Data) == 0:
		return nil, llm.Malformed("the answer has no embeddings", nil)
	}
	return r, nil
}

// readEmbedding reads a ContentEmbedding; those before it tell how long it will be.
func readEmbedding(d *jsonx.Decoder, before []llm.EmbeddingData) llm.EmbeddingData {
	e := llm.EmbeddingData{Index: len(before)}
	size := 768
	if len(before) > 0 {
		size = len(before[0].Embedding)
	}
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "values":
			e.Embedding = make([]float32, 0, size)
			for d.Array(); d.More(); {
				e.Embedding = append(e.Embedding, float32(d.Float()))
			}
		default:
			keep(&e.Extra, d)
		}
	}
	return e
}
