package hub

import (
	"context"
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/store"
)

// SourceSettings returns what an administrator said about backups.
func (h *Hub) SourceSettings(ctx context.Context) (SourceSettings, error) {
	return h.Admin(store.Console).SourceSettings(ctx)
}

// SourceSettings is Hub.SourceSettings.
func (a *Admin) SourceSettings(ctx context.Context) (SourceSettings, error) {
	var s SourceSettings
	text, err := a.store.Setting(ctx, store.SettingSources)
	if err == nil && text != "" {
		_ = json.Unmarshal([]byte(text), &s) // only the hub writes it
	}
	return s, err
}

// SetSourceSettings changes them, at once.
func (a *Admin) SetSourceSettings(ctx context.Context, s SourceSettings) error {
	s.Contact = strings.TrimSpace(s.Contact)
	if len(s.Contact) > 200 || s.Contact != "" && !strings.Contains(s.Contact, "@") && !strings.HasPrefix(s.Contact, "https://") && !strings.HasPrefix(s.Contact, "http://") {
		return invalid("the contact is a mail address or the address of a page, so that administrators of instances can reach you")
	}
	var networks []string
	for _, text := range s.Networks {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		p, err := parseNetwork(text)
		if err != nil {
			return invalid("%q is no network: write it as 192.168.1.0/24, or one address", text)
		}
		networks = append(networks, p.String())
	}
	s.Networks = networks
	text, err := marshal(s)
	if err != nil {
		return err
	}
	return a.done(a.store.ChangeSetting(ctx, a.by, store.SettingSources, text))
}

// SetSourceSettings is Admin.SetSourceSettings that takes effect at once.
func (h *Hub) SetSourceSettings(ctx context.Context, by store.Actor, s SourceSettings) error {
	if err := h.Admin(by).SetSourceSettings(ctx, s); err != nil {
		return err
	}
	h.backups.begin()
	return nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err
}

func (s *SourceSettings) equal(t *SourceSettings) bool {
	return s.Contact == t.Contact && s.PrivateNetwork == t.PrivateNetwork && slices.Equal(s.Networks, t.Networks)
}

// apply returns the options of a client that heeds the settings and knows the budgets.
func (s *SourceSettings) apply(o source.ClientOptions, budgets map[string]source.Budget) source.ClientOptions {
	o.Contact = s.Contact
	o.AllowPrivate = o.AllowPrivate || s.PrivateNetwork
	for _, text := range s.Networks {
		if p, err := parseNetwork(text); err == nil {
			o.AllowHosts = append(slices.Clip(o.AllowHosts), p)
		}
	}
	o.Budgets = maps.Clone(budgets)
	return o
}

// SourceInstances returns the instances of all sources, those with most first. It is for administrators.
func (h *Hub) SourceInstances(ctx context.Context, c *havre.Caller) ([]SourceInstance, error) {
	all, err := h.Sources(ctx, c, SourceFilter{All: true})
	if err != nil {
		return nil, err
	}
	of := map[string]*SourceInstance{}
	for i := range all {
		name := all[i].Address.Instance
		if of[name] == nil {
			of[name] = &SourceInstance{Instance: name, Until: h.backups.theClient().Ready(name)}
		}
		of[name].Sources++
		if all[i].State.Problem() {
			of[name].Problems++
		}
	}
	now := h.now()
	var list []SourceInstance
	for _, name := range slices.Sorted(maps.Keys(of)) {
		if !of[name].Until.After(now) {
			of[name].Until = time.Time{}
		}
		list = append(list, *of[name])
	}
	slices.SortStableFunc(list, func(a, b SourceInstance) int { return b.Sources - a.Sources })
	return list, nil
}
