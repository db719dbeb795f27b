package server

import (
	"bytes"
	"context"
	"fmt"
	"mime"
	"net/url"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"

	"github.com/belfry-social/belfry/app/quota"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// adoptHuma sets huma's package variables: problems as errors, exact member names, lists that are never null. They are
// shared by all servers of the process and set once.
var adoptHuma = sync.OnceFunc(func() {
	huma.NewError = func(status int, _ string, errs ...error) huma.StatusError { return humaProblem(status, errs) }
	huma.NewErrorWithContext = func(ctx huma.Context, status int, _ string, errs ...error) huma.StatusError {
		p := humaProblem(status, errs)
		c := humafiber.Unwrap(ctx)
		p.RequestID, p.Instance = social.RequestIDFrom(ctx.Context()), clip(askedPath(c.Context()), 256)
		p.headers(ctx.SetHeader)
		ctx.SetHeader(fiber.HeaderCacheControl, cacheNever)
		c.Locals(localProblem, p)
		return p
	}
	nameFields()
	huma.ValidateStrictCasing = true
	huma.DefaultArrayNullable = false
})

// humaProblem is the problem for an error of a handler, which huma hands over as the only one of a 500, or for
// one that huma itself found.
func humaProblem(status int, errs []error) *Problem {
	if status == fiber.StatusInternalServerError && len(errs) == 1 {
		return newProblem(errs[0])
	}
	p := newProblem(humaFault(status, errs))
	if p.Status >= 500 {
		p.cause = fmt.Errorf("huma: %d %v", status, errs)
	}
	return p
}

// newAPI makes the huma API whose operations pass through operate.
func (s *Server) newAPI(router fiber.Router) huma.API {
	adoptHuma()
	format := huma.Format{
		Marshal:   writeJSON,
		Unmarshal: decodeJSON, // strictJSON has read the body before
	}
	api := humafiber.NewWithGroup(s.fiber, router, huma.Config{
		OpenAPI:       s.doc,
		Formats:       map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{linkPages},
	})
	api.UseMiddleware(s.operate)
	return api
}

// operate surrounds every handler of a module: authentication, budget and authorisation, acceptable answer, query,
// headers and body; then the handler; then the ETag.
func (s *Server) operate(ctx huma.Context, next func(huma.Context)) {
	c, op := humafiber.Unwrap(ctx), ctx.Operation()
	a, err := s.admit(c, op)
	if err == nil {
		err = checkInput(c, op)
	}
	if err != nil {
		_ = s.fail(c, err) // it answers and never fails
		return
	}
	form, end, err := s.withUpload(c, op, a)
	if err != nil {
		_ = s.fail(c, err)
		return
	}
	defer end()
	if form != nil { // minutes may have passed
		if a, err = s.stillMay(c, op); err != nil {
			_ = s.fail(c, err)
			return
		}
	}
	bounded, cancel := context.WithTimeout(social.WithUpload(actorContext(c, a), form), s.cfg.RequestTimeout)
	defer cancel()
	if pays(op) {
		bounded = quota.With(bounded, a)
	}
	next(huma.WithContext(ctx, bounded))
	if kind, ok := op.Metadata[social.MetaETag].(string); ok {
		tag(c, kind == "weak")
	}
}

// admit authenticates, spends the budget and authorises. Refused credentials spend the address's budget.
func (s *Server) admit(c *fiber.Ctx, op *huma.Operation) (social.Actor, error) {
	if err := s.checkSite(c, false); err != nil {
		return social.Actor{}, err
	}
	rule, ok := op.Metadata[social.MetaAuth].(social.Auth)
	if !ok { // an operation hidden from the document, which is where this is checked
		return social.Actor{}, fmt.Errorf("server: operation %s does not say who may call it", op.OperationID)
	}
	budget, ok := op.Metadata[social.MetaLimit].(social.Budget)
	if !ok {
		budget = budgetOf(c.Method())
	}
	var a social.Actor
	if rule != social.AuthNone {
		var err error
		if a, err = s.identify(c); err != nil {
			if limited := s.spend(c, budget, social.Actor{}); limited != nil {
				return a, limited
			}
			return a, err
		}
	}
	if err := s.spend(c, budget, a); err != nil {
		return a, err
	}
	if err := authorize(rule, a); err != nil || !pays(op) {
		return a, err
	}
	return a, s.mayStore(c, a)
}

// stillMay asks once more who sent an upload, and whether they may: nothing is spent.
func (s *Server) stillMay(c *fiber.Ctx, op *huma.Operation) (social.Actor, error) {
	rule, _ := op.Metadata[social.MetaAuth].(social.Auth)
	if rule == social.AuthNone {
		return social.Actor{}, nil
	}
	c.Locals(localActor, nil)
	a, err := s.identify(c)
	if err != nil {
		return a, err
	}
	return a, authorize(rule, a)
}

// pays reports whether who asks has to have a quota left, and pays for what the operation writes.
func pays(op *huma.Operation) bool {
	return budgetOf(op.Method) == social.BudgetWrite && op.Method != fiber.MethodDelete &&
		op.Metadata[social.MetaReserve] != true
}

func budgetOf(method string) social.Budget {
	if method == fiber.MethodGet || method == fiber.MethodHead {
		return social.BudgetRead
	}
	return social.BudgetWrite
}

// checkInput holds a request against its operation, and rewrites the body into the form handlers rely on.
func checkInput(c *fiber.Ctx, op *huma.Operation) error {
	if !acceptsJSON(c.Get(fiber.HeaderAccept)) {
		return routerFault(fiber.StatusNotAcceptable)
	}
	if err := checkParameters(c, op); err != nil {
		return err
	}
	if op.RequestBody != nil && op.Metadata[social.MetaUpload] == nil {
		return checkBody(c, op)
	}
	return nil
}

const headerKey = "Idempotency-Key"

// checkParameters refuses query parameters that are unknown, given twice or not text, and, where a key is read, an
// Idempotency-Key that is empty or not visible ASCII.
func checkParameters(c *fiber.Ctx, op *huma.Operation) error {
	query, err := url.ParseQuery(string(c.Request().URI().QueryString()))
	if err != nil {
		return malformed("The query is malformed.")
	}
	var bad []social.Field
	for name, values := range query {
		pointer := jsonPointer([]string{name})[1:]
		switch {
		case !hasParam(op, "query", name):
			bad = append(bad, social.QueryField(pointer, social.FieldUnknown, "There is no such parameter."))
		case len(values) > 1:
			bad = append(bad, social.QueryField(pointer, social.FieldDuplicate, "Give this parameter once."))
		case !utf8.ValidString(values[0]) || strings.ContainsFunc(values[0], isControl):
			bad = append(bad, social.QueryField(pointer, social.FieldBadFormat, "UTF-8 without control characters."))
		}
	}
	slices.SortFunc(bad, byPointer)
	if keys := c.Request().Header.PeekAll(headerKey); len(keys) > 0 && hasParam(op, "header", headerKey) &&
		(len(keys[0]) == 0 || bytes.ContainsFunc(keys[0], func(r rune) bool { return r <= ' ' || r >= 0x7f })) {
		bad = append(bad, social.Field{In: "header", Pointer: "/" + headerKey, Code: social.FieldBadFormat,
			Detail: "1 to 255 visible ASCII characters."})
	}
	if len(bad) > 0 {
		return social.Invalid(bad...)
	}
	return nil
}

func hasParam(op *huma.Operation, in, name string) bool {
	return slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool { return p.In == in && p.Name == name })
}

// checkBody refuses a body of another media type and one that is not strict JSON.
func checkBody(c *fiber.Ctx, op *huma.Operation) error {
	body := c.Request().Body()
	if len(body) == 0 {
		if op.RequestBody.Required {
			return social.NewFault(social.CodeInvalidJSON, "A JSON body is needed.")
		}
		return nil
	}
	media, params, err := mime.ParseMediaType(string(c.Request().Header.ContentType()))
	charset, hasCharset := params["charset"]
	_, taken := op.RequestBody.Content[media]
	if err != nil || !taken || (hasCharset && !strings.EqualFold(charset, "utf-8")) ||
		len(c.Request().Header.ContentEncoding()) > 0 {
		return routerFault(fiber.StatusUnsupportedMediaType)
	}
	if media != fiber.MIMEApplicationJSON {
		return nil
	}
	strict, err := strictJSON(body, op.Method != fiber.MethodPatch)
	if err != nil {
		return err
	}
	c.Request().SetBody(strict)
	c.Request().Header.SetContentType(media) // huma compares it letter for letter
	return nil
}

// acceptsJSON reports whether an Accept header takes application/json. Who names the type of problems takes it too.
func acceptsJSON(accept string) bool {
	weight, named := plugins.Weight(accept, fiber.MIMEApplicationJSON)
	if w, problem := plugins.Weight(accept, problemType); problem && !named {
		weight = w
	}
	return weight > 0
}
