package source

import (
	"context"
	"net"
	"net/http"
)

// Client makes the requests of all providers, so that each instance meets one polite visitor, whoever asks. Its limits
// hold for all of them together.
type Client struct {
	http *http.Client
}

// Do sends a request that belongs to an instance. It waits for the instance's budget (see Budget), does not follow
// redirects, and bounds the time until the answer's head and the pauses within its body. An answer of any status
// is returned as it is; that there is none is an *Error with ReasonDown, ReasonForbidden or ReasonLimited.
func (c *Client) Do(req *http.Request) (*http.Response, error) { return c.http.Do(req) }

// DialContext opens a connection under the same rules, for what is not HTTP's request and answer (WebSocket).
func (c *Client) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, address)
}
