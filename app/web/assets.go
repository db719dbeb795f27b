package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"mime"
	"path"
	"strings"
	"sync"

	"github.com/belfry-social/belfry/modules/social"
)

// asset is one file for browsers.
type asset struct {
	content, packed []byte // packed by gzip; nil where that gains nothing
	mediaType       string
	tag, packedTag  string // strong ETags
	version         string // of the content: "" for the page itself
}

// assets are all files by name, the page as index.html. They are made once and never change.
var assets = sync.OnceValue(func() map[string]asset {
	list := map[string]asset{}
	names, err := fs.Glob(static, "static/*")
	if err != nil {
		panic(err) // the pattern is right
	}
	for _, name := range names {
		b, err := static.ReadFile(name)
		if err != nil {
			panic(err) // embedded: cannot be absent
		}
		sum := sha256.Sum256(b)
		list[path.Base(name)] = newAsset(b, path.Ext(name), hex.EncodeToString(sum[:8]))
	}
	page := string(list["index.html"].content)
	for name, a := range list { // what the page names is kept for a year, so it names the version
		page = strings.ReplaceAll(page, `"/assets/`+name+`"`, `"/assets/`+name+`?v=`+a.version+`"`)
	}
	list["index.html"] = newAsset([]byte(page), ".html", "")
	return list
})

func newAsset(b []byte, ext, version string) asset {
	a := asset{content: b, mediaType: mediaTypeOf(ext), tag: social.ETagOf(b, false), version: version}
	if strings.HasPrefix(a.mediaType, "image/png") {
		return a
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(b)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // a buffer takes all
	}
	if packed.Len() < len(b) {
		a.packed, a.packedTag = packed.Bytes(), social.ETagOf(packed.Bytes(), false)
	}
	return a
}

func mediaTypeOf(ext string) string {
	switch ext {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".webmanifest":
		return "application/manifest+json"
	case ".txt":
		return "text/plain; charset=utf-8"
	}
	return mime.TypeByExtension(ext)
}
