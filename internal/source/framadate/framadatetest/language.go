package framadatetest

import (
	"fmt"
	"strings"
	"time"
)

// language is what a page says and how it writes dates.
type language struct {
	yes, inb, no, unknown string
	date, datetime        string // for time.Format, digits only
	picker                string // the placeholder of fields for dates
	full                  string // of a day: %A weekday, %B month, %d day, %Y year
	missing, forbidden    string
	hidden, edit, poll    string
	expired, deletion     string
	votes, wrong, needs   string
	months, days          []string // months of the year; days from Sunday
	short                 []string // short days
}

var english = language{
	yes: "Yes", inb: "Under reserve", no: "No", unknown: "Unknown",
	date: "2006-01-02", datetime: "01/02/2006 15:04", picker: "yyyy-mm-dd", full: "%A %d %B %Y",
	missing: "This poll doesn't exist!", forbidden: "Forbidden!", hidden: "Results are hidden", edit: "Edit", poll: "Poll",
	expired: "The poll has expired, it will soon be deleted.", deletion: "Deletion date:", votes: "Votes",
	wrong: "Wrong password", needs: "You have to provide a password to access the poll.",
	months: strings.Fields("January February March April May June July August September October November December"),
	days:   strings.Fields("Sunday Monday Tuesday Wednesday Thursday Friday Saturday"),
	short:  strings.Fields("Sun Mon Tue Wed Thu Fri Sat"),
}

// languages are some of those of the program. German has English names, as on a server without a German locale.
var languages = map[string]language{
	"en": english,
	"fr": {
		yes: "Oui", inb: "Si nécessaire", no: "Non", unknown: "Inconnu",
		date: "02/01/2006", datetime: "02-01-2006 15:04", picker: "jj/mm/aaaa", full: "%A %d %B %Y",
		missing: "Ce sondage n'existe pas !", forbidden: "Interdit !", hidden: "Les résultats sont cachés", edit: "Modifier", poll: "Sondage",
		expired: "Le sondage a expiré, il sera bientôt supprimé.", deletion: "Date de suppression :", votes: "Votes du sondage",
		wrong: "Mot de passe incorrect", needs: "Vous devez donner un mot de passe.",
		months: strings.Fields("janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
		days:   strings.Fields("dimanche lundi mardi mercredi jeudi vendredi samedi"),
		short:  strings.Fields("dim. lun. mar. mer. jeu. ven. sam."),
	},
	"de": {
		yes: "Ja", inb: "Unter Vorbehalt", no: "Nein", unknown: "Unbekannt",
		date: "2006-01-02", datetime: "2006-01-02 15:04", picker: "yyyy-mm-dd", full: "%A %d %B %Y",
		missing: "Diese Umfrage existiert nicht!", forbidden: "Verboten!", hidden: "Ergebnisse sind versteckt", edit: "Bearbeiten", poll: "Umfrage",
		expired: "Die Umfrage ist abgelaufen.", deletion: "Löschdatum:", votes: "Stimmen",
		wrong: "Falsches Passwort", needs: "Sie müssen ein Passwort eingeben.",
		months: english.months, days: english.days, short: english.short,
	},
	"es": {
		yes: "Si", inb: "En caso de ser necesario", no: "No", unknown: "Desconocido",
		date: "02/01/2006", datetime: "02/01/2006 15:04", picker: "dd/mm/yyyy", full: "%A %d de %B de %Y",
		missing: "¡La encuesta no existe!", forbidden: "¡Prohibido!", hidden: "Los resultados están ocultos", edit: "Editar", poll: "Encuesta",
		expired: "La encuesta ha caducado.", deletion: "Fecha de supresión:", votes: "Votos",
		wrong: "Contraseña incorrecta", needs: "Debe indicar una contraseña.",
		months: strings.Fields("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
		days:   strings.Fields("domingo lunes martes miércoles jueves viernes sábado"),
		short:  strings.Fields("dom lun mar mié jue vie sáb"),
	},
}

// monthYear, day and long are how the program writes parts of a date.
func (l language) monthYear(t time.Time) string {
	return l.months[t.Month()-1] + " " + fmt.Sprint(t.Year())
}

// day pads the number with a blank, as %e does.
func (l language) day(t time.Time) string {
	return fmt.Sprintf("%s %2d", l.short[t.Weekday()], t.Day())
}

func (l language) long(t time.Time) string {
	return strings.NewReplacer("%A", l.days[t.Weekday()], "%d", fmt.Sprintf("%2d", t.Day()),
		"%B", l.months[t.Month()-1], "%Y", fmt.Sprint(t.Year())).Replace(l.full)
}
