package llm

// EmbeddingRequest asks for vectors of texts. OpenAI's API reference, "Create embeddings".
type EmbeddingRequest struct {
	Model string
	// Input is one text per vector; OpenAI takes up to 2048. Tokens, instead, is token ids, one list per vector,
	// where the provider takes them. Inputs of another kind (images, at some providers) go into Extra["input"].
	Input  []string
	Tokens [][]int
	// Dimensions shortens the vectors where the model allows it; 0: the model's full size.
	Dimensions int
	// EncodingFormat is how the vectors travel: "float" or "base64". "": as it is quickest at the host. The answer
	// is the same.
	EncodingFormat string
	// InputType tells what the vectors are for: "search_document", "search_query", "classification",
	// "clustering" … as the provider names it. Not part of OpenAI's API.
	InputType string
	User      string
	Extra     Extra
}

// EmbeddingResponse has one vector per input, in the order of the inputs.
type EmbeddingResponse struct {
	Object string // "list"
	Model  string
	Data   []EmbeddingData
	Usage  *Usage
	Extra  Extra
	Meta   Meta `json:"-"`
}

// EmbeddingData is one vector. The vectors of one answer may share a block of memory; none reaches into another,
// and appending to one copies it. A vector of another kind (integers packed as bits, or a list of vectors) is in
// Extra["embedding"].
type EmbeddingData struct {
	Index     int
	Embedding []float32
	Extra     Extra
}
