package fsfs

// SetCrash has a function called between the steps of every commit; what it returns is taken for
// the failure of the step.
func (r *Repository) SetCrash(crash func(point string) error) { r.crash = crash }
