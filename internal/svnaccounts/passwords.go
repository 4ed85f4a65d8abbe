package svnaccounts

import (
	"io"
	"slices"
	"strings"
)

// Password is a line of a password file.
type Password struct {
	Line int
	Name string // as the person signs in
	// Plain is the password, Hash what is known of it instead. If both are empty, nothing can be taken over, for the
	// reason Why.
	Plain, Hash string
	Why         string
}

// maxPassword is the length in bytes of what a line may have for a password: longer is no password.
const maxPassword = 1024

// ParsePasswd reads the password file of svnserve: names and plain passwords, in the section [users], in the order
// of the file. Of two lines with one name the last counts.
func ParsePasswd(r io.Reader) ([]Password, error) {
	sections, err := parseConfig(r)
	if err != nil {
		return nil, err
	}
	var all []Password
	for _, s := range sections {
		// svnserve does not care for the case of this header.
		if !strings.EqualFold(s.name, "users") {
			continue
		}
		for _, o := range s.options {
			p := Password{Line: o.line, Name: o.name, Plain: o.value}
			switch {
			case o.name == "":
				return nil, wrong(o.line, "the name is empty")
			case strings.Contains(o.value, "%("):
				// The syntax replaces %(name)s by another option's value.
				p.Plain, p.Why = "", "the password contains %(, which Subversion replaces by something else"
			case o.value == "":
				p.Why = "the password is empty"
			case len(o.value) > maxPassword:
				p.Plain, p.Why = "", "the password is too long"
			}
			all = append(all, p)
		}
	}
	return lastOf(all, strings.ToLower), nil
}

// ParseHtpasswd reads the password file of Apache: a name and a hash in each line, in the order of the file. Of two
// lines with one name the first counts, as for Apache.
func ParseHtpasswd(r io.Reader) ([]Password, error) {
	text, err := readAll(r)
	if err != nil {
		return nil, err
	}
	var all []Password
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		line = strings.TrimLeft(line, blank)
		if line == "" || line[0] == '#' {
			continue
		}
		name, hash, found := strings.Cut(line, ":")
		if !found || name == "" {
			return nil, wrong(number, "it is not NAME:HASH, as htpasswd writes it")
		}
		hash, rest, more := strings.Cut(strings.TrimRight(hash, blank), ":")
		p := Password{Line: number, Name: name, Hash: hash}
		if more && len(rest) == 32 {
			return nil, wrong(number, "this is the file of htdigest: its hashes are of no use anywhere else; leave the file out, and people get invitations")
		}
		if p.Why = whyNot(hash); p.Why != "" {
			p.Hash = ""
		}
		all = append(all, p)
	}
	slices.Reverse(all)
	all = lastOf(all, func(name string) string { return name })
	slices.SortFunc(all, func(a, b Password) int { return a.Line - b.Line })
	return all, nil
}

// lastOf keeps the last line of each name, in the order of the lines.
func lastOf(all []Password, key func(string) string) []Password {
	last := map[string]int{}
	for i := range all {
		last[key(all[i].Name)] = i
	}
	kept := all[:0]
	for i := range all {
		if last[key(all[i].Name)] == i {
			kept = append(kept, all[i])
		}
	}
	return kept
}
