package web

import "net/http"

// licences shows whose work the pages contain.
func (s *Server) licences(x *exchange) error {
	b, err := content.ReadFile("static/vendor/README.md")
	if err != nil {
		return err
	}
	x.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	x.w.Header().Set("Cache-Control", "public, max-age=3600")
	return writeCompressed(x.w, x.r, http.StatusOK, b)
}
