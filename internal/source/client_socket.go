package source

import (
	"net/http"
)

// Upgrader returns a client for requests that become something else than HTTP's answers (WebSocket), under the rules of
// DialContext. It speaks HTTP/1.1 and follows no redirects.
func (c *Client) Upgrader() *http.Client {
	transport := &http.Transport{
		Proxy: nil, DialContext: c.DialContext, TLSHandshakeTimeout: connectTimeout,
		ResponseHeaderTimeout: c.options.HeaderTimeout, MaxResponseHeaderBytes: maxHeader,
	}
	if c.options.TLS != nil {
		transport.TLSClientConfig = c.options.TLS.Clone()
		transport.TLSClientConfig.NextProtos = nil
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
