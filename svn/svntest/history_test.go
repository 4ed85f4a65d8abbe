package svntest_test

import (
	"testing"

	"github.com/havre-cloud/havre/svn/svntest"
)

func TestRandomHistory(t *testing.T) {
	t.Run("plain", func(t *testing.T) {
		h := svntest.RandomHistory(t, 1, 40)
		h.CheckDir(t, h.Load(t))
	})
	t.Run("rewrites", func(t *testing.T) {
		h := svntest.RandomRewrites(t, 1, 20)
		h.CheckDir(t, h.Load(t))
	})
}

func TestJudge(t *testing.T) {
	h := svntest.RandomHistory(t, 2, 25)
	svntest.Judge(t, h.Load(t))
}
