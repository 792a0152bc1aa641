package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
)

// openFloor is the least that any client does: a ready body goes out, the answer is drained; a stream is split into lines.
func openFloor(t Target) (Ops, error) {
	unary := func(ctx context.Context, in *Input, out *Output) error {
		resp, err := floorSend(ctx, t, in)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		n, err := io.Copy(io.Discard, resp.Body)
		out.Raw = int(n)
		return err
	}
	stream := func(ctx context.Context, in *Input, out *Output) error {
		resp, err := floorSend(ctx, t, in)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() {
			if bytes.HasPrefix(lines.Bytes(), []byte("data:")) {
				if out.Raw++; out.Raw == 2 { // the first has the role only
					out.mark()
				}
			}
		}
		return lines.Err()
	}
	return Ops{
		Chat: unary, ChatStream: stream, Embed: unary, EmbedBase64: unary,
		Anthropic: unary, AnthropicStream: stream, Gemini: unary, GeminiStream: stream,
	}, nil
}

func floorSend(ctx context.Context, t Target, in *Input) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL+in.Path, bytes.NewReader(in.Ready))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer k")
	resp, err := t.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	if err := statusError(resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}
