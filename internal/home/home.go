package home

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// configVersion is that of the form of client.json.
const configVersion = 1

// Home is one installation of the client.
type Home struct{ dir string }

// Config is what client.json holds.
type Config struct {
	Version  int       `json:"version"`
	Identity *Identity `json:"identity,omitempty"` // nil until the device has joined a server
	Replicas []Replica `json:"replicas,omitempty"`
}

// Identity is which device of which person this is, and of which server.
type Identity struct {
	Server      string         `json:"server"`      // HOST:PORT
	Fingerprint string         `json:"fingerprint"` // of the server's public key, see docs/design.md
	Token       string         `json:"token"`
	Device      havre.DeviceID `json:"device"`
	DeviceName  string         `json:"deviceName"`
	UserName    string         `json:"userName"`
	ServerName  string         `json:"serverName"`
}

// Replica is a directory that is kept the same as a folder or a directory in it.
type Replica struct {
	ID         string         `json:"id"` // names its files here; no other meaning
	Folder     havre.FolderID `json:"folder"`
	FolderName string         `json:"folderName"`
	Path       svn.Path       `json:"path"` // inside the folder, "" for all of it
	Dir        string         `json:"dir"`  // absolute
}

// Name returns the folder and the path in it, as a person writes them.
func (r Replica) Name() string {
	return string(svn.Path(r.FolderName).Join(string(r.Path)))
}

// NotJoinedError says that the home has no server yet.
type NotJoinedError struct{ Dir string }

func (e *NotJoinedError) Error() string {
	return fmt.Sprintf("%s: this machine is no device of a server yet; run: havre join INVITATION", e.Dir)
}

// RunningError says that another process has the home's lock.
type RunningError struct{ Dir string }

func (e *RunningError) Error() string {
	return fmt.Sprintf("%s: another havre works on this directory; stop it first, or choose another with --home", e.Dir)
}

// DefaultDir returns where a person's home is when nothing else is said.
func DefaultDir() (string, error) {
	switch runtime.GOOS {
	case "windows", "darwin":
		// Local, not roaming: a token and a state are for this machine only.
		dir, err := os.UserCacheDir()
		if runtime.GOOS == "darwin" {
			dir, err = os.UserConfigDir()
		}
		if err != nil {
			return "", err
		}
		return filepath.Join(dir, "havre"), nil
	default:
		if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
			return filepath.Join(dir, "havre"), nil
		}
		dir, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		return filepath.Join(dir, ".local", "share", "havre"), nil
	}
}

// Open returns the home in dir, which is made by what writes to it: a command that only looks leaves nothing
// behind.
func Open(dir string) (*Home, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return &Home{dir: dir}, nil
}

func (h *Home) make() error {
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return fmt.Errorf("make the client's directory: %w", err)
	}
	return nil
}

// Dir returns the absolute path of the home.
func (h *Home) Dir() string { return h.dir }

// StatePath returns where the state of a replica is, in a directory that exists.
func (h *Home) StatePath(r Replica) (string, error) {
	dir := filepath.Join(h.dir, "state")
	return filepath.Join(dir, r.ID+".db"), os.MkdirAll(dir, 0o700)
}

// AsideDir returns where temporaries and trash of a replica may be; it need not exist.
func (h *Home) AsideDir(r Replica) string { return filepath.Join(h.dir, "aside", r.ID) }

// Config returns what the home holds; it is empty in a new home.
func (h *Home) Config() (*Config, error) {
	name := filepath.Join(h.dir, "client.json")
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return &Config{Version: configVersion}, nil
	}
	if err != nil {
		return nil, err
	}
	var c Config
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("%s: %w; restore it from a backup, or move it away and join again: no file is lost by that", name, err)
	}
	if c.Version != configVersion {
		return nil, fmt.Errorf("%s: has version %d, this program knows %d; update the program", name, c.Version, configVersion)
	}
	return &c, nil
}

// Joined returns the configuration of a home that has an identity, else a *NotJoinedError.
func (h *Home) Joined() (*Config, error) {
	c, err := h.Config()
	if err == nil && c.Identity == nil {
		return nil, &NotJoinedError{Dir: h.dir}
	}
	return c, err
}

// Save replaces the configuration. Only the owner of the lock calls it.
func (h *Home) Save(c *Config) error {
	if err := h.make(); err != nil {
		return err
	}
	c.Version = configVersion
	data, err := json.MarshalIndent(c, "", "\t")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(h.dir, "client.json"), append(data, '\n'))
}

// Forget removes what the home knows of a replica. The trash stays: it is the person's.
func (h *Home) Forget(r Replica) error {
	state, err := h.StatePath(r)
	if err != nil {
		return err
	}
	var errs []error
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(state + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// writeFile replaces a file durably: a crash leaves the old one or the new one.
func writeFile(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone after the rename
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync() // before the rename, or a crash may leave an empty file under the name
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}
