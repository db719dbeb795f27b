package users

import "github.com/prometheus/client_golang/prometheus"

// Figures are how the hashing of passwords does. The host registers them, with belfry_ before their names.
func (s *Service) Figures() []prometheus.Collector {
	slots := s.hasher.slots
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "login_waiting",
			Help: "Logins and registrations that wait for their turn to hash a password."}, func() float64 {
			slots.mu.Lock()
			defer slots.mu.Unlock()
			return float64(slots.waiting)
		}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "login_overloaded_total",
			Help: "Logins and registrations refused because their turn to hash a password did not come in time."},
			func() float64 {
				slots.mu.Lock()
				defer slots.mu.Unlock()
				return float64(slots.refused)
			}),
	}
}
