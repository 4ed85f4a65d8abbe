package main

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func TestFlagsAmongArguments(t *testing.T) {
	var c cli
	parser, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]string{
		"backup a --watch dir":                       "backup --watch a dir",
		"backup a b --api-key-file k dir --live":     "backup --api-key-file k --live a b dir",
		"backup save a --from=list dir":              "backup save --from=list a dir",
		"-v backup a -v --from x dir":                "-v backup -v --from x a dir",
		"backup --from x a --watch dir":              "backup --from x --watch a dir",
		"source add a --into Team b --home x --live": "source add --into Team --home x --live a b",
		"source set a --no-live --schedule daily b":  "source set --no-live --schedule daily a b",
		"backup --from - dir":                        "backup --from - dir",
		"backup a -- --dir":                          "backup a -- --dir",
		"backup find a -":                            "backup find a -",
		"backup a --from":                            "backup --from a",
		"status --home x":                            "status --home x",
		"nonsense --x y":                             "--x nonsense y",
		"":                                           "",
	} {
		if got := strings.Join(gather(parser.Model.Node, strings.Fields(given)), " "); got != want {
			t.Errorf("%s: %s, want %s", given, got, want)
		}
	}
}
