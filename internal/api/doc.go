// Package api is the server's side of the protocol: ConnectRPC and, for large contents, plain HTTP,
// on one port over TLS 1.3. It checks what comes in, knows who sends it, and passes it to a Hub;
// what the requests mean, and who may do what, is the Hub's business.
//
// NewHandler makes the http.Handler, Serve runs it on a listener. docs/protocol.md describes the
// protocol, proto/havre/v1 defines it, havrev1 is made from it. The client is in apiclient.
//
// Everything exported is safe for concurrent use.
package api
