package source

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"

	"golang.org/x/net/html/charset"
)

// maxParts is how many parts of a mail are looked at.
const maxParts = 1000

// looksLikeMail says whether a text begins with the headers of a mail.
func looksLikeMail(head []byte) bool {
	known := 0
	for line := range bytes.Lines(head) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			continue
		}
		name, _, ok := bytes.Cut(line, []byte(":"))
		if !ok || bytes.ContainsAny(name, " \t") {
			return false
		}
		switch strings.ToLower(string(name)) {
		case "from", "to", "date", "subject", "message-id", "received", "return-path", "mime-version", "content-type", "delivered-to":
			known++
		}
	}
	return known >= 2
}

// mailbox finds addresses in a mail box in mbox format: mails one after the other, each after a line "From ...".
func (f *finder) mailbox(data []byte, depth int) {
	for len(data) > 0 && len(f.found) < maxFound {
		_, rest, _ := bytes.Cut(data, []byte("\n")) // the line "From ..."
		one := rest
		if end := bytes.Index(rest, []byte("\nFrom ")); end >= 0 {
			one, rest = rest[:end+1], rest[end+1:]
		} else {
			rest = nil
		}
		if !f.mail(one, depth+1) {
			f.text(one, 0)
		}
		data = rest
	}
}

// mail finds addresses in the parts of a mail, decoded.
func (f *finder) mail(data []byte, depth int) bool {
	m, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return false
	}
	subject, err := (&mime.WordDecoder{CharsetReader: charset.NewReaderLabel}).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		subject = m.Header.Get("Subject")
	}
	parts := maxParts
	f.part(textproto.MIMEHeader(m.Header), m.Body, subject, depth, &parts)
	return true
}

// part looks at one part of a mail.
func (f *finder) part(header textproto.MIMEHeader, body io.Reader, subject string, depth int, parts *int) {
	if *parts--; *parts < 0 || depth > maxFindDepth {
		return
	}
	kind, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		kind, params = "text/plain", nil
	}
	if strings.HasPrefix(kind, "multipart/") {
		reader := multipart.NewReader(body, params["boundary"])
		for {
			// Raw, for quoted-printable is decoded below together with base64.
			p, err := reader.NextRawPart()
			if err != nil {
				return
			}
			f.part(p.Header, p, subject, depth+1, parts)
		}
	}
	switch strings.ToLower(strings.TrimSpace(header.Get("Content-Transfer-Encoding"))) {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, &alphabetReader{r: body})
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	data, err := io.ReadAll(io.LimitReader(body, maxFindText))
	if err != nil && len(data) == 0 {
		return
	}
	if label := params["charset"]; label != "" && strings.HasPrefix(kind, "text/") {
		if r, err := charset.NewReaderLabel(label, bytes.NewReader(data)); err == nil {
			if decoded, err := io.ReadAll(io.LimitReader(r, maxFindText)); err == nil {
				data = decoded
			}
		}
	}
	before := len(f.found)
	switch {
	case kind == "text/html":
		f.html(utf8Text(data))
	case kind == "text/plain":
		f.text(unflow(utf8Text(data), params["format"]), 0)
	case kind == "message/rfc822", strings.HasPrefix(kind, "text/"), kind == "application/json":
		f.anything(data, depth+1)
	}
	for i := before; i < len(f.found); i++ {
		f.found[i].Line = 0 // lines of a decoded part say nothing to a person
		if f.found[i].Title == "" {
			f.found[i].Title = subject
		}
	}
}

// unflow joins the lines of a text that a mail program has broken (RFC 3676), addresses among them.
func unflow(data []byte, format string) []byte {
	if !strings.EqualFold(format, "flowed") {
		return data
	}
	return bytes.ReplaceAll(bytes.ReplaceAll(data, []byte(" \r\n"), []byte(" ")), []byte(" \n"), []byte(" "))
}

// alphabetReader leaves out what is not base64, as mails have line ends in it, and spaces.
type alphabetReader struct{ r io.Reader }

func (a *alphabetReader) Read(p []byte) (int, error) {
	for {
		n, err := a.r.Read(p)
		kept := p[:0]
		for _, c := range p[:n] {
			if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '+' || c == '/' || c == '=' {
				kept = append(kept, c)
			}
		}
		if len(kept) > 0 || err != nil || len(p) == 0 {
			return len(kept), err
		}
	}
}
