package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/store"
)

const remoteHelp = `With --svn the folder is a repository on a Subversion server that is there already, or a directory in one:
svn://, svn+ssh:// (as the server's own user, with its keys), http:// or https:// (Apache with mod_dav_svn 1.7 or
later). Whether it can be read and written is tried at once. The password is asked for, or read from
standard input, and kept encrypted. What others commit there reaches all devices within two seconds; what devices
change are commits there. Where the server does not let the author be set, the message names the person.

A server that wants a certificate of its clients gets the one in --client-cert: PEM, with the key in the same file or
in --client-key, or PKCS#12, whose password is asked for.

    havre folder add --data /srv/havre Plans --svn https://svn.example.org/repos/plans/trunk --user havre
    havre folder login --data /srv/havre Plans --user havre

`

// loginFlags say with what another server is reached.
type loginFlags struct {
	User        string `placeholder:"NAME" help:"The name to sign in with on the Subversion server; its password is asked for."`
	Fingerprint string `placeholder:"SHA256" help:"Accept the certificate with this fingerprint (SHA-256 of its public key)."`
	ClientCert  string `placeholder:"FILE" type:"existingfile" help:"The certificate to show to the Subversion server: PEM, or PKCS#12 with its key."`
	ClientKey   string `placeholder:"FILE" type:"existingfile" help:"The key of that certificate, PEM, if it is not in the same file."`
}

// login asks for what the flags do not say.
func (l *loginFlags) login(con *console) (login hub.RemoteLogin, err error) {
	login.User, login.Fingerprint = l.User, strings.ToLower(strings.ReplaceAll(l.Fingerprint, ":", ""))
	ask := secrets(con)
	if l.User != "" {
		if login.Password, err = ask("Password of " + shown(l.User) + ": "); err != nil {
			return login, err
		}
	}
	login.Certificate, login.Key, err = l.certificate(ask)
	return login, err
}

// certificate reads the files with the certificate and its key, if there are some.
func (l *loginFlags) certificate(ask func(prompt string) (string, error)) (cert, key string, err error) {
	if l.ClientCert == "" {
		if l.ClientKey != "" {
			return "", "", errors.New("a key is of no use without its certificate: say --client-cert too")
		}
		return "", "", nil
	}
	data, err := os.ReadFile(l.ClientCert)
	if err == nil && l.ClientKey != "" {
		var more []byte
		more, err = os.ReadFile(l.ClientKey)
		data = append(append(data, '\n'), more...)
	}
	if err != nil {
		return "", "", err
	}
	cert, key, err = hub.ReadClientCertificate(data, "")
	if errors.Is(err, hub.ErrCertificatePassword) {
		var password string
		if password, err = ask("Password of the file " + shown(l.ClientCert) + ": "); err == nil {
			cert, key, err = hub.ReadClientCertificate(data, password)
		}
	}
	if err != nil {
		return "", "", fmt.Errorf("%s: %w", shown(l.ClientCert), err)
	}
	return cert, key, nil
}

// secrets returns a function that reads lines that nobody shall see, from the terminal or else from standard input.
func secrets(con *console) func(prompt string) (string, error) {
	lines := bufio.NewReader(con.in)
	return func(prompt string) (string, error) {
		if f, ok := con.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			fmt.Fprint(con.err, prompt)
			p, err := term.ReadPassword(int(f.Fd()))
			fmt.Fprintln(con.err)
			if err != nil {
				return "", fmt.Errorf("read the password: %w", err)
			}
			return string(p), nil
		}
		line, err := lines.ReadSlice('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return strings.TrimRight(string(line), "\r\n"), nil
	}
}

// withCertificate says what to do about a certificate that nobody vouches for.
func withCertificate(err error) error {
	bad, ok := errors.AsType[*hub.CertificateError](err)
	if !ok {
		return err
	}
	return &havre.Error{Code: havre.CodeUnavailable, Text: fmt.Sprintf("%v.\nIf this is the fingerprint that the server's administrator tells you, say --fingerprint %s", bad, bad.Fingerprint)}
}

// addRemote makes a folder of a repository on another server.
func (c *folderAddCmd) addRemote(ctx context.Context, con *console, a *admin) (*store.Folder, error) {
	login, err := c.login(con)
	if err != nil {
		return nil, err
	}
	first, err := a.firstAdmin(ctx)
	if err != nil {
		return nil, err
	}
	f, err := a.AddRemoteFolder(ctx, c.Name, c.Svn, login)
	if err != nil {
		return nil, withCertificate(err)
	}
	return f, a.Grant(ctx, f.Name, first, havre.RightManage)
}

type folderLoginCmd struct {
	dataFlag
	loginFlags
	Name string `arg:"" help:"The folder's name."`
}

// Help is the text below the usage.
func (folderLoginCmd) Help() string { return remoteHelp + exitCodes }

// Run executes the command.
func (c *folderLoginCmd) Run(ctx context.Context, con *console) error {
	return onFolders(ctx, c.Data, func(a *admin) error {
		f, err := a.folder(ctx, c.Name)
		if err != nil {
			return err
		}
		login, err := c.login(con)
		if err != nil {
			return err
		}
		if err := a.SetRemoteLogin(ctx, f.Name, login); err != nil {
			return withCertificate(err)
		}
		fmt.Fprintf(con.out, "The Subversion server of %s lets us in.\n", shown(f.Name))
		return nil
	})
}

// repositoryOf is where a folder's repository is, for Subversion's own programs.
func repositoryOf(a *admin, f *store.Folder) string {
	if url := f.RemotePlace(); url != "" {
		return url
	}
	return a.RepositoryDir(f)
}
