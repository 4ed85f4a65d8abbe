package source

import (
	"net/url"
	"strings"
)

// lifetimes are the public instances that remove pads which nobody has written in for some days, by host.
var lifetimes = map[string]int{
	"quotidien.framapad.org":    1,
	"daily.framapad.org":        1,
	"hebdo.framapad.org":        7,
	"hebdomadaire.framapad.org": 7,
	"weekly.framapad.org":       7,
	"mensuel.framapad.org":      30,
	"monthly.framapad.org":      30,
	"bimestriel.framapad.org":   60,
	"bimonthly.framapad.org":    60,
	"semestriel.framapad.org":   180,
	"semestrial.framapad.org":   180,
	"annuel.framapad.org":       365,
	"annual.framapad.org":       365,
	"yearly.framapad.org":       365,
}

// Lifetime returns after how many days without a change a public instance is known to remove a document.
func Lifetime(a Address) (days int, ok bool) {
	u, err := url.Parse(a.Instance)
	if err != nil {
		return 0, false
	}
	host := strings.ToLower(u.Hostname())
	if days, ok := lifetimes[host]; ok {
		return days, true
	}
	// Framapad numbers the machines of a family: annuel2.framapad.org.
	if name, rest, found := strings.Cut(host, "."); found && rest == "framapad.org" {
		days, ok := lifetimes[strings.TrimRight(name, "0123456789")+"."+rest]
		return days, ok
	}
	if host == "pad.riseup.net" {
		switch {
		case strings.HasSuffix(a.Name, "-tmp"):
			return 1, true
		case strings.HasSuffix(a.Name, "-keep"):
			return 365, true
		default:
			return 60, true
		}
	}
	return 0, false
}
