package web

import (
	"encoding/base64"
	"encoding/json"
)

// toast is one sentence about what just happened, with the way back.
type toast struct {
	Text string `json:"t"`
	Undo *undo  `json:"u,omitempty"`
}

// undo is the form behind the button of a toast.
type undo struct {
	Action string            `json:"a"` // where it is posted to
	Fields map[string]string `json:"f,omitempty"`
}

// maxToast is how many bytes a toast may have in its cookie.
const maxToast = 3500

// toast lets the next page or fragment say what happened; back is nil where there is no way back.
func (x *exchange) toast(text string, back *undo) { x.says = &toast{Text: text, Undo: back} }

// encode returns the toast as the value of a cookie. A way back that is too long for one is left out.
func (t *toast) encode() string {
	for {
		b, err := json.Marshal(t)
		if v := base64.RawURLEncoding.EncodeToString(b); err == nil && len(v) <= maxToast {
			return v
		}
		if t.Undo == nil {
			return ""
		}
		t = &toast{Text: t.Text}
	}
}

// takeToast returns what is to be said, once.
func (x *exchange) takeToast() *toast {
	t := x.says
	x.says = nil
	v := x.cookie(cookieToast)
	if v == "" || x.htmx() {
		return t
	}
	x.setCookie(cookieToast, "", -1)
	if t != nil {
		return t
	}
	b, err := base64.RawURLEncoding.DecodeString(v)
	if err != nil {
		return nil
	}
	t = new(toast)
	if json.Unmarshal(b, t) != nil || t.Text == "" || (t.Undo != nil && !localAddress(t.Undo.Action)) {
		return nil
	}
	return t
}
