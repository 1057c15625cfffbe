package firewall

import (
	"hash/maphash"
	"iter"
	"maps"
)

// shards is an immutable map from texts. A change of it copies only the parts
// in which something changes, so that ten thousand rules are not copied for
// one. The zero shards is empty.
type shards[V any] struct {
	parts *[shardCount]map[string]V
	count int
}

// shardCount parts of ten thousand rules have forty each: copying one, and the
// list of all parts, takes about as long.
const shardCount = 256

var shardSeed = maphash.MakeSeed()

func shardOf(key string) int { return int(maphash.String(shardSeed, key) % shardCount) }

func (s shards[V]) get(key string) (v V, ok bool) {
	if s.parts == nil {
		return v, false
	}
	v, ok = s.parts[shardOf(key)][key]
	return v, ok
}

func (s shards[V]) all() iter.Seq[V] {
	return func(yield func(V) bool) {
		if s.parts == nil {
			return
		}
		for _, part := range s.parts {
			for _, v := range part {
				if !yield(v) {
					return
				}
			}
		}
	}
}

// draft returns a copy that can be changed; s stays as it is.
func (s shards[V]) draft() *draft[V] {
	parts := new([shardCount]map[string]V)
	if s.parts != nil {
		*parts = *s.parts
	}
	return &draft[V]{shards: shards[V]{parts, s.count}}
}

// draft is a shards that is being changed.
type draft[V any] struct {
	shards[V]
	owned [shardCount]bool // parts that are copied already
}

func (d *draft[V]) part(key string) map[string]V {
	i := shardOf(key)
	if !d.owned[i] {
		d.owned[i] = true
		if d.parts[i] = maps.Clone(d.parts[i]); d.parts[i] == nil {
			d.parts[i] = make(map[string]V)
		}
	}
	return d.parts[i]
}

func (d *draft[V]) set(key string, v V) {
	part := d.part(key)
	before := len(part)
	part[key] = v
	d.count += len(part) - before
}

func (d *draft[V]) remove(key string) {
	part := d.part(key)
	before := len(part)
	delete(part, key)
	d.count += len(part) - before
}
