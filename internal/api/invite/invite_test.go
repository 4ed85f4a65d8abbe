package invite_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/api/invite"
	"github.com/havre-cloud/havre/internal/havre"
)

var sum = strings.Repeat("0a", 32)

func TestParse(t *testing.T) {
	want := invite.Invitation{Address: "files.example:7443", Secret: "AbC-_9", Fingerprint: sum}
	whole := want.String()
	for _, test := range []struct {
		name, in string
		want     invite.Invitation
	}{
		{"as written", whole, want},
		{"spaces and line breaks around", " \r\n" + whole + "\n\n", want},
		{"broken by a mail program", whole[:40] + "\r\n  " + whole[40:], want},
		{"soft hyphen and zero-width space", whole[:30] + "\u00ad\u200b" + whole[30:], want},
		{"angle brackets", "<" + whole + ">", want},
		{"quotes and full stop", "“" + whole + "”.", want},
		{"fingerprint as browsers show it", "https://files.example:7443/join/AbC-_9#sha256=" + strings.TrimSuffix(strings.Repeat("0A:", 32), ":"), want},
		{
			"no port", "https://files.example/join/x#sha256=" + sum,
			invite.Invitation{Address: "files.example:443", Secret: "x", Fingerprint: sum},
		},
		{
			"IPv6", "https://[2001:db8::1]:7443/join/x#sha256=" + sum,
			invite.Invitation{Address: "[2001:db8::1]:7443", Secret: "x", Fingerprint: sum},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := invite.Parse(test.in)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Error(d)
			}
			again, err := invite.Parse(got.String())
			if err != nil || again != got {
				t.Errorf("parsed again: %v, %v", again, err)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, test := range []struct{ name, in, says string }{
		{"nothing", " \n", "empty"},
		{"a word", "hello", "https://"},
		{"http", "http://h:1/join/hush#sha256=" + sum, "https://"},
		{"no host", "https:///join/hush#sha256=" + sum, "https://"},
		{"another page", "https://h:1/hush#sha256=" + sum, "/join/"},
		{"no secret", "https://h:1/join/#sha256=" + sum, "/join/"},
		{"a path as secret", "https://h:1/join/../hush#sha256=" + sum, "/join/"},
		{"cut by the shell", "https://h:1/join/hush", "quotes"},
		{"another hash", "https://h:1/join/hush#md5=" + sum, "sha256"},
		{"cut off", "https://h:1/join/hush#sha256=" + sum[:60], "64"},
		{"not hexadecimal", "https://h:1/join/hush#sha256=" + sum[:63] + "g", "64"},
		{"a novel", strings.Repeat("hush", 10_000), "too long"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := invite.Parse(test.in)
			if havre.CodeOf(err) != havre.CodeInvalid || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want CodeInvalid with %q", err, test.says)
			}
			if err != nil && strings.Contains(err.Error(), "hush") {
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}

func TestLogHidesSecret(t *testing.T) {
	var b strings.Builder
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "invitation", invite.Invitation{Address: "h:1", Secret: "hush"})
	if strings.Contains(b.String(), "hush") || !strings.Contains(b.String(), "h:1") {
		t.Error(b.String())
	}
}

func FuzzParse(f *testing.F) {
	f.Add("https://h:1/join/x#sha256=" + sum)
	f.Add("https://[fe80::1%25eth0]:7/join/x#sha256=" + sum)
	f.Fuzz(func(t *testing.T, s string) {
		i, err := invite.Parse(s)
		if err != nil {
			return
		}
		again, err := invite.Parse(i.String())
		if err != nil || again != i {
			t.Errorf("%q: %+v, again %+v, %v", s, i, again, err)
		}
	})
}
