package config

// FullMemory is from where on caches have their full size: what a container of 512 MiB leaves to Go.
const FullMemory = 384 << 20

// caches are the keys whose defaults follow the memory that there is.
var caches = []string{"posts.cached_keys", "posts.cached_bytes", "follows.cached_edges", "channels.sse.tail_bytes",
	"media.decode_memory"}

// Sized is the part of a full size that fits the memory, in sixteenths and at least one; all of it if memory is 0.
func Sized(full, memory int64) int64 {
	if memory <= 0 || memory >= FullMemory {
		return full
	}
	return full / 16 * max(1, memory*16/FullMemory)
}

func (l *loader) size(f field) {
	full := f.value.Int()
	f.value.SetInt(Sized(full, l.src.Memory))
	l.sized[f.key] = f.value.Int() != full
}
