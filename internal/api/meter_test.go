package api

import (
	"testing"
	"time"
)

func TestMeter(t *testing.T) {
	now := time.Unix(6000, 0)
	m := &Meter{now: func() time.Time { return now }}
	m.add(10, 1)
	now = now.Add(30 * time.Minute)
	m.add(5, 2)
	if in, out := m.LastHour(); in != 15 || out != 3 {
		t.Errorf("after half an hour: %d in, %d out", in, out)
	}
	now = now.Add(31 * time.Minute)
	if in, out := m.LastHour(); in != 5 || out != 2 {
		t.Errorf("after an hour: %d in, %d out", in, out)
	}
	now = now.Add(2 * time.Hour)
	m.add(1, 0)
	if in, out := m.LastHour(); in != 1 || out != 0 {
		t.Errorf("much later: %d in, %d out", in, out)
	}
}
