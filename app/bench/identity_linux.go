package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// What it costs to know programs is measured with rules that name them, and
// with one for any program, which needs to know none.
const (
	turnsOfIdentity = 6
	newPrograms     = 10 // in each turn
	questions       = 7  // about small and about large programs
	smallProgram    = 4 << 20
	largeProgram    = 300 << 20
)

// identity is what it costs to know programs: times in microseconds.
type identity struct {
	first, later map[string][]float64 // by the data of the engine
	asked        map[int64][]float64  // by the size of the program
}

// identities is the name of this work.
const identities = "identity"

// identify measures it and prints it.
func identify(ctx context.Context, w *world, to io.Writer) error {
	of, err := newIdentity(ctx, w)
	if err != nil {
		return fmt.Errorf("identify programs: %w", err)
	}
	return of.print(to)
}

func newIdentity(ctx context.Context, w *world) (*identity, error) {
	of := &identity{map[string][]float64{}, map[string][]float64{}, map[int64][]float64{}}
	path := func(data string, turn, n int) string {
		return filepath.Join(w.dir, fmt.Sprintf("%s-%d-%d", data, turn, n))
	}
	var named []string
	for turn := range turnsOfIdentity {
		for n := range newPrograms {
			named = append(named, path("named", turn, n))
		}
	}
	if err := w.allow(ctx, "named", append(named, w.generator)...); err != nil {
		return of, err
	}
	if err := w.allow(ctx, "any", firewall.AnyProgram); err != nil {
		return of, err
	}
	for turn := range turnsOfIdentity {
		data := []string{"named", "any"}
		if turn%2 == 1 {
			slices.Reverse(data)
		}
		for _, data := range data {
			if err := w.connectAnew(ctx, of, data, func(n int) string { return path(data, turn, n) }); err != nil {
				return of, fmt.Errorf("%s: %w", data, err)
			}
		}
	}
	return of, w.askAgain(ctx, of)
}

// askAgain measures the questions about other files in the place of allowed
// ones.
func (w *world) askAgain(ctx context.Context, of *identity) error {
	path := func(size int64, n int) string { return filepath.Join(w.dir, fmt.Sprintf("asked-%d-%d", size, n)) }
	var named []string
	for n := range questions {
		named = append(named, path(smallProgram, n), path(largeProgram, n))
	}
	for _, path := range named {
		if err := w.copyTo(path, 0); err != nil {
			return err
		}
	}
	if err := w.allow(ctx, "asking", named...); err != nil {
		return err
	}
	if err := w.start(ctx, "asking"); err != nil {
		return err
	}
	for n := range questions {
		for _, size := range []int64{smallProgram, largeProgram} {
			path := path(size, n)
			if _, err := w.run(ctx, path, "once"); err != nil {
				return err
			}
			if err := w.isRead(ctx, path); err != nil {
				return err
			}
			if err := errors.Join(os.Remove(path), w.copyTo(path, size)); err != nil {
				return err
			}
			asked, _, err := w.ask(ctx, path)
			if err != nil {
				return fmt.Errorf("ask: %w", err)
			}
			of.asked[size] = append(of.asked[size], float64(asked.Microseconds()))
			os.Remove(path)
		}
	}
	return w.stop()
}

// isRead waits until the engine has read a program.
func (w *world) isRead(ctx context.Context, path string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		all, err := w.control.Identities(ctx)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(all, func(i ui.Identity) bool { return i.Program == path && i.SHA256 != "" }) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s was not read: %w", path, ctx.Err())
		}
	}
}

// allow has the data of an engine allow programs.
func (w *world) allow(ctx context.Context, data string, programs ...string) error {
	if err := w.start(ctx, data); err != nil {
		return err
	}
	for _, program := range programs {
		if _, err := w.control.AddRule(ctx, ui.Rule{Program: program, Verdict: firewall.Allow, Until: "always", Enabled: true}); err != nil {
			return errors.Join(err, w.stop())
		}
	}
	return w.stop()
}

// connectAnew measures the first connections of new programs, and later ones of
// the load generator.
func (w *world) connectAnew(ctx context.Context, of *identity, data string, path func(n int) string) error {
	if err := w.start(ctx, data); err != nil {
		return err
	}
	for n := range newPrograms {
		if err := w.copyTo(path(n), 0); err != nil {
			return err
		}
		once, err := w.run(ctx, path(n), "once")
		if err != nil {
			return err
		}
		of.first[data] = append(of.first[data], once.P50)
	}
	for _, d := range []time.Duration{warmUp, time.Second} {
		later, err := w.load(ctx, "tcp", "-c", "1", "-d", d.String())
		if err != nil {
			return err
		}
		if d != warmUp {
			of.later[data] = append(of.later[data], later.PerSecond)
		}
	}
	return w.stop()
}

func (of *identity) print(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	ms := func(x float64) string { return time.Duration(x * 1000).Round(10 * time.Microsecond).String() }
	median := func(x []float64) float64 { return quantile(x, 0.5) }
	fmt.Fprintf(w, "\nidentifying programs:\n")
	named, any := median(of.first["named"]), median(of.first["any"])
	fmt.Fprintf(w, "first connect() of a program, allowed by its rule / by one for any program\t%s / %s: %s more%s\tat most 300µs\n",
		ms(named), ms(any), ms(named-any), mark(named-any <= 300))
	ratio := median(of.later["named"]) / cmp.Or(median(of.later["any"]), 1)
	fmt.Fprintf(w, "later connections/s, allowed by its rule / by one for any program\t%.2f%s\tat least 0.97\n", ratio, mark(ratio >= 0.97))
	small, large := median(of.asked[smallProgram]), median(of.asked[largeProgram])
	fmt.Fprintf(w, "connect() to the question about another file, of 300 MB / of 4 MB\t%s / %s%s\tat most 300ms\n", ms(large), ms(small), mark(large <= 300_000))
	return w.Flush()
}
