package framadatetest

import "time"

// day is a day as the samples have it: noon, so that it is the same one in all zones of Europe.
func day(year int, month time.Month, d int) time.Time {
	return time.Date(year, month, d, 11, 0, 0, 0, time.UTC)
}

// SampleDates is the date poll of the recorded samples (testdata/framadate-1.1.19/date-poll.*.csv), which has
// everything that goes wrong elsewhere.
func SampleDates() *Poll {
	return &Poll{
		Title: `Réunion d'équipe <b>T4</b> & "suite"`, Author: "Camille", Mail: "camille@example.org",
		Description: "Bonjour à tous,\nvoir [le site](https://example.org/a_b)\n\n- un\n- deux\n\n<script>x</script>",
		Slots: []Slot{
			{Day: day(2026, 12, 31), Moments: []string{"10:00-12:00", "8pm"}},
			{Day: day(2026, 12, 14), Moments: []string{"9h", "14h30", "soir, tard"}},
			{Day: day(2026, 12, 15), Moments: []string{"9h"}},
			{Day: day(2027, 1, 4)},
		},
		Votes: []*Vote{
			{Name: "Zoé Müller", Choices: "22102012"},
			{Name: "Dupont, Jean", Choices: "0102 120"},
			{Name: `O'Brien "Bob"`, Choices: "2 2 2 2 "},
			{Name: "<b>Eve</b> & co", Choices: "00000000"},
			{Name: "=SUM(A1) 日本", Choices: "1111111"},
		},
		Comments: []*Comment{
			{Name: "Zoé Müller", Text: "Je peux aussi\nle 16 <b>au soir</b>", Date: time.Date(2026, 11, 20, 13, 5, 0, 0, time.UTC)},
			{Name: `O'Brien "Bob"`, Text: "=1+1", Date: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)},
		},
	}
}

// SampleChoices is the classic one (classic-poll.*.csv).
func SampleChoices() *Poll {
	return &Poll{
		Classic: true, Title: "Où mange-t-on ?", Author: "Zoé", Description: "**Gras** et  deux  blancs",
		Slots: []Slot{
			{Title: "Pizza, chez Luigi"},
			{Title: "[Le resto](https://example.org/resto)"},
			{Title: "![](https://example.org/a.png)"},
			{Title: "[![](https://example.org/b.png)](https://example.org/b)"},
			{Title: `Say "hi" & go`},
			{Title: " **Gras** `code`"},
		},
		Votes: []*Vote{
			{Name: "Zoé Müller", Choices: "210210"},
			{Name: "Dupont, Jean", Choices: "022110"},
			{Name: `O'Brien "Bob"`, Choices: "2 0 1 "},
			{Name: "<b>Eve</b> & co", Choices: "000000"},
			{Name: "=SUM(A1) 日本", Choices: "222222"},
		},
	}
}
