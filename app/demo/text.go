package demo

import "strconv"

// The words of the demo community. Everything here is made up.

var demoFirst = []string{
	"ada", "bruno", "clara", "david", "elena", "fritz", "greta", "hugo", "iris", "jonas", "karla", "linus", "mira",
	"nils", "olga", "pavel", "quentin", "rosa", "samir", "tilda", "ursula", "viktor", "wanda", "yusuf",
}

var demoLast = []string{
	"Amsel", "Brook", "Castell", "Dorn", "Eiber", "Falk", "Gros", "Holm",
}

var (
	demoOpenings = []string{
		"First light over the harbour", "The bakery on Mill Lane", "My neighbour's cat", "The old tower clock",
		"A heron", "The tram to the hills", "Our choir", "The river", "A busker by the bridge", "The market",
		"Somebody's kite", "The library garden",
	}
	demoMiddles = []string{
		"was worth getting up for", "has changed its mind again", "sounded better than ever",
		"is open until ten tonight", "looked like a painting", "kept everybody waiting", "made my morning",
		"smelled of rain and bread", "is back after the repairs", "drew a small crowd",
	}
	demoClosings = []string{
		"#morning", "#town", "#walks", "Who was there too?", "Tomorrow again.", "I took far too many pictures.",
		"#smallthings", "Bring a coat.", "", "",
	}
	demoAnswers = []string{
		"I was just about to say that.", "Where exactly?", "Save me a seat.", "This made me smile.",
		"Same here, only wetter.", "Next time call me!", "I have passed it a hundred times and never looked up.",
		"Go early, it fills up by nine.", "My grandmother used to tell that story.", "Lovely.",
		"Is it far from the station?", "Count me in.",
	}
)

// personName gives the i-th person a username and a name to show.
func personName(i int) (username, shown string) {
	first := demoFirst[i%len(demoFirst)]
	username = first
	if i >= len(demoFirst) {
		username += strconv.Itoa(i / len(demoFirst))
	}
	return username, string(first[0]-'a'+'A') + first[1:] + " " + demoLast[(i+i/len(demoFirst))%len(demoLast)]
}

func (d *Demo) sentence() string {
	text := pick(d, demoOpenings) + " " + pick(d, demoMiddles) + "."
	if end := pick(d, demoClosings); end != "" {
		text += " " + end
	}
	if d.rand.IntN(6) == 0 {
		text += " @" + pick(d, d.names)
	}
	return text
}

func (d *Demo) answer() string { return pick(d, demoAnswers) }

func pick(d *Demo, list []string) string { return list[d.rand.IntN(len(list))] }
