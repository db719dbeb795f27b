package sse

import "sync"

// inbox holds the tasks of the hub. What is in it is bounded by its users: a connection has at most a few tasks
// under way, a worker one, Publish maxBatches.
type inbox struct {
	mu     sync.Mutex
	tasks  []func()
	isOpen bool
	wake   chan struct{}
}

func (b *inbox) put(task func()) bool {
	b.mu.Lock()
	if !b.isOpen {
		b.mu.Unlock()
		return false
	}
	b.tasks = append(b.tasks, task)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return true
}

func (b *inbox) take() (tasks []func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	tasks, b.tasks = b.tasks, nil
	return tasks
}

func (b *inbox) open() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.isOpen = true
}

// close refuses further tasks, unless some are waiting.
func (b *inbox) close() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.isOpen = len(b.tasks) > 0
	return !b.isOpen
}
