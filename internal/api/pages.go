package api

import (
	"io"
	"net/http"

	"golang.org/x/text/language"
)

// The pages that a person sees who opens the server's address in a browser. They say no more than a
// stranger may know, and do not depend on whether an invitation is good.

var (
	languages = language.NewMatcher([]language.Tag{language.English, language.French})

	frontTexts = map[string]string{
		"en": `This is a havre server. It keeps the folders of a team the same on all their machines.

To take part, ask somebody of the team for an invitation, and run on your machine:

    havre join 'INVITATION'
`,
		"fr": `Ceci est un serveur havre. Il garde les dossiers d'une équipe identiques sur toutes ses machines.

Pour participer, demandez une invitation à quelqu'un de l'équipe, et lancez sur votre machine :

    havre join 'INVITATION'
`,
	}

	joinTexts = map[string]string{
		"en": `This address is an invitation to a havre server. It pairs one of your machines with the server, once.

It is not for a browser. On the machine that is to take part, run

    havre join 'INVITATION'

where INVITATION is the whole address as you received it, the part from # on included: by it your
machine recognises the server. Copy it from the message, not from this window, and leave the quotes.
`,
		"fr": `Cette adresse est une invitation à un serveur havre. Elle associe une de vos machines au serveur, une seule fois.

Elle n'est pas faite pour un navigateur. Sur la machine qui doit participer, lancez

    havre join 'INVITATION'

où INVITATION est l'adresse entière telle que vous l'avez reçue, avec la partie qui commence par # :
c'est à elle que votre machine reconnaît le serveur. Copiez-la depuis le message, pas depuis cette
fenêtre, et gardez les apostrophes.
`,
	}
)

func frontPage(w http.ResponseWriter, r *http.Request) { page(w, r, frontTexts) }

func joinPage(w http.ResponseWriter, r *http.Request) { page(w, r, joinTexts) }

func page(w http.ResponseWriter, r *http.Request, texts map[string]string) {
	// A malformed header is the same as none: English.
	tags, _, _ := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	_, i, _ := languages.Match(tags...)
	tag := [...]string{"en", "fr"}[i]
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Language", tag)
	h.Set("Vary", "Accept-Language")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = io.WriteString(w, texts[tag])
}
