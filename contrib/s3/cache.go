// Package s3 keeps answers of a cache in object storage that speaks Amazon S3's protocol: S3 itself, MinIO, Cloudflare
// R2, Google Cloud Storage with HMAC keys.
//
//	store, err := s3.NewCacheStore(s3.CacheConfig{Bucket: "answers", Region: "eu-central-1", Credentials: credentials})
//	…
//	c, err := cache.New(cache.Config{Store: store, StoreTimeout: 500 * time.Millisecond})
//
// Object storage is slower than Redis, and keeps more for less: raise the cache's StoreTimeout to what the storage needs.
//
// # Credentials
//
// Credentials are an [aws.CredentialsProvider] of the AWS SDK for Go v2: those of its package config find them wherever
// they are in AWS, [aws.CredentialsProviderFunc] gives fixed ones. They need the rights s3:GetObject and s3:PutObject on
// the objects, and s3:ListBucket on the bucket, without which an object that is not there is told as "access denied".
//
// # Ends
//
// Each object bears the time when it ends, after which it is not read any more. What removes it is a lifecycle rule of
// the bucket, which should expire everything under the prefix after the longest TTL in use: storage has no other bound.
package s3

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/llm-go/llm/cache"
)

// CacheConfig says where a [CacheStore] is.
type CacheConfig struct {
	// Bucket is not made: it must be there. Prefix stands before the names of the objects; default "llm/cache/".
	Bucket, Prefix string
	// Region is that of the bucket, such as "eu-central-1"; for storage elsewhere what it wants requests to be signed
	// for: "us-east-1" at MinIO, "auto" at Cloudflare R2 and Google.
	Region string
	// Endpoint is the base URL of storage that is not at AWS: "https://minio.example.com:9000". The bucket is then the
	// beginning of the path. Default: S3 in the region.
	Endpoint string
	// Credentials sign the requests; see the package's documentation.
	Credentials aws.CredentialsProvider
	// HTTPClient sends them; default one with the transport of package net/http. Redirects are never followed.
	HTTPClient *http.Client
	// MaxBytes bounds a value that is read; default 16 MiB.
	MaxBytes int64
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// CacheStore is a [cache.Store] in object storage: each Get and each Set is one request.
type CacheStore struct {
	config CacheConfig
	base   string // the URL before an object's name
	client http.Client
	signer *v4.Signer
}

var (
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	plainPath  = regexp.MustCompile(`^[A-Za-z0-9._/-]*$`) // it needs no escaping, in URLs and in signatures
)

// NewCacheStore returns a store. It does not connect.
func NewCacheStore(c CacheConfig) (*CacheStore, error) {
	c.Prefix = cmp.Or(c.Prefix, "llm/cache/")
	c.MaxBytes = cmp.Or(c.MaxBytes, 16<<20)
	if c.Now == nil {
		c.Now = time.Now
	}
	switch {
	case !bucketName.MatchString(c.Bucket):
		return nil, errors.New("s3: Bucket must be the name of a bucket: 3 to 63 of a-z 0-9 . -")
	case !plainPath.MatchString(c.Prefix) || strings.HasPrefix(c.Prefix, "/"):
		return nil, errors.New("s3: Prefix may have A-Z a-z 0-9 . _ - and /, which it does not begin with")
	case c.Region == "" || !plainPath.MatchString(c.Region):
		return nil, errors.New(`s3: Region is missing; storage that has none takes "us-east-1" or "auto"`)
	case c.Credentials == nil:
		return nil, errors.New("s3: Credentials are missing; package config of the AWS SDK finds those of the machine")
	}
	s := &CacheStore{config: c, signer: v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })}
	switch u, err := url.Parse(c.Endpoint); {
	case err != nil || c.Endpoint != "" && (u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || !plainPath.MatchString(u.Path)):
		return nil, errors.New("s3: Endpoint must be like https://host:port, without a user or a query")
	case c.Endpoint != "":
		s.base = strings.TrimSuffix(c.Endpoint, "/") + "/" + c.Bucket + "/" + c.Prefix
	case strings.Contains(c.Bucket, "."): // a certificate covers one level of names
		s.base = "https://s3." + c.Region + ".amazonaws.com/" + c.Bucket + "/" + c.Prefix
	default:
		s.base = "https://" + c.Bucket + ".s3." + c.Region + ".amazonaws.com/" + c.Prefix
	}
	if c.HTTPClient != nil {
		s.client = *c.HTTPClient
	}
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return s, nil
}

// expires is the member of an object's metadata with the end of its time, in Unix milliseconds.
const expires = "X-Amz-Meta-Llm-Expires"

// Get is [cache.Store.Get].
func (s *CacheStore) Get(ctx context.Context, key cache.Key) ([]byte, error) {
	resp, err := s.send(ctx, http.MethodGet, key, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		if code := code(resp); code != "" && code != "NoSuchKey" {
			return nil, fmt.Errorf("s3: Get: status 404: %s", code) // the bucket is not there
		}
		return nil, nil
	}
	if resp.StatusCode != http.StatusOK {
		return nil, refused("Get", resp)
	}
	if end := resp.Header.Get(expires); end != "" {
		ms, err := strconv.ParseInt(end, 10, 64)
		if err != nil || s.config.Now().UnixMilli() >= ms {
			return nil, nil
		}
	}
	value, err := io.ReadAll(io.LimitReader(resp.Body, s.config.MaxBytes+1))
	switch {
	case err != nil:
		return nil, failed(ctx, "Get", err)
	case int64(len(value)) > s.config.MaxBytes:
		return nil, errors.New("s3: Get: the object is larger than CacheConfig.MaxBytes")
	case len(value) == 0:
		return nil, nil
	}
	return value, nil
}

// Set is [cache.Store.Set].
func (s *CacheStore) Set(ctx context.Context, key cache.Key, value []byte, ttl time.Duration) error {
	resp, err := s.send(ctx, http.MethodPut, key, &object{value, ttl})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refused("Set", resp)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxErrorBody) // so that the connection is used again
	return nil
}

type object struct {
	value []byte
	ttl   time.Duration
}

// send makes a request, and signs it with AWS Signature Version 4.
func (s *CacheStore) send(ctx context.Context, method string, key cache.Key, o *object) (*http.Response, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var value []byte
	if o != nil {
		value = o.value
	}
	r, err := http.NewRequestWithContext(ctx, method, s.base+key.String(), bytes.NewReader(value))
	if err != nil {
		return nil, errors.New("s3: the endpoint does not make a URL")
	}
	if o != nil {
		r.Header.Set("Content-Type", "application/octet-stream")
		if o.ttl > 0 {
			r.Header.Set(expires, strconv.FormatInt(s.config.Now().Add(o.ttl).UnixMilli(), 10))
		}
	} else {
		r.Body = http.NoBody
		r.Header.Set("Accept-Encoding", "identity") // or the transport would unpack what it packed itself
	}
	credentials, err := s.config.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, failed(ctx, "the credentials", err)
	}
	sum := sha256.Sum256(value)
	hash := hex.EncodeToString(sum[:])
	r.Header.Set("X-Amz-Content-Sha256", hash)
	if err := s.signer.SignHTTP(ctx, credentials, r, hash, "s3", s.config.Region, s.config.Now()); err != nil {
		return nil, errors.New("s3: the request cannot be signed")
	}
	resp, err := s.client.Do(r)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // its text has the URL
		}
		return nil, failed(ctx, method, err)
	}
	return resp, nil
}

// failed tells an end of the context in the words of contexts, as callers look for it.
func failed(ctx context.Context, method string, err error) error {
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("s3: %s: %w: %w", method, cause, err)
	}
	return fmt.Errorf("s3: %s: %w", method, err)
}

// refused is the error of an answer that is not the one to be had.
func refused(method string, resp *http.Response) error {
	hint := ""
	if resp.StatusCode/100 == 3 {
		hint = "; the bucket is in another region"
		if region := resp.Header.Get("X-Amz-Bucket-Region"); plainPath.MatchString(region) && region != "" {
			hint += ", " + region
		}
	}
	return fmt.Errorf("s3: %s: status %d %s%s", method, resp.StatusCode, code(resp), hint)
}

const maxErrorBody = 8 << 10

// code is S3's word for what is wrong, "" if it says none: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
func code(resp *http.Response) string {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	var e struct{ Code string }
	if xml.Unmarshal(body, &e) != nil || len(e.Code) > 64 || !plainPath.MatchString(e.Code) {
		return ""
	}
	return e.Code
}
