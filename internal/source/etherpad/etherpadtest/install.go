package etherpadtest

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// What is installed: Etherpad 1.8.14 from npm, each package at a fixed version. Drivers of databases other than a file, and
// npm itself, which Etherpad runs at each start for ten seconds to list its plugins, are replaced by a tiny package of
// Etherpad's own list: npm.js answers in npm's place.
var (
	//go:embed npm/package.json
	packageJSON []byte
	//go:embed npm/package-lock.json
	packageLock []byte
	//go:embed npm/npm.js
	npmJS []byte
	//go:embed npm/parent.js
	parentJS []byte
)

// install is done once for a process.
var install = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, b := range [][]byte{packageJSON, packageLock, npmJS, parentJS} {
		sum.Write(b)
	}
	dir := filepath.Join(cache, "havre-test", "etherpad-1.8.14-"+hex.EncodeToString(sum.Sum(nil)[:6]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(dir + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil // another process was first
	}
	return dir, installInto(dir)
})

// installInto makes dir, which appears when all is in it.
func installInto(dir string) error {
	temp, err := os.MkdirTemp(filepath.Dir(dir), "etherpad-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	for name, content := range map[string][]byte{"package.json": packageJSON, "package-lock.json": packageLock, "parent.js": parentJS} {
		if err := os.WriteFile(filepath.Join(temp, name), content, 0o644); err != nil {
			return err
		}
	}
	npm := exec.Command("npm", "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = temp
	if out, err := npm.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	// Etherpad looks for itself in a directory called src, and for its plugins, of which it is one, in node_modules.
	modules := filepath.Join(temp, "node_modules")
	if err := os.Rename(filepath.Join(modules, "ep_etherpad-lite"), filepath.Join(temp, "src")); err != nil {
		return err
	}
	if err := os.Symlink(filepath.Join("..", "src"), filepath.Join(modules, "ep_etherpad-lite")); err != nil {
		return err
	}
	for _, name := range []string{"var", "bin"} {
		if err := os.Mkdir(filepath.Join(temp, name), 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(temp, "bin", "npm"), npmJS, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(temp, "SESSIONKEY.txt"), []byte("a key of sessions for tests only"), 0o644); err != nil {
		return err
	}
	return os.Rename(temp, dir)
}

// Whoever holds a lock touches it more often than it takes for others to believe that its holder is dead.
const (
	lockTouch = time.Second
	lockStale = 20 * time.Second
)

// lock waits until no other process holds the file, and returns what lets it go.
func lock(path string) (unlock func(), err error) {
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err == nil {
			f.Close()
			break
		}
		if !os.IsExist(err) {
			return nil, err
		}
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > lockStale {
			os.Remove(path)
		}
		time.Sleep(lockTouch / 4)
	}
	done := make(chan struct{})
	var touching sync.WaitGroup
	touching.Go(func() {
		tick := time.NewTicker(lockTouch)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case now := <-tick.C:
				os.Chtimes(path, now, now)
			}
		}
	})
	return func() {
		close(done)
		touching.Wait()
		os.Remove(path)
	}, nil
}
