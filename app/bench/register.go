package bench

import (
	"context"
	"errors"
)

// register makes the people of a plan through the API of a running server.
func (b *Bench) register(context.Context, *Server, Plan) (People, error) {
	return People{}, errors.ErrUnsupported
}
