package svndiff

// ReadsSource says whether any instruction copies from the source view.
func (w *Window) ReadsSource() bool {
	for i := range w.Ops {
		if w.Ops[i].Kind == OpSource {
			return true
		}
	}
	return false
}

// CopiedFromSource returns how many bytes of the target come from the source view. A caller that
// makes deltas stops doing so when this stays 0 over some windows: matching unrelated data costs
// several times what its checksums cost.
func (w *Window) CopiedFromSource() int {
	n := 0
	for i := range w.Ops {
		if w.Ops[i].Kind == OpSource {
			n += w.Ops[i].Length
		}
	}
	return n
}

// Apply returns the TargetLen bytes that the window makes out of source, the source view. They
// are written over target, from its start, if its capacity suffices, else into a new slice; target
// must overlap neither source nor NewData. A source of more than SourceLen bytes is cut; it may be
// nil if ReadsSource is false.
//
// A window that is not valid, or a source that is too short, gives a *CorruptError.
func (w *Window) Apply(source, target []byte) ([]byte, error) {
	if err := w.check(); err != nil {
		return nil, err
	}
	if len(source) < w.SourceLen && w.ReadsSource() {
		return nil, invalid("the source view has %d bytes, the source only %d", w.SourceLen, len(source))
	}
	if cap(target) < w.TargetLen {
		target = make([]byte, 0, w.TargetLen)
	}
	target = target[:0]
	data := w.NewData
	for i := range w.Ops {
		op := &w.Ops[i]
		switch op.Kind {
		case OpSource:
			target = append(target, source[op.Offset:op.Offset+op.Length]...)
		case OpTarget:
			target = appendOverlapping(target, op.Offset, op.Length)
		case OpNew:
			target = append(target, data[:op.Length]...)
			data = data[op.Length:]
		}
	}
	return target, nil
}

// appendOverlapping appends the n bytes at offset of p to p. They may run into what is being
// appended, which then repeats.
func appendOverlapping(p []byte, offset, n int) []byte {
	for n > 0 {
		// Each round copies all there is, so that the pattern doubles.
		chunk := p[offset:]
		if len(chunk) > n {
			chunk = chunk[:n]
		}
		p = append(p, chunk...)
		n -= len(chunk)
	}
	return p
}

// check says what is wrong with the window, as a *CorruptError.
func (w *Window) check() error {
	if w.SourceLen < 0 || w.SourceLen > MaxView {
		return invalid("the source view has %d bytes, allowed are %d", w.SourceLen, MaxView)
	}
	if w.TargetLen < 0 || w.TargetLen > MaxView {
		return invalid("the target view has %d bytes, allowed are %d", w.TargetLen, MaxView)
	}
	if w.SourceOffset < 0 || w.SourceOffset+int64(w.SourceLen) < 0 {
		return invalid("the source view begins at %d", w.SourceOffset)
	}
	made, used := 0, 0
	for i := range w.Ops {
		op := &w.Ops[i]
		if reason := w.checkOp(op, made, used); reason != "" {
			return invalid("instruction %d (kind %d, offset %d, length %d): %s", i, op.Kind, op.Offset, op.Length, reason)
		}
		made += op.Length
		if op.Kind == OpNew {
			used += op.Length
		}
	}
	if made != w.TargetLen {
		return invalid("the instructions make %d bytes, the target view has %d", made, w.TargetLen)
	}
	if used != len(w.NewData) {
		return invalid("the instructions use %d bytes of new data, there are %d", used, len(w.NewData))
	}
	return nil
}

// checkOp says what is wrong with an instruction that comes after made bytes of the target and
// used bytes of new data; "" when nothing is.
func (w *Window) checkOp(op *Op, made, used int) string {
	switch {
	case op.Length <= 0:
		return "it makes nothing"
	case op.Length > w.TargetLen-made:
		return "it makes more than the target view holds"
	}
	switch op.Kind {
	case OpSource:
		if op.Offset < 0 || op.Offset > w.SourceLen || op.Length > w.SourceLen-op.Offset {
			return "it reads outside of the source view"
		}
	case OpTarget:
		if op.Offset < 0 || op.Offset >= made {
			return "it reads target that is not made yet"
		}
	case OpNew:
		if op.Length > len(w.NewData)-used {
			return "it reads more new data than there is"
		}
	default:
		return "no such kind"
	}
	return ""
}
