package framadate

import "testing"

func TestMoments(t *testing.T) {
	for text, want := range map[string][2]int{
		"9h": {540, -1}, "14h30": {870, -1}, "8pm": {1200, -1}, "10:00-12:00": {600, 720}, "10:00-11:30": {600, 690},
		"9 h 30": {570, -1}, "9H": {540, -1}, "09:00": {540, -1}, "14.30 Uhr": {870, -1}, "9 Uhr": {540, -1}, "20 heures": {1200, -1},
		"9h-11h": {540, 660}, "9h à 11h30": {540, 690}, "de 9h à 11h": {540, 660}, "9-11h": {540, 660}, "9-11": {540, 660}, "9h-11": {540, 660},
		"8-10pm": {1200, 1320}, "11am-1pm": {660, 780}, "11-1pm": {660, 780}, "12pm": {720, -1}, "12am": {0, -1}, "7:30 p.m.": {1170, -1},
		"22h-2h": {1320, 1560}, "22h-24h": {1320, 1440}, "0h": {0, -1}, "14h30 salle B": {870, -1}, "9h (salle B)": {540, -1},
		"14:00 – 15:00": {840, 900}, "von 9 bis 11 Uhr": {540, 660}, "from 9am to 10:15am": {540, 615}, "à 18h": {1080, -1}, "10h/12h": {600, 720},
		"9 u": {540, -1}, " tard 9h": {-1, 0}, "14h30\u00a0": {870, -1}, "dès 9h": {540, -1},
		"matin": {-1, 0}, "soir": {-1, 0}, " tard": {-1, 0}, "": {-1, 0}, "9": {-1, 0}, "2 h de marche": {-1, 0}, "25h": {-1, 0}, "9h75": {-1, 0},
		"13pm": {-1, 0}, "midi": {-1, 0}, "24h": {-1, 0}, "15-12": {-1, 0}, "12/05": {-1, 0}, "9/11": {-1, 0}, "9/11h": {540, 660}, "A 10": {-1, 0}, "9h-9h": {-1, 0}, "1.50 €": {-1, 0},
	} {
		from, to, ok := parseMoment(text)
		if want[0] < 0 {
			if ok {
				t.Errorf("%q is taken for %d to %d", text, from, to)
			}
			continue
		}
		if !ok || from != want[0] || to != want[1] {
			t.Errorf("%q = %d, %d, %v, want %v", text, from, to, ok, want)
		}
	}
}

func FuzzMoment(f *testing.F) {
	for _, seed := range []string{"9h", "14h30", "8pm", "10:00-12:00", "22h-2h", "von 9 bis 11 Uhr", "soir", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		from, to, ok := parseMoment(text)
		if ok && (from < 0 || from >= 24*60 || to != -1 && (to <= from || to > 48*60)) {
			t.Errorf("%q: %d to %d", text, from, to)
		}
	})
}
