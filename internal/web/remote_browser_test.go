package web

import (
	"fmt"
	"testing"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn/svntest"
)

// TestRemoteStory makes a folder of a repository on another server in the browser, which then goes away.
func TestRemoteStory(t *testing.T) {
	everyLook(t, newTestServer, func(t *testing.T, y *story) {
		far := newSubversion(t)
		tls := newForeignTLS(t)
		tab := y.tab("maelle")
		tab.Expect("422") // forms that are wrong
		tab.Expect("503") // the folder of a server that is away
		y.visit(tab, "remote-adopt", "/admin/folders?adopt")
		fill := func(dir, root, user, password, name string) {
			t.Helper()
			tab.Do(fmt.Sprintf(`(() => { const set = (n, v) => { document.querySelector("dialog [name=" + n + "]").value = v };
				set("dir", %q); set("root", %q); set("user", %q); set("password", %q); set("name", %q);
				document.querySelector("dialog .dialog-foot button.primary").click(); return true })()`, dir, root, user, password, name))
		}
		said := func(what string) {
			t.Helper()
			tab.Until(`document.querySelector("#remote-wrong")?.textContent.includes(` + what + `)`)
		}
		// A certificate that nobody vouches for is compared and accepted; there is nothing behind it.
		fill(tls+"/svn/plans", "", "havre", "secret", "Plans")
		tab.Until(`document.activeElement.classList.contains("remote-certificate")`)
		y.checked(tab, "remote-certificate")
		y.unbroken(tab)
		tab.Press(".remote-certificate button")
		said(y.says("remote.advice.place"))
		tab.Until(`document.activeElement.name === "dir"`)
		y.checked(tab, "remote-place")
		// A wrong password is said beside it.
		fill(far.url, "trunk", "havre", "wrong", "Plans")
		said(y.says("remote.advice.signin"))
		tab.Until(`document.activeElement.name === "password" && document.activeElement.value === ""`)
		y.checked(tab, "remote-password")
		fill(far.url, "trunk", "havre", "secret", "Plans")
		tab.Until(`location.pathname === "/admin/folders/Plans/rights" || location.pathname.startsWith("/admin/rights")`)
		y.grant("Plans", "", "tom", havre.RightWrite)
		y.visit(tab, "remote-server", "/admin/folders/Plans/server")

		// What others commit appears; while the server is away the page says so, and afterwards it goes on by itself.
		own := y.tab("tom")
		own.Expect("503")
		own.Open("/f/Plans")
		svntest.Run(t, "svn", "mkdir", "-q", "-m", "by svn", svntest.URL(far.repo, "trunk/Pläne"))
		own.Until(`document.querySelector("#list")?.textContent.includes("Pläne")`)
		far.Stop()
		own.Until(`!!document.querySelector("#failure [data-passing]")`)
		y.checked(own, "remote-away-open")
		late := y.tab("tom")
		late.Expect("503")
		y.visit(late, "remote-away", "/f/Plans")
		tab.Open("/admin")
		tab.Until(`document.querySelector(".needs")?.textContent.includes(` + y.says("remote.need.away", "folder", "Plans") + `)`)
		y.checked(tab, "remote-overview")
		y.visit(tab, "remote-server-away", "/admin/folders/Plans/server")
		y.visit(tab, "remote-folder-away", "/admin/folders/Plans")
		y.visit(tab, "remote-list-away", "/admin/folders")
		far.Start()
		late.Until(`document.querySelector("#list")?.textContent.includes("Pläne")`)
		own.Until(`!document.querySelector("#failure [data-passing]")`)
		y.shot(late, "remote-back")
	})
}
