package hub

import (
	"fmt"
	"slices"
	"testing"

	"github.com/havre-cloud/havre/svn"
)

func TestFoldName(t *testing.T) {
	for in, want := range map[string]string{
		"Façade NORD": "facade nord", "Œuvres": "oeuvres", "ÉTÉ": "ete", "plain.TXT": "plain.txt", "e\u0301t\u00e9": "ete", "L’été": "l'ete", "漢字": "漢字",
	} {
		if got := FoldName(in); got != want {
			t.Errorf("FoldName(%q) is %q, want %q", in, got, want)
		}
	}
}

func TestMatch(t *testing.T) {
	items := []*indexed{}
	for i, p := range []string{
		"Devis halle.pdf", "Projet/Comparaison des devis de la halle.pdf", "halle/devis.txt", "Devis", "devisé", "autre.txt",
	} {
		items = append(items, &indexed{path: svn.Path(p), folded: FoldName(svn.Path(p).Name()), rev: svn.Revnum(i + 1)})
	}
	for query, want := range map[string][]string{
		"devis halle": {"Devis halle.pdf", "Projet/Comparaison des devis de la halle.pdf", "halle/devis.txt"},
		"hal DEV":     {"Projet/Comparaison des devis de la halle.pdf", "Devis halle.pdf", "halle/devis.txt"},
		"devis":       {"Devis", "devisé", "halle/devis.txt", "Devis halle.pdf", "Projet/Comparaison des devis de la halle.pdf"},
		"nothing":     nil,
	} {
		best := &bestHits{limit: 10}
		for _, it := range items {
			if score, ok := it.match(split(query)); ok && best.wants(score) {
				best.add(SearchHit{Path: it.path, score: score})
			}
		}
		best.finish()
		var got []string
		for _, h := range best.list {
			got = append(got, string(h.Path))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q finds %q, want %q", query, got, want)
		}
	}
}

// BenchmarkMatch looks through 100,000 names, all of which match: 50 ms on an idle machine.
func BenchmarkMatch(b *testing.B) {
	items := make([]*indexed, 100_000)
	for i := range items {
		p := svn.Path(fmt.Sprintf("dossier %d/sous-dossier/Compte rendu de réunion n° %d – façade.docx", i%100, i))
		items[i] = &indexed{path: p, folded: FoldName(p.Name()), rev: svn.Revnum(i)}
	}
	words := split("facade reunion 4")
	for b.Loop() {
		best := &bestHits{limit: 50}
		for _, it := range items {
			if score, ok := it.match(words); ok && best.wants(score) {
				best.add(SearchHit{Path: it.path, score: score})
			}
		}
		best.finish()
	}
}

// TestNameIndexRemoves: what is below a directory goes with it, and nothing that only begins alike.
func TestNameIndexRemoves(t *testing.T) {
	index := &nameIndex{all: map[svn.Path]*indexed{}, whole: true}
	for _, p := range []svn.Path{"a", "a/b", "a/b/c.txt", "ab.txt", "d.txt"} {
		index.all[p] = &indexed{path: p, dir: p == "a" || p == "a/b"}
	}
	index.remove(map[svn.Path]bool{"a": true, "d.txt": true})
	if len(index.all) != 1 || index.all["ab.txt"] == nil {
		t.Errorf("%d entries are left", len(index.all))
	}
}
