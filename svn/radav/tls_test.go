package radav

import (
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"testing"
)

// TestWritingTellsTheAlert has a server that refuses the client's certificate after the client began to write.
func TestWritingTellsTheAlert(t *testing.T) {
	server := httptest.NewTLSServer(nil) // lends its certificate
	defer server.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_ = tls.Server(c, &tls.Config{Certificates: server.TLS.Certificates, ClientAuth: tls.RequireAnyClientCert}).Handshake()
	}()
	config := &tls.Config{InsecureSkipVerify: true}
	c, err := (&tlsDialer{&net.Dialer{}, config}).dial(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go io.Copy(io.Discard, c) // as http.Transport does
	for err == nil {
		_, err = c.Write(make([]byte, 1<<14))
	}
	if askedForCertificate(err) == "" {
		t.Errorf("writing failed with %v, want the alert", err)
	}
}
