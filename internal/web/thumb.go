package web

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	_ "image/gif" // a format of thumbnails
	"image/jpeg"
	_ "image/png" // a format of thumbnails
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp" // a format of thumbnails

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
)

// thumbnails are the kinds of pictures of which small ones are made.
var thumbnails = map[string]bool{"png": true, "jpg": true, "jpeg": true, "gif": true, "webp": true}

const (
	maxPicture = 64 << 20 // bytes of a picture that is decoded
	maxPixels  = 80 << 20 // of a picture that is decoded: some 320 MB of memory
	maxSide    = 30_000
	// maxThumbs is how many bytes the small pictures on disk may have.
	maxThumbs = 512 << 20
	// thumbWorkers is how many pictures are decoded at a time.
	thumbWorkers = 2
)

// thumbSizes are the widths of small pictures; their heights are three quarters of them.
var thumbSizes = map[string]int{"": 400, "2": 800}

// thumbs keeps small pictures on disk, by the hash of the contents that they are made from, so that
// losing them costs time only.
type thumbs struct {
	dir     string
	workers chan struct{}

	mu      sync.Mutex // guards the following
	written int64      // bytes since the last look at how many there are
	counted bool
}

func newThumbs(dir string) *thumbs {
	return &thumbs{dir: dir, workers: make(chan struct{}, thumbWorkers)}
}

// thumb answers with a small picture of a file.
func (s *Server) thumb(x *exchange) error {
	at, err := x.spot()
	if err != nil {
		return err
	}
	width, ok := thumbSizes[x.r.FormValue("size")]
	if !ok || at.Dir() || at.Node.Kind != havre.KindFile || !thumbnails[at.Node.Ext()] || at.Node.Size > maxPicture || at.Node.Hash == "" {
		return notFound()
	}
	h := x.w.Header()
	tag := `"` + shortHash(at.Node.Hash) + `-` + itoa(int64(width)) + `"`
	h.Set("Etag", tag)
	h.Set("Cache-Control", "private, no-cache")
	if x.r.FormValue("h") == shortHash(at.Node.Hash) {
		h.Set("Cache-Control", "private, max-age=604800, immutable")
	}
	if strings.Contains(x.r.Header.Get("If-None-Match"), tag) {
		x.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	small, err := s.thumbs.get(x.ctx(), s.hub, at, width)
	if err != nil {
		h.Del("Etag")
		h.Set("Cache-Control", "no-store")
		if x.ctx().Err() != nil {
			return err
		}
		x.w.WriteHeader(http.StatusNoContent) // it is no picture, or too large a one: the icon stays
		return nil
	}
	h.Set("Content-Type", "image/jpeg")
	h.Set("Content-Length", itoa(int64(len(small))))
	_, err = x.w.Write(small)
	return err
}

// get returns the small picture of a file, made now if it is not there.
func (t *thumbs) get(ctx context.Context, h *hub.Hub, at *hub.Spot, width int) ([]byte, error) {
	key := at.Node.Hash.String()
	file := filepath.Join(t.dir, key[:2], key[2:]+"-"+itoa(int64(width))+".jpg")
	if b, err := os.ReadFile(file); err == nil {
		return b, nil
	}
	select {
	case t.workers <- struct{}{}:
		defer func() { <-t.workers }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if b, err := os.ReadFile(file); err == nil {
		return b, nil // another request made it meanwhile
	}
	content, whole, err := h.ReadSmall(ctx, at, maxPicture)
	if err != nil || !whole {
		return nil, errors.Join(err, errors.New("too large a picture"))
	}
	b, err := shrink(content, width)
	if err != nil {
		return nil, err
	}
	// That the picture cannot be kept does not keep it from being shown.
	if err := t.keep(file, b); err == nil {
		t.bound(int64(len(b)))
	}
	return b, nil
}

func (t *thumbs) keep(file string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".new-")
	if err != nil {
		return err
	}
	_, err = tmp.Write(b)
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(tmp.Name()))
	}
	return err
}

// bound removes the oldest small pictures when there are too many, looking each time a sixteenth of
// the bound has been written, and at the first.
func (t *thumbs) bound(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.written += n; t.counted && t.written < maxThumbs/16 {
		return
	}
	t.written, t.counted = 0, true
	type old struct {
		path string
		size int64
		at   time.Time
	}
	var all []old
	var sum int64
	_ = filepath.WalkDir(t.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // what cannot be seen is not counted
		}
		if info, err := d.Info(); err == nil {
			all, sum = append(all, old{path, info.Size(), info.ModTime()}), sum+info.Size()
		}
		return nil
	})
	slices.SortFunc(all, func(a, b old) int { return a.at.Compare(b.at) })
	for _, o := range all {
		if sum <= maxThumbs*7/8 {
			break
		}
		if os.Remove(o.path) == nil {
			sum -= o.size
		}
	}
}

// shrink returns a picture in the proportions of a tile, cut at the sides that are too long, as JPEG.
func shrink(content []byte, width int) ([]byte, error) {
	c, _, err := image.DecodeConfig(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	if c.Width <= 0 || c.Height <= 0 || c.Width > maxSide || c.Height > maxSide || c.Width*c.Height > maxPixels {
		return nil, errors.New("a picture of too many pixels")
	}
	img, kind, err := image.Decode(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	turn := 1
	if kind == "jpeg" {
		turn = orientation(content)
	}
	w, h := width, width*3/4
	if turn >= 5 {
		w, h = h, w
	}
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(out, out.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	var scaler draw.Scaler = draw.CatmullRom
	if c.Width*c.Height > 16<<20 {
		scaler = draw.ApproxBiLinear // the other takes seconds there
	}
	scaler.Scale(out, out.Bounds(), img, cutTo(img.Bounds(), w, h), draw.Over, nil)
	var b bytes.Buffer
	err = jpeg.Encode(&b, turned(out, turn), &jpeg.Options{Quality: 80})
	return b.Bytes(), err
}

// cutTo returns the middle of a picture that has the proportions of w to h.
func cutTo(r image.Rectangle, w, h int) image.Rectangle {
	if r.Dx()*h > r.Dy()*w {
		d := (r.Dx() - r.Dy()*w/h) / 2
		return image.Rect(r.Min.X+d, r.Min.Y, r.Max.X-d, r.Max.Y)
	}
	d := (r.Dy() - r.Dx()*h/w) / 2
	return image.Rect(r.Min.X, r.Min.Y+d, r.Max.X, r.Max.Y-d)
}

// turned returns a picture turned as its camera was held, see orientation.
func turned(in *image.RGBA, turn int) image.Image {
	if turn <= 1 || turn > 8 {
		return in
	}
	w, h := in.Rect.Dx(), in.Rect.Dy()
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	if turn >= 5 {
		out = image.NewRGBA(image.Rect(0, 0, h, w))
	}
	for y := range h {
		for x := range w {
			var u, v int
			switch turn {
			case 2:
				u, v = w-1-x, y
			case 3:
				u, v = w-1-x, h-1-y
			case 4:
				u, v = x, h-1-y
			case 5:
				u, v = y, x
			case 6:
				u, v = h-1-y, x
			case 7:
				u, v = h-1-y, w-1-x
			default:
				u, v = y, w-1-x
			}
			out.SetRGBA(u, v, in.RGBAAt(x, y))
		}
	}
	return out
}

// orientation reads from the EXIF part of a JPEG how the camera was held: 1 to 8, 1 if it does not say.
// Format: CIPA DC-008, 4.6.4 and 4.6.5.
func orientation(b []byte) int {
	for i := 2; i+4 <= len(b) && b[i] == 0xff && b[i+1] != 0xda; {
		n := int(b[i+2])<<8 | int(b[i+3])
		if n < 2 || i+2+n > len(b) {
			return 1
		}
		if part := b[i+4 : i+2+n]; b[i+1] == 0xe1 && bytes.HasPrefix(part, []byte("Exif\x00\x00")) {
			return tiffOrientation(part[6:])
		}
		i += 2 + n
	}
	return 1
}

func tiffOrientation(b []byte) int {
	if len(b) < 8 {
		return 1
	}
	little := b[0] == 'I'
	number := func(at, n int) int {
		if at < 0 || at+n > len(b) {
			return -1
		}
		v := 0
		for i := range n {
			if little {
				v |= int(b[at+i]) << (8 * i)
			} else {
				v = v<<8 | int(b[at+i])
			}
		}
		return v
	}
	dir := number(4, 4)
	for i := range max(number(dir, 2), 0) {
		entry := dir + 2 + 12*i
		if tag := number(entry, 2); tag < 0 {
			return 1
		} else if tag != 0x112 {
			continue
		}
		if v := number(entry+8, 2); v >= 1 && v <= 8 {
			return v
		}
		return 1
	}
	return 1
}
