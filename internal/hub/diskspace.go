package hub

// DiskSpace returns the bytes that the file system of the data directory has left, and has in all.
func (h *Hub) DiskSpace() (free, total int64, err error) { return diskSpace(h.dir) }
