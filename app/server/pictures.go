package server

import (
	"bytes"
	"context"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/belfry-social/belfry/modules/social"
)

// Pictures has the files of pictures. The fault not_found: there is no such file, or nobody is shown it any more.
type Pictures interface {
	Open(ctx context.Context, token, name string) (social.MediaFile, error)
}

const (
	picturesPath   = "/media/"
	picturesPolicy = "default-src 'none'; sandbox"
	// picturesTime is how long a file may take to reach a client: 16 MiB at 140 KiB a second.
	picturesTime = 2 * time.Minute
)

// ServePictures adds the files of pictures, GET /media/{token}/{name}. The address is the permission. What it gives
// never changes, so it is kept by whoever got it for as long as they like.
func (s *Server) ServePictures(from Pictures) {
	s.get(picturesPath+":token/:name", func(c *fiber.Ctx) error {
		f, err := from.Open(c.UserContext(), c.Params("token"), c.Params("name"))
		if err != nil {
			return err
		}
		etag := social.ETagOf([]byte(c.Path()), false) // another picture has another address
		c.Set(fiber.HeaderETag, etag)
		c.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
		if social.HasETag(c.Get(fiber.HeaderIfNoneMatch), etag, true) {
			c.Status(fiber.StatusNotModified)
			return f.Body.Close()
		}
		c.Set(fiber.HeaderContentType, f.MIME)
		c.Set(fiber.HeaderContentDisposition, "inline")
		c.Set(fiber.HeaderContentSecurityPolicy, picturesPolicy)
		c.Context().SetBodyStream(f.Body, int(f.Size)) // which closes it
		return nil
	})
}

// received is called when the head of a request is read.
func (s *Server) received(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	s.detour.divert(h)
	cfg := readTokens(h)
	if bytes.HasPrefix(h.RequestURI(), []byte(picturesPath)) {
		cfg.WriteTimeout = max(picturesTime, s.cfg.WriteTimeout)
	}
	return cfg
}

// bodySize is how long an answer is, which may be a file that is not read yet.
func bodySize(r *fasthttp.Response) int {
	if r.IsBodyStream() {
		return r.Header.ContentLength()
	}
	return len(r.Body())
}
