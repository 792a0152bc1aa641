package llmtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"sync"
	"time"
)

// authority signs certificates. It is made when it is needed and lives as long as the process: no key is ever in a
// file.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// The authority that every [Server] of this process belongs to, and one that nobody trusts.
var (
	trusted = sync.OnceValues(func() (*authority, error) { return newAuthority("llmtest") })
	unknown = sync.OnceValues(func() (*authority, error) { return newAuthority("llmtest, unknown") })
)

func newAuthority(name string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-24 * time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{cert, key}, err
}

func serial() *big.Int {
	var b [16]byte
	rand.Read(b[:])
	return new(big.Int).SetBytes(b[:])
}

// elsewhere is the name in the certificate of the wrong host.
const elsewhere = "elsewhere.llmtest.invalid"

// issue makes a certificate for this machine's own names or, if host is given, for that one, valid until end.
func (a *authority) issue(host string, end time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: "llmtest server"}, NotBefore: time.Now().Add(-23 * time.Hour),
		NotAfter: end, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if host != "" {
		t.DNSNames = []string{host}
	} else {
		t.DNSNames = []string{"localhost"}
		t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// certificate is what the server shows under a fault.
func certificate(f Fault) (*tls.Certificate, error) {
	make, host, end := trusted, "", time.Now().Add(23*time.Hour)
	switch f {
	case TLSExpired:
		end = time.Now().Add(-time.Hour)
	case TLSWrongHost:
		host = elsewhere
	case TLSUnknownCA:
		make = unknown
	}
	ca, err := make()
	if err != nil {
		return nil, fmt.Errorf("llmtest: %w", err)
	}
	return ca.issue(host, end)
}

// CA is the certificate, in PEM, of the authority that signs those of all servers of this process, for clients other than
// [Server.HTTPClient]: for [x509.CertPool.AppendCertsFromPEM], or the file that other programs are told to trust. It is
// made anew in each process, and its key is kept in memory alone.
func CA() []byte {
	ca, err := trusted()
	if err != nil {
		panic("llmtest: " + err.Error()) // the system gives no random numbers
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})
}

func roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(CA())
	return pool
}
