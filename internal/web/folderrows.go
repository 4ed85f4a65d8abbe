package web

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/hub"
)

// adminFolder is one folder in a list of the administration.
type adminFolder struct {
	Name     string
	Link     string
	Marks    []folderMark
	Summary  string // for readers: "20 up to date, 1 receiving, 1 stopped"
	More     int    // devices whose marks are not shown, all up to date
	Devices  int
	Worst    hub.Condition
	Changed  time.Time
	Bytes    int64 // -1: not measured yet
	Archived bool
	Adopted  string
	Far      bool // on another Subversion server
	Problem  bool
	Why      string // the problem in a few words
	Quota    int64
	Full     int64 // percent of the quota
}

// folderMark is one device in it.
type folderMark struct{ State, Title string }

// folderRows returns all folders by name.
func (x *exchange) folderRows(states []hub.FolderStatus) []adminFolder {
	rows := make([]adminFolder, 0, len(states))
	for i := range states {
		f := &states[i]
		r := adminFolder{
			Name: f.Folder.Name, Link: adminFolderAddress(f.Folder.Name), Devices: len(f.Replicas), Worst: f.Worst(),
			Changed: f.Changed, Bytes: -1, Archived: !f.Folder.Archived.IsZero(), Adopted: f.Folder.AdoptedDir() + f.Folder.RemoteURL(),
			Far: f.Folder.RemoteURL() != "", Problem: f.Problem != nil, Quota: f.Folder.Quota,
		}
		if r.Problem {
			r.Why = x.t("admin.folder.broken")
			if r.Far {
				r.Why = x.farVerdict(f.Problem)
			}
		}
		if f.Measure.Rev >= 0 && f.Problem == nil {
			r.Bytes = f.Measure.Bytes
			if r.Quota > 0 {
				r.Full = min(r.Bytes*100/r.Quota, 100)
			}
		}
		r.Summary = x.summary(f.Replicas)
		well := 0
		for j := range f.Replicas {
			one := &f.Replicas[j]
			if one.Condition == hub.ConditionOK {
				if well++; len(f.Replicas) > maxMarks {
					continue
				}
			}
			if len(r.Marks) < maxMarks {
				c := x.condition(one)
				r.Marks = append(r.Marks, folderMark{State: c.State, Title: one.Device.Name + ": " + c.Words})
			}
		}
		if len(f.Replicas) > maxMarks {
			r.More = well
		}
		rows = append(rows, r)
	}
	return rows
}

// summary counts conditions in words.
func (x *exchange) summary(replicas []hub.ReplicaStatus) string {
	counts := map[hub.Condition]int{}
	for i := range replicas {
		counts[replicas[i].Condition]++
	}
	var parts []string
	for _, c := range []hub.Condition{
		hub.ConditionOK, hub.ConditionReceiving, hub.ConditionBehind, hub.ConditionAway, hub.ConditionStopped, hub.ConditionWaits,
	} {
		if n := counts[c]; n > 0 {
			parts = append(parts, x.t("admin.count."+string(c), "n", n))
		}
	}
	return strings.Join(parts, ", ")
}

// sortWorst puts folders first that need somebody.
func sortWorst(rows []adminFolder) {
	slices.SortStableFunc(rows, func(a, b adminFolder) int {
		if a.Problem != b.Problem {
			if a.Problem {
				return -1
			}
			return 1
		}
		if a.Worst != b.Worst {
			if a.Worst.Worse(b.Worst) {
				return -1
			}
			return 1
		}
		return cmp.Compare(plain(a.Name), plain(b.Name))
	})
}

// barHeight is by square root, so that small counts are seen beside large ones; 2 at least for any, and
// a line for none.
func barHeight(n int64, all []int64, height float64) float64 {
	top := max(slices.Max(all), 1)
	if n == 0 {
		return 0
	}
	return math.Round(max(2, height*math.Sqrt(float64(n)/float64(top)))*10) / 10
}
