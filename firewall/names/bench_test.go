package names

import "testing"

// BenchmarkSee is what a question and its answer cost the engine.
func BenchmarkSee(b *testing.B) {
	table := newTable(Options{})
	question := out(resolver, message(b, 7, false, "www.example.org. A"))
	answer := in(resolver, message(b, 7, true, "www.example.org. A", "www.example.org. CNAME cdn.example.net.", "cdn.example.net. A 192.0.2.1"))
	b.ReportAllocs()
	for b.Loop() {
		table.See(question)
		table.See(answer)
	}
}
