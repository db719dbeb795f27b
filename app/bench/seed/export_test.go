package seed

// Act is one thing that people of a past did. Who and whom are numbers of people; Post names a post by the number of
// the act that made it.
type Act struct {
	Kind  string // join, service, follow, post, reply, push
	Who   int
	Whom  int
	Post  int
	Token string // of join and service: the name of the token
}

// Acts is the past of a plan, act by act, for those who play it through the services.
func Acts(plan Plan) ([]Act, error) {
	s, err := newStory(plan)
	if err != nil {
		return nil, err
	}
	var list []Act
	add := func(a Act) int { list = append(list, a); return len(list) - 1 }
	for i := range plan.People {
		add(Act{Kind: "join", Who: i, Token: tokenName})
	}
	if plan.Service {
		add(Act{Kind: "service", Token: tokenName})
	}
	for i, whom := range s.follows {
		for _, other := range whom {
			add(Act{Kind: "follow", Who: i, Whom: int(other)})
		}
	}
	for _, t := range s.threads {
		top := add(Act{Kind: "post", Who: t.author})
		first := len(list)
		for _, r := range t.replies {
			to := top
			if r.to >= 0 {
				to = first + r.to
			}
			add(Act{Kind: "reply", Who: r.author, Post: to})
		}
	}
	for i, n := range plan.Pushes {
		for range n {
			add(Act{Kind: "push", Whom: i})
		}
	}
	for _, p := range s.people.Posts {
		add(Act{Kind: "post", Who: p.Author})
	}
	return list, nil
}

// Text is what is written under an order key.
func Text(plan Plan, key int64) string { return (&story{plan: plan}).text(key) }

// The words a test needs to play an act.
const (
	PushWord = pushWord
	NameForm = nameForm
)
