package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/havre-cloud/havre/internal/source"
)

// secretFlags are the flags with which a person opens what is not open to all. No secret is among them: others on the machine
// see the command line.
type secretFlags struct {
	User       string `placeholder:"NAME" help:"Name for the password, where the instance asks for both; with --password and the address of an Etherpad, the account of MyPads whose pads are meant."`
	Password   bool   `help:"A password is needed: it is asked for, or read from standard input or from HAVRE_BACKUP_PASSWORD."`
	APIKey     bool   `name:"api-key" help:"All pads of an Etherpad, by its API: its key is asked for, or read from standard input or from HAVRE_BACKUP_API_KEY."`
	APIKeyFile string `name:"api-key-file" type:"path" placeholder:"FILE" help:"The same, with the key in a file, as in an Etherpad's APIKEY.txt."`
	APIClient  string `name:"api-client" placeholder:"ID" help:"The same, for an Etherpad that knows clients of OAuth instead of a key: the client's ID; its secret is what the key is otherwise."`
}

// bounds of secrets, in bytes.
const maxSecret = 4096

// secrets returns what the flags, the environment and the person say.
func (f *secretFlags) secrets(con *console) (source.Secrets, error) {
	s := source.Secrets{User: f.User, Session: source.Secret(os.Getenv("HAVRE_BACKUP_SESSION"))}
	if f.Password {
		p, err := readPassword(con)
		if err != nil {
			return s, err
		}
		s.Password = source.Secret(p)
	}
	key, err := f.apiKey(con)
	if err != nil {
		return s, err
	}
	switch {
	case f.APIClient == "":
	case strings.Contains(f.APIClient, ":"):
		return s, &backupError{exitUsage, "--api-client: the ID of a client has no colon; its secret is asked for"}
	case key == "":
		return s, &backupError{exitUsage, "--api-client: the client's secret is missing: --api-key asks for it, --api-key-file reads it"}
	default:
		key = f.APIClient + ":" + key
	}
	s.APIKey = source.Secret(key)
	return s, nil
}

// apiKey returns the key of an instance, or the secret of a client; empty if there is none.
func (f *secretFlags) apiKey(con *console) (string, error) {
	if f.APIKeyFile == "" && !f.APIKey {
		return os.Getenv("HAVRE_BACKUP_API_KEY"), nil
	}
	if f.APIKeyFile == "" {
		return readSecret(con, "API key", "HAVRE_BACKUP_API_KEY")
	}
	file, err := os.Open(f.APIKeyFile)
	if err != nil {
		return "", fmt.Errorf("the API key: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("the API key: %w", err)
	}
	key := strings.TrimSpace(string(text))
	if key == "" || len(text) > maxSecret || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", &backupError{exitUsage, shown(f.APIKeyFile) + ": it should hold one line, the key of the API"}
	}
	return key, nil
}

// readPassword returns a password.
func readPassword(con *console) (string, error) {
	return readSecret(con, "password", "HAVRE_BACKUP_PASSWORD")
}

// readSecret returns what the environment has, or a terminal's person types unseen, or else the next line of standard input.
func readSecret(con *console, what, variable string) (string, error) {
	if p := os.Getenv(variable); p != "" {
		return p, nil
	}
	if f, ok := con.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(con.err, strings.ToUpper(what[:1])+what[1:]+": ")
		p, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(con.err)
		if err != nil {
			return "", fmt.Errorf("read the %s: %w", what, err)
		}
		return string(p), nil
	}
	line, err := readLine(con.in)
	if err != nil {
		return "", fmt.Errorf("read the %s: %w", what, err)
	}
	if line == "" {
		return "", &backupError{exitUsage, "the " + what + " is missing: give it on standard input or in " + variable}
	}
	return line, nil
}

// readLine reads one line and not more, for another secret may follow.
func readLine(r io.Reader) (string, error) {
	var line []byte
	one := make([]byte, 1)
	for len(line) < maxSecret {
		n, err := r.Read(one)
		if n == 1 && one[0] == '\n' || errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		line = append(line, one[:n]...)
	}
	return strings.TrimRight(string(line), "\r"), nil
}

// oneInstance fails if secrets would go to several instances: who gave them meant one.
func oneInstance(s source.Secrets, addresses []string) error {
	if s.User == "" && s.Password == "" && s.APIKey == "" && s.Session == "" {
		return nil
	}
	first := ""
	for _, a := range addresses {
		if !strings.Contains(a, "://") {
			a = "https://" + a
		}
		u, err := url.Parse(a)
		if err != nil {
			continue // it will be said what is wrong with it
		}
		if host := strings.ToLower(u.Host); first == "" {
			first = host
		} else if host != first {
			return &backupError{exitUsage, fmt.Sprintf("a password or key is for one instance, and these are two: %s, %s", shown(first), shown(host))}
		}
	}
	return nil
}

// groupAddress returns the address of one group of the instance or account that the secrets open.
func groupAddress(registry *source.Registry, address, group string, s source.Secrets) (string, error) {
	kinds := registry.Candidates(address, group, s)
	if len(kinds) == 0 {
		return "", &backupError{exitUsage, "--group: it takes the address of an Etherpad with its API key, and g. and 16 letters as a group; " +
			"or with --user and --password, and the name that MyPads has for a group in its addresses"}
	}
	return kinds[0].Address.URL, nil
}
