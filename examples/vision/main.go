// Vision asks about a picture: a file, an https URL, or by default one that it draws.
//
//	go run ./examples/vision -model anthropic/claude-haiku-4-5 photo.jpg "What is this?"
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/examples/internal/athand"
	"github.com/llm-go/llm/llmtest"
)

func main() {
	log.SetFlags(0)
	wanted := flag.String("model", "", `"provider/model"; "llmtest" is the stand-in; default: what is at hand`)
	flag.Parse()
	ctx := context.Background()
	model := athand.Find(ctx, os.Stdout, *wanted, llmtest.Text("A white cross on a red ground: the flag of Switzerland."))

	picture, err := load(flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	question := strings.Join(flag.Args()[min(1, flag.NArg()):], " ")
	if question == "" {
		question = "What does this picture show?"
	}
	resp, err := model.Client.Completion(ctx, &llm.CompletionRequest{
		Model:    model.Name,
		Messages: []llm.Message{llm.User(question, picture)},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("> %s\n%s\n", question, resp.Text())
}

// load makes a part of what the command line names.
func load(name string) (llm.Part, error) {
	switch {
	case name == "":
		return llm.ImageDataPart("image/png", flagOfSwitzerland()), nil
	case strings.HasPrefix(name, "https://"):
		return llm.ImagePart(name), nil // the provider fetches it
	}
	data, err := os.ReadFile(name)
	return llm.ImageDataPart(http.DetectContentType(data), data), err
}

func flagOfSwitzerland() []byte {
	img := image.NewRGBA(image.Rect(0, 0, 320, 320))
	fill := func(r image.Rectangle, c color.Color) {
		draw.Draw(img, r, image.NewUniform(c), image.Point{}, draw.Src)
	}
	fill(img.Bounds(), color.RGBA{0xDA, 0x29, 0x1C, 0xFF})
	fill(image.Rect(130, 60, 190, 260), color.White)
	fill(image.Rect(60, 130, 260, 190), color.White)
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		log.Fatal(err)
	}
	return b.Bytes()
}
