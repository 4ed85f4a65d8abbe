package web

import "regexp"

// clientFailures are the failures that a device reports in English and of which the pages have sentences of their own.
// What is in parentheses is said: a place on the device, or an address.
var clientFailures = []struct {
	key     string
	pattern *regexp.Regexp
}{
	{"client.root", regexp.MustCompile(`^(.{1,1000}): .*; nothing is synchronised, and nothing deleted, until it is back`)},
	{"client.marker", regexp.MustCompile(`^(.{1,1000}): the marker .* is missing, so this may not be the folder`)},
	{"client.other", regexp.MustCompile(`^(.{1,1000}): belongs to the folder \S+, not to \S+; choose another directory`)},
	{"client.fingerprint", regexp.MustCompile(`(\S{1,300}) answers with the fingerprint \S+, not \S+$`)},
	{"client.full", regexp.MustCompile(`()(?:no space left on device|disk quota exceeded|not enough space on the disk\.|has no space left: free some on its disk.*)$`)},
	{"client.busy", regexp.MustCompile(`^(?:[a-z]+:? )*(.{1,1000}): (?:The process cannot access the file because .{1,100}|text file busy|device or resource busy)$`)},
	{"client.readonly", regexp.MustCompile(`^(?:[a-z]+:? )*(.{1,1000}): (?:read-only file system|The media is write protected\.)$`)},
	{"client.broken", regexp.MustCompile(`^(?:[a-z]+:? )*(.{1,1000}): (?:input/output error|.{0,100}cyclic redundancy check.{0,20})$`)},
	{"client.denied", regexp.MustCompile(`^(?:[a-z]+:? )*(.{1,1000}): (?:permission denied|Access is denied\.)$`)},
}

// deviceError says in the person's language what a device has reported; what nobody knows here as it stands.
func (x *exchange) deviceError(text string) string {
	for _, f := range clientFailures {
		if found := f.pattern.FindStringSubmatch(text); found != nil {
			return x.t(f.key, "place", visible(found[1]))
		}
	}
	if said := x.toldText(text); said != "" {
		return said
	}
	return upperFirst(visible(text))
}
