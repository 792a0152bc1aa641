package tokens

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/llm-go/llm"
)

// headerBytes of a file are decoded to find its size. A JPEG's size may stand behind metadata and previews of up to 64
// KiB each.
const (
	headerBytes = 64
	jpegBytes   = 256 << 10
)

// head decodes the first n bytes of base64 text, or less if there is less.
func head(b64 string, n int) []byte {
	b64 = b64[:min(len(b64), (n+2)/3*4)]
	b := make([]byte, base64.StdEncoding.DecodedLen(len(b64)))
	k, err := base64.StdEncoding.Decode(b, []byte(b64))
	if err != nil && k == 0 {
		k, _ = base64.RawStdEncoding.Decode(b, []byte(b64))
	}
	return b[:k]
}

// imageSize reads the size in pixels from the header of an image in a data: URL: PNG, JPEG, GIF or WebP. ok is false
// for other URLs and other formats.
func imageSize(url string) (w, h int, ok bool) {
	_, data, isData := llm.ParseDataURL(url)
	if !isData {
		return 0, 0, false
	}
	b := head(data, headerBytes)
	switch {
	case len(b) >= 24 && string(b[:8]) == "\x89PNG\r\n\x1a\n":
		w, h = int(binary.BigEndian.Uint32(b[16:])), int(binary.BigEndian.Uint32(b[20:]))
	case len(b) >= 10 && (string(b[:6]) == "GIF87a" || string(b[:6]) == "GIF89a"):
		w, h = int(binary.LittleEndian.Uint16(b[6:])), int(binary.LittleEndian.Uint16(b[8:]))
	case len(b) >= 30 && string(b[:4]) == "RIFF" && string(b[8:12]) == "WEBP":
		w, h = webpSize(b)
	case len(b) >= 4 && b[0] == 0xFF && b[1] == 0xD8:
		w, h = jpegSize(head(data, jpegBytes))
	}
	// No vendor takes sides above 65,535; what claims more is not what it says.
	return w, h, 0 < w && w <= 1<<16 && 0 < h && h <= 1<<16
}

// webpSize: RFC 9649, sections 2.5 to 2.7.
func webpSize(b []byte) (w, h int) {
	switch string(b[12:16]) {
	case "VP8 ":
		return int(binary.LittleEndian.Uint16(b[26:]) & 0x3FFF), int(binary.LittleEndian.Uint16(b[28:]) & 0x3FFF)
	case "VP8L":
		bits := binary.LittleEndian.Uint32(b[21:])
		return int(bits&0x3FFF) + 1, int(bits>>14&0x3FFF) + 1
	case "VP8X":
		return 1 + (int(b[24]) | int(b[25])<<8 | int(b[26])<<16), 1 + (int(b[27]) | int(b[28])<<8 | int(b[29])<<16)
	}
	return 0, 0
}

// jpegSize walks the segments to the frame header: ITU-T T.81, annex B.
func jpegSize(b []byte) (w, h int) {
	for i := 2; i+9 <= len(b) && b[i] == 0xFF; {
		marker := b[i+1]
		switch {
		case marker == 0xFF: // fill byte
			i++
			continue
		case marker == 0x01 || 0xD0 <= marker && marker <= 0xD8: // without a length
			i += 2
			continue
		case 0xC0 <= marker && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC:
			return int(binary.BigEndian.Uint16(b[i+7:])), int(binary.BigEndian.Uint16(b[i+5:]))
		case marker == 0xDA || marker == 0xD9:
			return 0, 0
		}
		i += 2 + max(2, int(binary.BigEndian.Uint16(b[i+2:])))
	}
	return 0, 0
}

// audioSeconds is how long sound in base64 lasts: exactly for WAV, else at 128 kbit/s.
func audioSeconds(b64 string) (seconds float64, exact bool) {
	size := len(b64) / 4 * 3
	b := head(b64, headerBytes)
	if len(b) >= 36 && string(b[:4]) == "RIFF" && string(b[8:16]) == "WAVEfmt " {
		if rate := binary.LittleEndian.Uint32(b[28:]); rate > 0 {
			return float64(max(0, size-44)) / float64(rate), true
		}
	}
	return float64(size) / 16_000, false
}
