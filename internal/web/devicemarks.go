package web

import (
	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/store"
)

// deviceMarks returns the state of each device: that of the replica on it that needs somebody most.
func (x *exchange) deviceMarks(devices []store.Device) (map[havre.DeviceID]deviceMark, error) {
	states, err := x.hub.States(x.ctx())
	if err != nil {
		return nil, err
	}
	worst := map[havre.DeviceID]*hub.ReplicaStatus{}
	for i := range states {
		for j := range states[i].Replicas {
			r := &states[i].Replicas[j]
			if w := worst[r.Device.ID]; w == nil || r.Condition.Worse(w.Condition) {
				worst[r.Device.ID] = r
			}
		}
	}
	marks := map[havre.DeviceID]deviceMark{}
	for i := range devices {
		d := &devices[i]
		m := deviceMark{State: "ok", Name: d.Name, Words: x.t("people.device.ok")}
		if r := worst[d.ID]; r != nil && r.Condition != hub.ConditionOK {
			m.State, m.Words = string(r.Condition), x.conditionWords(r)
		}
		marks[d.ID] = m
	}
	return marks, nil
}

// conditionWords says how a replica is, with the reason.
func (x *exchange) conditionWords(r *hub.ReplicaStatus) string {
	since := ""
	if !r.Since.IsZero() {
		since = x.t("people.device.since", "when", x.ago(r.Since))
	}
	switch r.Condition {
	case hub.ConditionReceiving:
		return x.t("people.device.receiving", "n", max(r.Behind, 1))
	case hub.ConditionBehind:
		return x.t("people.device.behind", "n", max(r.Behind, 1)) + since
	case hub.ConditionAway:
		return x.t("people.device.away", "when", x.ago(r.Device.LastSeen))
	case hub.ConditionStopped:
		return x.t("people.device.stopped") + since
	case hub.ConditionWaits:
		return x.t("people.device.waits", "n", r.Held())
	case hub.ConditionOK:
	}
	return x.t("people.device.ok")
}
