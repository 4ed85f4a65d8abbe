package source

import (
	"net/http"
	"testing"
	"time"
)

func TestHeadersOfLimits(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	date := now.Add(time.Hour).Format(http.TimeFormat) // the instance's clock is an hour ahead
	for name, c := range map[string]struct {
		header map[string]string
		want   Budget
	}{
		"none":           {nil, Budget{}},
		"Unix seconds":   {map[string]string{"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "7", "X-RateLimit-Reset": "1795262460"}, Budget{Limit: 10, Remaining: 7, Reset: now.Add(time.Minute)}},
		"another clock":  {map[string]string{"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "7", "X-RateLimit-Reset": "1795266060", "Date": date}, Budget{Limit: 10, Remaining: 7, Reset: now.Add(time.Minute)}},
		"milliseconds":   {map[string]string{"X-RateLimit-Remaining": "7", "X-RateLimit-Reset": "1795262460000"}, Budget{Limit: 7, Remaining: 7, Reset: now.Add(time.Minute)}},
		"seconds left":   {map[string]string{"RateLimit-Limit": "100, 100;w=60", "RateLimit-Remaining": "99", "RateLimit-Reset": "30"}, Budget{Limit: 100, Remaining: 99, Reset: now.Add(30 * time.Second)}},
		"no end":         {map[string]string{"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "0"}, Budget{Limit: 10, Reset: now.Add(pauseUntold)}},
		"an end far off": {map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9999999999"}, Budget{Reset: now.Add(maxPause)}},
		"an end before":  {map[string]string{"X-RateLimit-Remaining": "3", "X-RateLimit-Reset": "1795262000"}, Budget{Limit: 3, Remaining: 3, Reset: now}},
		"nonsense":       {map[string]string{"X-RateLimit-Limit": "x", "X-RateLimit-Remaining": "-1", "X-RateLimit-Reset": "NaN"}, Budget{}},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{}
			for key, value := range c.header {
				header.Set(key, value)
			}
			h := &host{options: &ClientOptions{}}
			h.learn(header, now)
			if h.budget != c.want {
				t.Errorf("got %+v, want %+v", h.budget, c.want)
			}
		})
	}
	for text, want := range map[string]time.Duration{
		"": -1, "90": 90 * time.Second, "-5": -1, "x": -1, "99999999999": maxPause, "Sat, 21 Nov 2026 12:01:00 GMT": time.Minute, "Sat, 21 Nov 2026 11:00:00 GMT": 0,
	} {
		got, ok := retryAfter(http.Header{"Retry-After": {text}}, now)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("Retry-After: %s: got %v, want %v", text, got, want)
		}
	}
}

func FuzzHeadersOfLimits(f *testing.F) {
	f.Add("10", "7", "1795262460", "Sat, 21 Nov 2026 12:01:00 GMT", "90")
	f.Add("100, 100;w=60", "0", "1e300", "", "Sat, 21 Nov 2026 12:01:00 GMT")
	f.Add("NaN", "-1", "-Inf", "x", "99999999999999999999")
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, limit, remaining, reset, date, after string) {
		header := http.Header{"X-Ratelimit-Limit": {limit}, "X-Ratelimit-Remaining": {remaining}, "X-Ratelimit-Reset": {reset}, "Date": {date}, "Retry-After": {after}}
		h := &host{options: &ClientOptions{Backoff: time.Second}, changed: make(chan struct{})}
		h.learn(header, now)
		b := h.budget
		if b.Remaining < 0 || b.Limit < 0 || b.margin() < 1 || !b.Reset.IsZero() && (b.Reset.Before(now) || b.Reset.Sub(now) > maxPause) {
			t.Fatalf("got %+v", b)
		}
		if pause, ok := retryAfter(header, now); ok && pause < 0 {
			t.Fatalf("pause %v", pause)
		}
	})
}
