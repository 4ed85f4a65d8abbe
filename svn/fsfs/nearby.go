package fsfs

const (
	// blockSize is how much of a file is read at once where a small piece is asked for, in bytes.
	blockSize = 16 << 10
	// fewBytes is the largest piece that is read so, in bytes. Blocks overlap by as much.
	fewBytes = 4 << 10
	// nearBlocks is how many blocks of a file are kept.
	nearBlocks = 12
)

// blocks is what was read last of a file of revisions. Node-revisions and small contents mostly lie near
// each other, and a call of the system for each would take longer than what is done with them. The
// bytes are never changed, since others refer to them.
type blocks = lru[int64, []byte]

func newBlocks() *blocks {
	return newLRU[int64](nearBlocks, func([]byte) int64 { return 1 })
}

// few returns n bytes at an offset, all of which lie within the items of the file. They must not be changed.
func (f *revFile) few(at, n int64) ([]byte, error) {
	if n > fewBytes {
		return f.read(at, n)
	}
	number := at / blockSize
	start := number * blockSize
	block, ok := f.blocks.get(number)
	if !ok || at+n > start+int64(len(block)) {
		var err error
		if block, err = f.read(start, min(blockSize+fewBytes, f.end-start)); err != nil {
			return nil, err
		}
		f.blocks.put(number, block)
	}
	at -= start
	return block[at : at+n : at+n], nil
}

func (f *revFile) read(at, n int64) ([]byte, error) {
	data := make([]byte, n)
	if _, err := f.file.ReadAt(data, at); err != nil {
		return nil, f.readError(at, err)
	}
	return data, nil
}
