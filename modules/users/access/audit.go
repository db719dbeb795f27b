package access

import (
	"context"
	"unicode/utf8"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Operator is who works on the site from its own machine, on the command line.
type Operator struct {
	Account string // of the operating system
	Reason  string // in the operator's words; "" = none was given
}

const (
	maxReason  = 500 // code points
	maxAccount = 100
)

type operatorKey struct{}

// WithOperator makes what is done with ctx the operator's doing. Each act leaves a row in the audit then, in the
// transaction that does it.
func WithOperator(ctx context.Context, o Operator) context.Context {
	return context.WithValue(ctx, operatorKey{}, o)
}

// OperatorFrom is the operator whose doing it is; false = nobody's.
func OperatorFrom(ctx context.Context) (Operator, bool) {
	o, ok := ctx.Value(operatorKey{}).(Operator)
	return o, ok
}

// Audit notes in tx what the operator of ctx has done, to whom (zero = to nobody) and to what; without an operator it
// notes nothing. A person is kept as an id, so that the end of an account leaves no name here. The fault
// validation_failed for a reason that is no line of text, or too long a one.
func (s *Service) Audit(ctx context.Context, tx storage.Tx, action string, person social.ID, target string) error {
	o, ok := OperatorFrom(ctx)
	if !ok {
		return nil
	}
	switch {
	case !social.Line(o.Reason):
		return social.Invalid(social.BodyField("/reason", social.FieldBadFormat, social.NotALine))
	case utf8.RuneCountInString(o.Reason) > maxReason:
		return social.Invalid(social.BodyField("/reason", social.FieldTooLong, "At most 500 characters."))
	}
	if !social.Line(o.Account) || len(o.Account) > maxAccount {
		o.Account = "unknown"
	}
	key, err := tx.NextKey(ctx)
	if err != nil {
		return err
	}
	var whom any // NULL for nobody
	if !person.IsZero() {
		whom = person
	}
	_, err = tx.Exec(ctx, `INSERT INTO audit (key, at, operator, action, person_id, target, reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, key, int64(s.clock.Now()), o.Account, action, whom, target, o.Reason)
	return err
}

// Audited is one act of an operator.
type Audited struct {
	At       social.Time
	Operator string // account of the operating system
	Action   string // the command
	Person   string // name, or id once the account has ended; "" = it was about nobody
	Target   string // what it was about beside the person; may be ""
	Reason   string // may be ""

	key int64
}

// AuditList gives what operators have done, newest first.
func (s *Service) AuditList(ctx context.Context, page social.PageQuery) (out social.List[Audited], err error) {
	err = s.db.Read(ctx, func(q storage.Querier) error {
		key := func(a Audited) int64 { return a.key }
		out, err = social.PageOf(s.pages, social.PageScope{List: "audit"}, page, false, key,
			func(w social.Window) ([]Audited, error) {
				return storage.All(ctx, q, func(row storage.Row) (a Audited, err error) {
					err = row.Scan(&a.key, &a.At, &a.Operator, &a.Action, &a.Person, &a.Target, &a.Reason)
					return a, err
				}, `SELECT a.key, a.at, a.operator, a.action, COALESCE(u.username, ''), a.target, a.reason
					FROM audit a LEFT JOIN users u ON u.id = a.person_id WHERE TRUE`+w.Clause("a.key", 1), w.From(), w.Limit)
			})
		return err
	})
	return out, social.Wrap(err, "users: audit")
}
