package media

import "context"

// Ports are the questions this module asks, of no other module. New fills in the absent answer; the host sets another
// before start.
type Ports struct {
	Quota Quota
}

// Quota bounds how much one account has kept. Absent: nothing is counted.
type Quota interface {
	// SpendFile charges bytes of a file to who acts in ctx, or gives the fault rate_limited or storage_full and charges
	// nothing.
	SpendFile(ctx context.Context, bytes int64) error
}

type unbounded struct{}

func (unbounded) SpendFile(context.Context, int64) error { return nil }
