package bedrock

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/llm-go/llm"
)

const (
	accessKeyID     = "AWS_ACCESS_KEY_ID"
	secretAccessKey = "AWS_SECRET_ACCESS_KEY"
	sessionToken    = "AWS_SESSION_TOKEN"
	bearerToken     = "AWS_BEARER_TOKEN_BEDROCK"
)

// regionNames are the settings that name the region: botocore's and the newer SDKs' names, then LiteLLM's.
var regionNames = []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_REGION_NAME"}

const regionVariable = "{AWS_REGION,AWS_DEFAULT_REGION,AWS_REGION_NAME}"

// Credentials sign a request. An application that has them from elsewhere (a profile, single sign-on, an
// instance's role) makes an Auth with [SignWith].
type Credentials struct {
	AccessKeyID     llm.Secret
	SecretAccessKey llm.Secret
	SessionToken    llm.Secret // only with temporary credentials
}

// SignWith is an [llm.Auth] that asks source for credentials at each attempt. source should cache them; it is
// called from many goroutines. Put it in a copy of [Provider]:
//
//	p := *bedrock.Provider()
//	p.Auth = bedrock.SignWith(func(ctx context.Context) (bedrock.Credentials, error) {
//		c, err := cfg.Credentials.Retrieve(ctx) // aws-sdk-go-v2/config
//		…
//	})
//	client := llm.New(llm.WithProvider(&p))
func SignWith(source func(context.Context) (Credentials, error)) llm.Auth {
	return func(ctx context.Context, r *http.Request, call *llm.Call) error {
		c, err := source(ctx)
		if err != nil {
			return &llm.Error{Kind: llm.ErrAuthentication, Scope: llm.ScopeLocal, Message: "the source of AWS credentials failed", Err: err}
		}
		return signer{time.Now, service}.sign(ctx, r, call, c)
	}
}

// service is the name that requests are signed for; the runtime and the control plane share it.
const service = "bedrock"

// signer signs at the time of its clock, which is the wall clock but in tests.
type signer struct {
	clock   func() time.Time
	service string
}

// authenticate sends an API key as a bearer token if there is one, and signs with AWS Signature Version 4
// otherwise.
func (s signer) authenticate(ctx context.Context, r *http.Request, call *llm.Call) error {
	if key := call.Key(); !key.IsZero() {
		return llm.BearerAuth(ctx, r, call)
	}
	c := Credentials{call.Secret(accessKeyID), call.Secret(secretAccessKey), call.Secret(sessionToken)}
	switch {
	case c.AccessKeyID.IsZero() && c.SecretAccessKey.IsZero():
		return noCredentials("no credentials: set " + bearerToken + ", or " + accessKeyID + " and " + secretAccessKey)
	case c.AccessKeyID.IsZero():
		return noCredentials(secretAccessKey + " is set but " + accessKeyID + " is not")
	case c.SecretAccessKey.IsZero():
		return noCredentials(accessKeyID + " is set but " + secretAccessKey + " is not")
	}
	return s.sign(ctx, r, call, c)
}

func noCredentials(message string) error {
	return &llm.Error{Kind: llm.ErrAuthentication, Scope: llm.ScopeLocal,
		Message: message + " (in the environment, or with llm.WithSetting; beside llm.WithBaseURL only the latter counts)"}
}

func (s signer) sign(ctx context.Context, r *http.Request, call *llm.Call, c Credentials) error {
	region := regionOf(r.URL.Hostname())
	if region == "" {
		region = call.Setting(regionNames...)
	}
	if region == "" {
		return &llm.Error{Kind: llm.ErrInvalidRequest, Scope: llm.ScopeLocal, Param: regionNames[0],
			Message: "the host does not tell the AWS region to sign for: set " + regionNames[0]}
	}
	sum := sha256.Sum256(llm.RequestBody(r))
	err := v4.NewSigner().SignHTTP(ctx, aws.Credentials{
		AccessKeyID:     c.AccessKeyID.Reveal(),
		SecretAccessKey: c.SecretAccessKey.Reveal(),
		SessionToken:    c.SessionToken.Reveal(),
	}, r, hex.EncodeToString(sum[:]), s.service, region, s.clock())
	if err != nil {
		return &llm.Error{Kind: llm.ErrAuthentication, Scope: llm.ScopeLocal, Message: "the request cannot be signed", Err: err}
	}
	return nil
}

// regionOf is the region in the name of one of AWS's own hosts, "" if there is none:
// bedrock-runtime.us-east-1.amazonaws.com, bedrock-runtime-fips.us-gov-west-1.amazonaws.com, and VPC endpoints,
// vpce-0a1b-2c3d.bedrock-runtime.eu-west-1.vpce.amazonaws.com. The host wins over the settings: AWS refuses a
// signature for any other region.
func regionOf(host string) string {
	if !strings.HasSuffix(host, ".amazonaws.com") && !strings.HasSuffix(host, ".amazonaws.com.cn") && !strings.HasSuffix(host, ".api.aws") {
		return ""
	}
	labels := strings.Split(host, ".")
	for i, l := range labels[:len(labels)-1] {
		switch l {
		case "bedrock", "bedrock-runtime", "bedrock-fips", "bedrock-runtime-fips":
			return labels[i+1]
		}
	}
	return ""
}

// escape escapes a value for one segment of a path as AWS does: everything but RFC 3986's unreserved
// characters. A model id may hold ':', an ARN '/' as well. The signer escapes the path once more, which is
// how AWS canonicalises it for every service but S3.
func escape(s string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '~':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String()
}
