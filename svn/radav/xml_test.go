package radav

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/svn"
)

// seeds are answers as mod_dav_svn 1.14 gives them.
var seeds = []string{
	`<?xml version="1.0" encoding="utf-8"?>
<D:multistatus xmlns:D="DAV:" xmlns:ns0="DAV:">
<D:response xmlns:S="http://subversion.tigris.org/xmlns/svn/" xmlns:C="http://subversion.tigris.org/xmlns/custom/" xmlns:V="http://subversion.tigris.org/xmlns/dav/" xmlns:lp1="DAV:" xmlns:lp2="http://subversion.tigris.org/xmlns/dav/">
<D:href>/svn/sample/!svn/rvr/6/trunk/%c3%9c&amp;.txt</D:href>
<D:propstat><D:prop>
<S:mime-type>text/plain</S:mime-type>
<C:custom:unicode>grün &lt;&amp;&gt;</C:custom:unicode>
<C:custom:bin V:encoding="base64">AQJiaW4AeA==
</C:custom:bin>
<lp1:resourcetype/>
<lp1:getcontentlength>23</lp1:getcontentlength>
<lp1:version-name>4</lp1:version-name>
<lp2:md5-checksum>7bcb1a8f783e76a4e8bce85c8afdc1d0</lp2:md5-checksum>
</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>
<D:propstat><D:prop><lp2:sha1-checksum/></D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>
</D:response>
</D:multistatus>
`,
	`<?xml version="1.0"?><S:log-report xmlns:S="svn:" xmlns:D="DAV:">
<S:log-item>
<S:added-path copyfrom-path="/trunk/a&quot;b" copyfrom-rev="3" node-kind="dir" text-mods="false" prop-mods="true">/trunk/docs</S:added-path>
<S:deleted-path node-kind="file" text-mods="false" prop-mods="false">/trunk/x</S:deleted-path>
<D:version-name>4</D:version-name><S:date>2026-01-02T03:04:14.000000Z</S:date><D:comment>copy, &#xe9; <![CDATA[<move>]]></D:comment>
<S:revprop name="x:client" encoding="base64">AAE=</S:revprop><!-- nothing > here -->
</S:log-item></S:log-report>`,
	`<D:error xmlns:D="DAV:" xmlns:m="http://apache.org/dav/xmlns" xmlns:C="svn:"><C:error/><m:human-readable errcode="170004">
Directory '/d' is out of date
</m:human-readable></D:error>`,
}

func TestParse(t *testing.T) {
	var res *resource
	err := document(strings.NewReader(seeds[0]), "multistatus", func(e *element) (err error) {
		res, err = readResource(e)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	n, err := res.node("trunk/Ü&.txt")
	if err != nil || res.href != "/svn/sample/!svn/rvr/6/trunk/Ü&.txt" {
		t.Fatalf("%+v, %v", res, err)
	}
	want := svn.Props{"svn:mime-type": "text/plain", "custom:unicode": "grün <&>", "custom:bin": "\x01\x02bin\x00x"}
	if diff := cmp.Diff(n.Props, want); diff != "" || n.Size != 23 || n.CreatedRev != 4 || n.MD5 == nil || n.SHA1 != nil {
		t.Errorf("got %+v (-got +want):\n%s", n, diff)
	}
	var rev *svn.Revision
	err = document(strings.NewReader(seeds[1]), "log-report", func(e *element) (err error) {
		rev, err = readRevision(e)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	wantRev := &svn.Revision{
		Rev:   4,
		Props: svn.Props{svn.PropLog: "copy, é <move>", svn.PropDate: "2026-01-02T03:04:14.000000Z", "x:client": "\x00\x01"},
		Changes: []svn.PathChange{
			{Path: "trunk/docs", Action: svn.ActionAdd, Kind: svn.KindDir, PropsModified: true, CopyFrom: &svn.CopySource{Path: `trunk/a"b`, Rev: 3}},
			{Path: "trunk/x", Action: svn.ActionDelete, Kind: svn.KindFile},
		},
	}
	if diff := cmp.Diff(rev, wantRev); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
	if code, text := errorBody([]byte(seeds[2])); code != 170004 || text != "Directory '/d' is out of date" {
		t.Errorf("got %d %q", code, text)
	}
}

func TestMalformed(t *testing.T) {
	for _, text := range []string{
		"", "x", "<", "<a", "<multistatus", "<multistatus>", "<multistatus><a></multistatus>", "<multistatus></other>", "<multistatus><></>",
		`<!DOCTYPE a [<!ENTITY x "y">]><multistatus/>`, `<!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;&x;">]><multistatus><a>&z;&z;</a></multistatus>`, "<multistatus><a>&x;</a></multistatus>", "<multistatus><a>&#1114112;</a></multistatus>",
		"<multistatus><a b></a></multistatus>", `<multistatus><a b="1></a></multistatus>`, "<html></html>", "<multistatus>" + strings.Repeat("<a>", maxDepth),
		"<multistatus><!-- ", "<multistatus><:/></multistatus>",
	} {
		if err := document(strings.NewReader(text), "multistatus", func(*element) error { return nil }); err == nil {
			t.Errorf("%.60q was taken", text)
		}
	}
	for _, text := range []string{"<multistatus/>", "<D:multistatus xmlns:D='DAV:'> </D:multistatus >", "<?xml?><!-- > --><multistatus></multistatus>"} {
		if err := document(strings.NewReader(text), "multistatus", func(*element) error { return nil }); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzDocument(f *testing.F) {
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		for _, root := range []string{"multistatus", "log-report", "error"} {
			_ = document(strings.NewReader(text), root, func(e *element) error {
				if res, err := readResource(e); err == nil {
					_, _ = res.node("x")
				}
				_, _ = readRevision(e)
				return (&transaction{}).answered(e)
			})
		}
		errorBody([]byte(text))
	})
}

// FuzzProperty has every value come back as it was, when it is written as an element and read again.
func FuzzProperty(f *testing.F) {
	for _, v := range []string{"", "a", " \n\t ", "\r\n", "<&>'\"]]>", "\x00\xff", "ü", "\ufffe"} {
		f.Add("custom:x", v)
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		e, ok := propertyElement(name, &value)
		if !ok {
			return
		}
		res := &resource{server: map[string]string{}}
		text := `<a xmlns:C="` + nsCustom + `" xmlns:S="` + nsSVN + `" xmlns:V="` + nsServer + `">` + e + `</a>`
		err := document(strings.NewReader(text), "a", res.add)
		if got, ok := res.props[name]; err != nil || !ok || got != value {
			t.Fatalf("%q=%q came back as %q, %v", name, value, res.props, err)
		}
	})
}

// tellRepository answers as a repository of one revision.
func tellRepository(w http.ResponseWriter) {
	for name, value := range map[string]string{
		"SVN-Me-Resource": "/!svn/me", "SVN-Repository-Root": "/", "SVN-Rev-Stub": "/!svn/rev", "SVN-Rev-Root-Stub": "/!svn/rvr",
		"SVN-Txn-Stub": "/!svn/txn", "SVN-Txn-Root-Stub": "/!svn/txr", "SVN-Repository-UUID": "u", "SVN-Youngest-Rev": "1",
	} {
		w.Header().Set(name, value)
	}
}

// TestHostileServers has servers that are none, or mean no good.
func TestHostileServers(t *testing.T) {
	endless := func(head, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			tellRepository(w)
			if r.Method == http.MethodOptions {
				return
			}
			w.WriteHeader(http.StatusMultiStatus)
			_, err := io.WriteString(w, head)
			for err == nil {
				_, err = io.WriteString(w, strings.Repeat(text, 1000))
			}
		}
	}
	for name, handle := range map[string]http.HandlerFunc{
		"a web page":   func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>hello</html>") },
		"no such page": http.NotFound,
		"elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://example.org/x?secret=1", http.StatusMovedPermanently)
		},
		"round and round": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path+"x", http.StatusMovedPermanently)
		},
		"silence": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"silence in the body": func(w http.ResponseWriter, r *http.Request) {
			tellRepository(w)
			if r.Method != http.MethodOptions {
				w.WriteHeader(http.StatusMultiStatus)
				fmt.Fprint(w, "<multistatus>")
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			}
		},
		"other addresses": func(w http.ResponseWriter, _ *http.Request) {
			tellRepository(w)
			w.Header().Set("SVN-Me-Resource", "http://example.org/")
		},
		"an old server": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("DAV", "http://subversion.tigris.org/xmlns/dav/svn/depth")
		},
		"endless depth": endless("", "<a>"),
		"endless name":  endless("<multistatus><", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
		"a bomb":        endless(`<!DOCTYPE a [<!ENTITY b "`, "xxxxxxxx"),
		"breaks off": func(w http.ResponseWriter, r *http.Request) {
			tellRepository(w)
			if r.Method != http.MethodOptions {
				w.WriteHeader(http.StatusMultiStatus)
				fmt.Fprint(w, "<multistatus><a>")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // before that nobody is told that the client went away
				handle(w, r)
			}))
			defer s.Close()
			r, err := Open(t.Context(), s.URL, Options{Silence: 300 * time.Millisecond})
			if err == nil {
				_, err = r.Stat(t.Context(), "x", 1)
			}
			if err == nil {
				t.Fatal("it was taken for a repository")
			}
			_, gone := errors.AsType[*svn.UnreachableError](err)
			_, bad := errors.AsType[*ProtocolError](err)
			_, refused := errors.AsType[*svn.RefusedError](err)
			if !gone && !bad && !refused || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v (%T)", err, err)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	for _, address := range []string{"", "svn://example.org/repo", "http:x", "http:///repo", "https://alice:secret@example.org/svn", "http://example.org/?x=1", "http://example.org/%zz"} {
		_, err := Open(t.Context(), address, Options{})
		if _, ok := errors.AsType[*AddressError](err); !ok || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v (%T)", address, err, err)
		}
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // as above
		cancel()
		<-r.Context().Done()
	}))
	defer s.Close()
	if _, err := Open(ctx, s.URL, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestHostileFiles has a server that sends something else than it announced.
func TestHostileFiles(t *testing.T) {
	const entry = `<D:multistatus xmlns:D="DAV:" xmlns:V="` + nsServer + `"><D:response><D:href>/!svn/rvr/1/x</D:href><D:propstat><D:prop><D:resourcetype/>` +
		`<D:getcontentlength>5</D:getcontentlength><D:version-name>1</D:version-name><V:md5-checksum>5d41402abc4b2a76b9719d911017c592</V:md5-checksum>` +
		`</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>`
	for name, body := range map[string]string{"short": "hell", "long": "hello!", "endless": "", "another": "jello", "right": "hello"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				tellRepository(w)
				switch r.Method {
				case "PROPFIND":
					w.WriteHeader(http.StatusMultiStatus)
					fmt.Fprint(w, entry)
				case http.MethodGet:
					_, err := io.WriteString(w, body)
					for err == nil && body == "" {
						_, err = w.Write(make([]byte, 1<<16))
					}
				}
			}))
			defer s.Close()
			r, err := Open(t.Context(), s.URL, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			f, err := r.Open(t.Context(), "x", 1)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got, err := io.ReadAll(f)
			_, bad := errors.AsType[*ProtocolError](err)
			_, other := errors.AsType[*svn.ChecksumError](err)
			if len(got) > 5 || (name == "right") != (err == nil) || (name == "another") != other || err != nil && !bad && !other {
				t.Errorf("%d bytes, %v (%T)", len(got), err, err)
			}
		})
	}
}
