package quota

import (
	"context"
	"strings"

	"github.com/belfry-social/belfry/storage"
)

// Cost is what a transaction wrote, later work not included: the notifications of an act are part of it, their
// deliveries to webhooks are not. Bytes are those of the values given to statements, so a row counts about as much as
// it takes in the file; an announcement takes as much once more in the event log.
type Cost struct{ Rows, Bytes int64 }

// meter counts what goes through a transaction.
type meter struct {
	storage.Tx
	cost Cost
}

func (m *meter) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	n, err := m.Tx.Exec(ctx, query, args...)
	m.cost.Rows += n
	m.cost.Bytes += sizeOf(args)
	return n, err
}

// QueryRow is counted where it writes.
func (m *meter) QueryRow(ctx context.Context, query string, args ...any) storage.Row {
	if strings.HasPrefix(query, "INSERT") {
		m.cost.Rows++
		m.cost.Bytes += sizeOf(args)
	}
	return m.Tx.QueryRow(ctx, query, args...)
}

// sizeOf is about what values take in a row: text and bytes their length, all else eight bytes.
func sizeOf(args []any) (n int64) {
	for _, arg := range args {
		switch v := arg.(type) {
		case string:
			n += int64(len(v))
		case []byte:
			n += int64(len(v))
		case *string:
			if v != nil {
				n += int64(len(*v))
			}
		default:
			n += 8
		}
	}
	return n
}
