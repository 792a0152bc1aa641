package llm

// ImageRequest asks for pictures from a text. OpenAI's API reference, "Create image".
type ImageRequest struct {
	Model  string
	Prompt string
	// N is how many pictures; 0: the provider's default of 1.
	N int
	// Size is "1024x1024", "1536x1024", "auto" …, AspectRatio "16:9" where the provider prefers that.
	Size        string
	AspectRatio string
	// Quality is "low", "medium", "high", "auto", "standard", "hd"; Style "vivid" or "natural".
	Quality string
	Style   string
	// Background is "transparent", "opaque" or "auto"; OutputFormat "png", "jpeg" or "webp";
	// OutputCompression 0 to 100, in per cent.
	Background        string
	OutputFormat      string
	OutputCompression *int
	// ResponseFormat is "url" or "b64_json".
	ResponseFormat string
	Moderation     string
	NegativePrompt string
	Seed           *int64
	User           string
	Extra          Extra
}

// ImageEditRequest asks for changed pictures. OpenAI's API reference, "Create image edit".
type ImageEditRequest struct {
	ImageRequest
	// Images are the pictures to start from; Mask's transparent areas say where to change.
	Images []FileInput
	Mask   *FileInput
	// InputFidelity is "high" or "low".
	InputFidelity string
}

// ImageVariationRequest asks for pictures like a given one. OpenAI's API reference, "Create image variation".
type ImageVariationRequest struct {
	Model          string
	Image          FileInput
	N              int
	Size           string
	ResponseFormat string
	User           string
	Extra          Extra
}

// FileInput is a file to upload: its name, media type ("" : from the name), and bytes.
type FileInput struct {
	Name      string
	MediaType string
	Data      []byte
}

// ImageResponse has the pictures.
type ImageResponse struct {
	Created int64
	Data    []ImageData
	// What was made, where the provider tells.
	Size, Quality, Background, OutputFormat string
	Usage                                   *Usage
	Extra                                   Extra
	Meta                                    Meta `json:"-"`
}

// ImageData is one picture: by URL (which expires at most providers) or as base64.
type ImageData struct {
	URL           string
	B64JSON       string
	MediaType     string
	RevisedPrompt string
	Extra         Extra
}
