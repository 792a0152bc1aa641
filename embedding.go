package llm

// EmbeddingRequest asks for vectors of texts. OpenAI's API reference, "Create embeddings".
type EmbeddingRequest struct {
	Model string
	// Input is one text per vector. Tokens, instead, is token ids where the provider takes them.
	Input  []string
	Tokens [][]int
	// Dimensions shortens the vectors where the model allows it; 0: the model's full size.
	Dimensions int
	// InputType tells what the vectors are for: "search_document", "search_query", "classification",
	// "clustering" … as the provider names it. Not part of OpenAI's API.
	InputType string
	User      string
	Extra     Extra
}

// EmbeddingResponse has one vector per input, in the order of the inputs.
type EmbeddingResponse struct {
	Object string
	Model  string
	Data   []EmbeddingData
	Usage  *Usage
	Extra  Extra
	Meta   Meta `json:"-"`
}

// EmbeddingData is one vector.
type EmbeddingData struct {
	Index     int
	Embedding []float32
	Extra     Extra
}
