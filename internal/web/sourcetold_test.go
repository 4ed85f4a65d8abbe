package web

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/havre-cloud/havre/internal/source"
)

// TestSourceTold: what was kept as an English text is said in the person's language, with its names and numbers.
func TestSourceTold(t *testing.T) {
	shown, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{texts: shown.texts, sentences: shown.sentences}
	for _, c := range []struct {
		reason           source.Reason
		text, en, french string
	}{
		{
			source.ReasonOurs, "the account of tom is closed: someone else who may write here has to resume the backup",
			"The account of tom is closed: someone else who may write here has to resume the backup.",
			"Le compte de tom est fermé\u00a0: une autre personne qui peut écrire ici doit reprendre la sauvegarde.",
		},
		{
			source.ReasonPassword, "the instance does not accept the API key",
			"The instance does not accept the API key.", "L’instance n’accepte pas la clé de l’API.",
		},
		{
			source.ReasonTooLarge, "it holds 12000 documents, and 10000 is the limit",
			"It holds 12,000 documents, and 10,000 is the limit.", "Il y a là 12\u00a0000 documents, et 10\u00a0000 est la limite.",
		},
		{
			source.ReasonOurs, `"a \"b\".txt" is a directory now: the backup cannot write its file`,
			"“a \"b\".txt” is a directory now: the backup cannot write its file.",
			"«\u00a0a \"b\".txt\u00a0» est maintenant un sous-dossier\u00a0: la sauvegarde ne peut pas y écrire son fichier.",
		},
		{source.ReasonGone, "there is no such pad on the instance", shownReason(s, "en", source.ReasonGone), shownReason(s, "fr", source.ReasonGone)},
		{source.ReasonOurs, "dial tcp 10.0.0.1:80: secret-of-the-network", shownReason(s, "en", source.ReasonOurs), shownReason(s, "fr", source.ReasonOurs)},
	} {
		for lang, want := range map[string]string{"en": c.en, "fr": c.french} {
			x := &exchange{s: s, lang: lang, r: httptest.NewRequest(http.MethodGet, "/", nil)}
			if got := x.sourceTold(c.reason, c.text); got != want {
				t.Errorf("%s: got %q, want %q", lang, got, want)
			}
		}
	}
}

func shownReason(s *Server, lang string, r source.Reason) string {
	return (&exchange{s: s, lang: lang}).sourceReason(r)
}
