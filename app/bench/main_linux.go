// bench measures the same network work with and without the firewall, turn by
// turn in one run, and prints each figure as a ratio: the median over the
// rounds of what was measured with the firewall to the mean of what was
// measured without right before and right after. Client and server are kept on processors of their own. It runs in
// network namespaces and a cgroup of its own; nothing else on the computer is
// touched.
//
//	bench -sallyport build/sallyport -load build/load
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	program := flag.String("sallyport", "build/sallyport", "the program to measure")
	load := flag.String("load", "build/load", "the load generator")
	rounds := flag.Int("rounds", 10, "how often each set-up has its turn")
	only := flag.String("only", "", "do only this work: "+names(works)+", "+identities)
	each := flag.Duration("each", 600*time.Millisecond, "how long each work is done")
	limit := flag.Duration("limit", 10*time.Minute, "when to give up")
	flag.Parse()
	if *only != "" {
		works = slices.DeleteFunc(works, func(k work) bool { return k.name != *only })
		rows = slices.DeleteFunc(rows, func(r row) bool { return r.work != *only })
	}
	if len(works) == 0 && *only != identities || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	if err := bench(ctx, *program, *load, *rounds, *each); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// work is one kind of load, and for how many times the usual time it is done:
// what varies most takes longest.
type work struct {
	name  string
	args  []string
	times time.Duration
}

var works = []work{
	{"tcp1", []string{"tcp", "-c", "1"}, 2},
	{"tcp16", []string{"tcp", "-c", "16"}, 1},
	{"udp1", []string{"udp", "-c", "1"}, 1},
	{"dns1", []string{"dns", "-c", "1"}, 1},
	{"spawn1", []string{"spawn", "-c", "1"}, 1},
	{"bulk", []string{"bulk"}, 3},
}

func names(works []work) string {
	var names []string
	for _, k := range works {
		names = append(names, k.name)
	}
	return strings.Join(names, ", ")
}

// setup is a firewall with so many rules of other programs.
type setup struct {
	name  string
	rules int
}

var setups = []setup{{"sallyport", 0}, {"10,000 rules", 10_000}}

func bench(ctx context.Context, program, load string, rounds int, each time.Duration) error {
	if os.Geteuid() != 0 {
		return errors.New("needs root: it makes network namespaces and a cgroup")
	}
	var err error
	if program, err = filepath.Abs(program); err != nil {
		return err
	}
	if load, err = filepath.Abs(load); err != nil {
		return err
	}
	w, err := newWorld(ctx, program, load)
	if err != nil {
		return err
	}
	defer w.close()
	r := newReport()
	for _, s := range setups {
		if err := prepare(ctx, w, s, r); err != nil {
			return fmt.Errorf("prepare %s: %w", s.name, err)
		}
	}
	for round := range rounds {
		if len(works) == 0 {
			break
		}
		for _, k := range works {
			if err := compare(ctx, w, k, round, each, r); err != nil {
				return fmt.Errorf("%s, round %d: %w", k.name, round+1, err)
			}
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, rounds)
	}
	if len(works) > 0 {
		err = r.print(os.Stdout)
	}
	if len(works) != 1 {
		err = errors.Join(err, identify(ctx, w, os.Stdout))
	}
	return err
}

// prepare writes the set-up's rules once; each turn then starts an engine with
// them.
func prepare(ctx context.Context, w *world, s setup, r *report) error {
	if err := w.start(ctx, s.name); err != nil {
		return err
	}
	if err := w.permit(ctx, s.rules); err != nil {
		return err
	}
	memory, err := w.memory()
	r.memory(s.name, memory)
	return errors.Join(err, w.stop())
}

// compare does one work in each set-up, which of them first changes from round
// to round. A computer is not always as fast: before and after each, the work
// is done without a firewall.
func compare(ctx context.Context, w *world, k work, round int, each time.Duration, r *report) error {
	before, err := perform(ctx, w, k, each)
	if err != nil {
		return err
	}
	for i := range setups {
		s := setups[(i+round)%len(setups)]
		with, err := measure(ctx, w, s, k, each, r)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		after, err := perform(ctx, w, k, each)
		if err != nil {
			return err
		}
		r.add(s.name, k.name, turn{before, with, after})
		before = after
	}
	return nil
}

// warmUp is for how long a work is done before it is measured.
const warmUp = 300 * time.Millisecond

// perform does one work once.
func perform(ctx context.Context, w *world, k work, each time.Duration) (result, error) {
	if _, err := w.load(ctx, append(k.args, "-d", warmUp.String())...); err != nil {
		return result{}, err
	}
	return w.load(ctx, append(k.args, "-d", (k.times*each).String())...)
}

// measure does one work once in one set-up, and then asks.
func measure(ctx context.Context, w *world, s setup, k work, each time.Duration, r *report) (with result, err error) {
	if err := w.start(ctx, s.name); err != nil {
		return with, err
	}
	before, err := w.busy()
	if err != nil {
		return with, err
	}
	start := time.Now()
	if with, err = perform(ctx, w, k, each); err != nil {
		return with, err
	}
	after, err := w.busy()
	if err != nil {
		return with, err
	}
	r.share(s.name, float64(after-before)/float64(time.Since(start)))
	asked, connected, err := w.askAnew(ctx)
	if err != nil {
		return with, fmt.Errorf("ask: %w", err)
	}
	r.question(s.name, asked, connected)
	memory, err := w.memory()
	r.memory(s.name, memory)
	return with, errors.Join(err, w.stop())
}
