package firewall

import (
	"hash/maphash"
	"iter"
	"maps"
)

// sharded is a key of shards; part is the text that says in which part it is.
type sharded interface {
	comparable
	part() string
}

// shards is an immutable map. A change of it copies only the parts
// in which something changes, so that ten thousand rules are not copied for
// one. The zero shards is empty.
type shards[K sharded, V any] struct {
	parts *[shardCount]map[K]V
	count int
}

// shardCount parts of ten thousand rules have forty each: copying one, and the
// list of all parts, takes about as long.
const shardCount = 256

var shardSeed = maphash.MakeSeed()

func shardOf[K sharded](key K) int { return int(maphash.String(shardSeed, key.part()) % shardCount) }

func (s shards[K, V]) get(key K) (v V, ok bool) {
	if s.parts == nil {
		return v, false
	}
	v, ok = s.parts[shardOf(key)][key]
	return v, ok
}

func (s shards[K, V]) all() iter.Seq[V] {
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
func (s shards[K, V]) draft() *draft[K, V] {
	parts := new([shardCount]map[K]V)
	if s.parts != nil {
		*parts = *s.parts
	}
	return &draft[K, V]{shards: shards[K, V]{parts, s.count}}
}

// draft is a shards that is being changed.
type draft[K sharded, V any] struct {
	shards[K, V]
	owned [shardCount]bool // parts that are copied already
}

func (d *draft[K, V]) own(key K) map[K]V {
	i := shardOf(key)
	if !d.owned[i] {
		d.owned[i] = true
		if d.parts[i] = maps.Clone(d.parts[i]); d.parts[i] == nil {
			d.parts[i] = make(map[K]V)
		}
	}
	return d.parts[i]
}

func (d *draft[K, V]) set(key K, v V) {
	part := d.own(key)
	before := len(part)
	part[key] = v
	d.count += len(part) - before
}

func (d *draft[K, V]) remove(key K) {
	part := d.own(key)
	before := len(part)
	delete(part, key)
	d.count += len(part) - before
}
