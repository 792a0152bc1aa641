package bedrock

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// doEmbedding makes vectors through InvokeModel, whose bodies are the models' own: Amazon Bedrock user guide,
// "Amazon Titan Embeddings Text" and "Cohere Embed". Titan takes one text at a time, so a request with several
// is several exchanges, in order; Cohere takes up to 96 at once. A model that is not known to be Cohere's gets
// Titan's body.
func doEmbedding(ctx context.Context, call *llm.Call, req *llm.EmbeddingRequest, send llm.Send) (*llm.EmbeddingResponse, error) {
	if len(req.Tokens) > 0 {
		return nil, llm.InvalidRequest("input", "Bedrock's embedding models take texts, not token ids")
	}
	if len(req.Input) == 0 {
		return nil, llm.InvalidRequest("input", "there is no text to embed")
	}
	if req.User != "" {
		if err := call.Unsupported("user", "InvokeModel has no such member"); err != nil {
			return nil, err
		}
	}
	e := embedder{call: call, send: send, req: req}
	e.resp = &llm.EmbeddingResponse{Object: "list", Model: call.Model, Data: make([]llm.EmbeddingData, 0, len(req.Input)), Usage: &llm.Usage{}}
	var err error
	if strings.HasPrefix(baseModel(call.Model), "cohere.") {
		err = e.cohere(ctx)
	} else {
		err = e.titan(ctx)
	}
	if err != nil {
		return nil, err
	}
	if e.resp.Usage.TotalTokens = e.resp.Usage.PromptTokens; e.resp.Usage.TotalTokens == 0 {
		e.resp.Usage = nil
	}
	return e.resp, nil
}

type embedder struct {
	call *llm.Call
	send llm.Send
	req  *llm.EmbeddingRequest
	resp *llm.EmbeddingResponse
}

func (e *embedder) titan(ctx context.Context) error {
	if e.req.InputType != "" {
		if err := e.call.Unsupported("input_type", "Titan makes one kind of vector"); err != nil {
			return err
		}
	}
	for _, text := range e.req.Input {
		var w jsonx.Encoder
		w.Object()
		w.Name("inputText")
		w.Str(text)
		w.OptInt("dimensions", e.req.Dimensions)
		w.EndObject()
		if err := e.invoke(ctx, w.B); err != nil {
			return err
		}
	}
	return nil
}

// maxTexts is how many texts Cohere takes at once.
const maxTexts = 96

func (e *embedder) cohere(ctx context.Context) error {
	kind := e.req.InputType
	if kind == "" {
		kind = "search_document" // required; Cohere's word for texts that are to be found
	}
	for rest := e.req.Input; len(rest) > 0; {
		n := min(len(rest), maxTexts)
		var w jsonx.Encoder
		w.Object()
		w.Strs("texts", rest[:n])
		w.OptStr("input_type", kind)
		w.OptInt("output_dimension", e.req.Dimensions)
		w.EndObject()
		if err := e.invoke(ctx, w.B); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

func (e *embedder) invoke(ctx context.Context, body []byte) error {
	r, err := e.call.NewJSONRequest(modelPath(e.call, "invoke"), body, e.req.Extra)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "application/json")
	answer, err := e.send(ctx, r)
	if err != nil {
		return err
	}
	raw, err := e.call.ReadAll(answer)
	if err != nil {
		return err
	}
	return e.decode(answer.Header, raw)
}

// decode reads both vendors' answers: Titan's one embedding, Cohere's list of them, which is an object by type
// where embedding_types was asked for (and always with Embed 4).
func (e *embedder) decode(h http.Header, raw []byte) error {
	before := len(e.resp.Data)
	tokens := 0
	var d jsonx.Decoder
	d.Reset(raw)
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "embedding":
			e.add(&d)
		case "inputTextTokenCount":
			tokens = d.Int()
		case "embeddings":
			if d.Kind() == jsonx.Array {
				e.addAll(&d)
				continue
			}
			for d.Object(); d.More(); {
				if string(d.Key()) == "float" {
					e.addAll(&d)
				} else {
					keep(&e.resp.Extra, &d)
				}
			}
		case "texts", "embeddingsByType":
			d.Skip() // what was sent; the same vectors once more
		default:
			keep(&e.resp.Extra, &d)
		}
	}
	if err := d.End(); err != nil {
		return llm.Malformed("the answer is not the JSON that the embedding model promises", err)
	}
	if len(e.resp.Data) == before {
		return llm.Malformed("the answer has no vectors of floats", nil)
	}
	if n, err := strconv.Atoi(h.Get("X-Amzn-Bedrock-Input-Token-Count")); err == nil && tokens == 0 {
		tokens = n
	}
	e.resp.Usage.PromptTokens += tokens
	return nil
}

func (e *embedder) addAll(d *jsonx.Decoder) {
	for d.Array(); d.More(); {
		e.add(d)
	}
}

func (e *embedder) add(d *jsonx.Decoder) {
	v := make([]float32, 0, 1024)
	for d.Array(); d.More(); {
		v = append(v, float32(d.Float()))
	}
	e.resp.Data = append(e.resp.Data, llm.EmbeddingData{Index: len(e.resp.Data), Embedding: v})
}
