package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// report collects the figures of all rounds.
type report struct {
	turns     map[[2]string][]turn // by set-up and work
	asked     map[string][]time.Duration
	connected map[string][]time.Duration
	resident  map[string][]uint64
	busy      map[string][]float64
}

// turn is what was measured of one work in one set-up, and without a firewall
// right before and after.
type turn struct{ before, with, after result }

func newReport() *report {
	return &report{map[[2]string][]turn{}, map[string][]time.Duration{}, map[string][]time.Duration{}, map[string][]uint64{}, map[string][]float64{}}
}

func (r *report) add(setup, work string, t turn) {
	key := [2]string{setup, work}
	r.turns[key] = append(r.turns[key], t)
}

func (r *report) question(setup string, asked, connected time.Duration) {
	r.asked[setup] = append(r.asked[setup], asked)
	r.connected[setup] = append(r.connected[setup], connected)
}

func (r *report) memory(setup string, n uint64) { r.resident[setup] = append(r.resident[setup], n) }

// share takes how much of one processor the engine used while the work was done.
func (r *report) share(setup string, x float64) { r.busy[setup] = append(r.busy[setup], x) }

// row is one figure as a ratio to the computer without a firewall, and what
// it should be: at least target, or at most where less is better.
type row struct {
	name   string
	work   string
	figure func(result) float64
	less   bool
	target float64
}

var rows = []row{
	{"TCP connections/s, 1 at a time", "tcp1", perSecond, false, 0.95},
	{"TCP connections/s, 16 at a time", "tcp16", perSecond, false, 0.90},
	{"p99 of connect, 1 at a time", "tcp1", p99, true, 1.3},
	{"p99 of connect, 16 at a time", "tcp16", p99, true, 1.3},
	{"UDP requests/s", "udp1", perSecond, false, 0.90},
	{"DNS requests/s", "dns1", perSecond, false, 0.90},
	{"p50 of connect, a fresh process each", "spawn1", p50, true, 1.5},
	{"bulk throughput", "bulk", func(x result) float64 { return x.MBps }, false, 0.97},
}

func perSecond(x result) float64 { return x.PerSecond }
func p50(x result) float64       { return x.P50 }
func p99(x result) float64       { return x.P99 }

func (r *report) print(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\n\twithout\twith / without: median (quartiles)\t10,000 rules / without\ttarget\n")
	for _, line := range rows {
		without, _ := r.figures(setups[0].name, line)
		fmt.Fprintf(w, "%s\t%.0f", line.name, quantile(without, 0.5))
		for _, s := range setups {
			_, ratios := r.figures(s.name, line)
			ratio := quantile(ratios, 0.5)
			met := ratio >= line.target
			if line.less {
				met = ratio <= line.target
			}
			fmt.Fprintf(w, "\t%.2f (%.2f-%.2f)%s", ratio, quantile(ratios, 0.25), quantile(ratios, 0.75), mark(met))
		}
		bound := "at least"
		if line.less {
			bound = "at most"
		}
		fmt.Fprintf(w, "\t%s %.2f\n", bound, line.target)
	}
	for _, s := range setups {
		asked, connected, resident := quantile(r.asked[s.name], 0.5), quantile(r.connected[s.name], 0.5), slices.Max(r.resident[s.name])
		fmt.Fprintf(w, "\n%s:\n", s.name)
		fmt.Fprintf(w, "connect() to the question at its watchers\t%s\n", asked.Round(10*time.Microsecond))
		fmt.Fprintf(w, "answer to connected\t%s%s\tat most 5ms\n", connected.Round(10*time.Microsecond), mark(connected <= 5*time.Millisecond))
		fmt.Fprintf(w, "engine, of one processor during the work\t%.1f %%\n", 100*quantile(r.busy[s.name], 0.5))
		fmt.Fprintf(w, "engine, resident at most\t%.1f MB%s\tat most 60 MB\n", float64(resident)/1e6, mark(resident <= 60e6))
	}
	return w.Flush()
}

func mark(met bool) string {
	if met {
		return ""
	}
	return " (missed)"
}

// figures are what was measured without a firewall, and the ratios to that of
// what was measured with it, of all rounds in order.
func (r *report) figures(setup string, line row) (without, ratios []float64) {
	for _, t := range r.turns[[2]string{setup, line.work}] {
		mean := (line.figure(t.before) + line.figure(t.after)) / 2
		without, ratios = append(without, mean), append(ratios, line.figure(t.with)/mean)
	}
	return without, ratios
}

// quantile is the value below which the share q of the values lies.
func quantile[T cmp.Ordered](v []T, q float64) (at T) {
	if len(v) == 0 {
		return at
	}
	sorted := slices.Sorted(slices.Values(v))
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}
