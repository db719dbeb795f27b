package app

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/delivery/dispatch"
	"github.com/belfry-social/belfry/modules/social"
)

// jobDeadline bounds one run of a job. Jobs work in small steps; this finds the one that hangs.
const jobDeadline = 30 * time.Second

// jobs runs the background work of all modules, each job on a goroutine of its own.
type jobs struct {
	list   []social.Job
	clock  social.Clock
	log    *zap.Logger
	failed *prometheus.CounterVec
	cancel context.CancelFunc
	work   sync.WaitGroup
}

func newJobs(list []social.Job, clock social.Clock, log *zap.Logger) *jobs {
	j := &jobs{list: list, clock: clock, log: log, failed: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "belfry_job_failures_total", Help: "Runs of background work that failed; it is tried again at its next turn.",
	}, []string{"job"})}
	for _, job := range list {
		j.failed.WithLabelValues(job.Name) // so that the first failure is seen to rise from 0
	}
	return j
}

func (j *jobs) start(context.Context) error {
	ctx, cancel := context.WithCancel(context.Background())
	j.cancel = cancel
	for _, job := range j.list {
		j.work.Go(func() { j.keep(ctx, job) })
	}
	return nil
}

func (j *jobs) stop(ctx context.Context) error {
	if j.cancel == nil {
		return nil
	}
	j.cancel()
	return dispatch.Await(ctx, &j.work)
}

func (j *jobs) keep(ctx context.Context, job social.Job) {
	t := time.NewTimer(job.Every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		wait := job.Every
		more, err := j.once(ctx, job)
		switch {
		case err != nil && ctx.Err() == nil:
			j.failed.WithLabelValues(job.Name).Inc()
			j.log.Error("job", zap.String("job", job.Name), zap.Error(err))
		case more:
			wait = 0
		}
		t.Reset(wait)
	}
}

func (j *jobs) once(ctx context.Context, job social.Job) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, jobDeadline)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			more, err = false, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return job.Run(ctx)
}
