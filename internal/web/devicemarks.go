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
		m := deviceMark{State: "ok", Name: d.Name, Words: x.t("admin.state.ok")}
		if r := worst[d.ID]; r != nil {
			c := x.condition(r)
			m.State, m.Words = c.State, withComma(c.Words, c.Note)
		}
		marks[d.ID] = m
	}
	return marks, nil
}
