package fsfs

import (
	"math"
	"slices"

	"github.com/havre-cloud/havre/svn"
)

// minDeltaBase is from how many bytes on contents are of use as a delta base.
const minDeltaBase = 64

// chainInfo describes the deltas that have to be read for a representation.
type chainInfo struct {
	length int // representations, itself included
	shards int // times that the next is in another shard, plus one
}

// textOf and propsOf choose the representation that a delta base is looked for.
func textOf(n *nodeRev) *rep  { return n.text }
func propsOf(n *nodeRev) *rep { return n.props }

// deltaBase chooses what new contents of the successor of pred are stored against; nil for
// nothing. pred may be nil.
//
// The predecessors are numbered. Number n is stored against n with its lowest 1 bit cleared, so that
// every chain has at most as many links as n has 1 bits; but against n-1 where that is near
// anyway, which makes for smaller deltas and chains of up to 16 more; unless that would open more
// files, because the versions are in many shards.
func (r *Repository) deltaBase(s *settings, pred *nodeRev, of func(*nodeRev) *rep) (*rep, error) {
	if pred == nil {
		return nil, nil
	}
	n := pred.predCount + 1
	walk := n - n&(n-1)
	if walk > s.maxWalk {
		return nil, nil
	}
	if walk > 1 && walk < s.maxLinear {
		shards, err := r.shardsSpanned(pred, walk)
		if err != nil {
			return nil, err
		}
		if int64(1)<<(shards-1) <= walk {
			walk = 1
		}
	}
	base := pred
	for ; walk > 1 && base.pred != nil; walk-- {
		next, err := r.nodeRev(base.pred.at)
		if err != nil {
			return nil, err
		}
		// What began small and was filled then: its first contents are of no use.
		if p := of(next); p == nil || of(pred) == nil || p.expanded < of(pred).expanded/4 {
			break
		}
		base = next
	}
	p := of(base)
	if p == nil || p.expanded < minDeltaBase {
		return nil, nil
	}
	info, err := r.chainInfo(p, s.maxChain())
	if err != nil {
		return nil, err
	}
	if info.length >= s.maxChain() || info.shards > 1 && float64(p.expanded) <= math.Ldexp(128, info.shards) {
		return nil, nil
	}
	return p, nil
}

// shardsSpanned returns in how many shards the next version and the walk versions before it are.
func (r *Repository) shardsSpanned(pred *nodeRev, walk int64) (int, error) {
	size := svn.Revnum(r.format.Load().shard)
	if size == 0 {
		size = 1
	}
	shards, last := 1, svn.Revnum(r.youngest.Load())/size
	for n := pred; ; walk-- {
		if shard := n.id.at.rev / size; shard != last {
			shards, last = shards+1, shard
		}
		if walk <= 1 || n.pred == nil {
			return shards, nil
		}
		var err error
		if n, err = r.nodeRev(n.pred.at); err != nil {
			return 0, err
		}
	}
}

// chainInfo measures the chain of a representation, as far as longest.
func (r *Repository) chainInfo(p *rep, longest int) (chainInfo, error) {
	var path []itemID
	id, size := p.at, p.size
	info := chainInfo{shards: 1}
	for {
		if known, ok := r.chains.get(id); ok {
			info = known
			break
		}
		path = append(path, id)
		h, err := r.repHeader(id, size)
		if err != nil {
			return chainInfo{}, err
		}
		// A longer chain is not taken as a base anyway, however long it is.
		if h.base == nil || len(path) > 2*longest {
			info.length = 1
			path = path[:len(path)-1]
			r.chains.put(id, info)
			break
		}
		id, size = *h.base, h.baseSize
	}
	for _, p := range slices.Backward(path) {
		info = r.extendChain(info, p, id)
		id = p
		r.chains.put(id, info)
	}
	return info, nil
}

// extendChain returns the chain of a representation whose base has the chain info.
func (r *Repository) extendChain(info chainInfo, id, base itemID) chainInfo {
	info.length++
	if shard := svn.Revnum(r.format.Load().shard); shard > 0 && id.rev/shard != base.rev/shard {
		info.shards++
	}
	return info
}

func (r *Repository) repHeader(id itemID, size int64) (repHeader, error) {
	f, err := r.acquire(id.rev)
	if err != nil {
		return repHeader{}, err
	}
	defer f.release()
	h, _, _, err := r.openRep(f, id, size)
	return h, err
}
