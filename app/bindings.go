package app

import (
	"go.uber.org/fx"

	"github.com/belfry-social/belfry/app/quota"
	"github.com/belfry-social/belfry/app/server"
	"github.com/belfry-social/belfry/modules/delivery"
	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/follows"
	"github.com/belfry-social/belfry/modules/media"
	"github.com/belfry-social/belfry/modules/notifications"
	"github.com/belfry-social/belfry/modules/people"
	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/users"
)

// bindings are the synchronous edges between modules: questions, one line each, and the order of reactions. An
// edge exists only if both its ends do.
func bindings() fx.Option {
	return fx.Options(
		tie(func(s *users.Service, l *server.Limiter) { s.Ports.Limits = l }),

		tie(func(s *posts.Service, u *users.Service) { s.Ports.Users = u }),
		tie(func(s *posts.Service, p *people.Service) { s.Ports.People = p }),
		tie(func(s *posts.Service, f *follows.Service) { s.Ports.Follows = f }),
		tie(func(s *posts.Service, l *eventLog) { s.Ports.Log = l }),
		tie(func(s *posts.Service, l *server.Limiter) { s.Ports.Limits = l }),

		tie(func(s *posts.Service, m *media.Service) { s.Ports.Media = m }),
		tie(func(s *users.Service, m *media.Service) { s.Ports.Media = m }),
		tie(func(s *media.Service, q *quota.Quota) { s.Ports.Quota = q }),

		tie(func(s *follows.Service, u *users.Service) { s.Ports.Users = u }),

		tie(func(s *people.Service, u *users.Service) { s.Ports.Users = u }),
		tie(func(s *people.Service, f *follows.Service) { s.Ports.Follows = f }),

		tie(func(s *notifications.Service, u *users.Service) { s.Ports.Users = u }),
		tie(func(s *notifications.Service, p *posts.Service) { s.Ports.Posts = p }),
		tie(func(s *notifications.Service, f *follows.Service) { s.Ports.Follows = f }),
		tie(func(s *notifications.Service, l *eventLog) { s.Ports.Log = l }),

		tie(func(s *delivery.Service, f *follows.Service) { s.Audiences.Follows, s.Ports.Follows = f, f }),
		tie(func(s *delivery.Service, n *notifications.Service) { s.Ports.Notifications = n }),
		tie(func(s *delivery.Service, p *posts.Service) { s.Ports.Posts = p }),
		tie(func(s *delivery.Service, l *server.Limiter) { s.Connections.Limits = l }),

		fx.Invoke(react),
	)
}

// reactors are the modules that react to facts inside the transaction, in this order.
type reactors struct {
	fx.In
	Users         *users.Service         `optional:"true"`
	Follows       *follows.Service       `optional:"true"`
	Posts         *posts.Service         `optional:"true"`
	Media         *media.Service         `optional:"true"`
	Notifications *notifications.Service `optional:"true"`
	Delivery      *delivery.Service      `optional:"true"`
}

// react puts the reactions on the bus. The order is part of the behaviour: counts first, then edges and posts,
// then the notifications that ask about them.
func react(bus *event.Bus, r reactors) {
	if r.Users != nil {
		bus.React(r.Users.Reactions()...)
	}
	if r.Follows != nil {
		bus.React(r.Follows.Reactions()...)
	}
	if r.Posts != nil {
		bus.React(r.Posts.Reactions()...)
	}
	if r.Media != nil {
		bus.React(r.Media.Reactions()...)
	}
	if r.Notifications != nil {
		bus.React(r.Notifications.Reactions()...)
	}
	if r.Delivery != nil {
		bus.React(r.Delivery.Reactions()...)
	}
}

// tie runs f once at wiring if both modules are there.
func tie[A, B any](f func(*A, *B)) fx.Option {
	type ends struct {
		fx.In
		A *A `optional:"true"`
		B *B `optional:"true"`
	}
	return fx.Invoke(func(e ends) {
		if e.A != nil && e.B != nil {
			f(e.A, e.B)
		}
	})
}
