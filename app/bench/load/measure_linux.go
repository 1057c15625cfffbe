package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

type result struct {
	Mode     string            `json:"mode"`
	C        int               `json:"c"`
	Secs     float64           `json:"secs"`
	N        int               `json:"n"`
	PerSec   float64           `json:"per_s"`
	P50      float64           `json:"p50_us"`
	P99      float64           `json:"p99_us"`
	P999     float64           `json:"p999_us"`
	Max      float64           `json:"max_us"`
	TxP50    float64           `json:"tx_p50_us,omitempty"`
	TxP99    float64           `json:"tx_p99_us,omitempty"`
	Slow     int               `json:"slow_900ms"` // a SYN retransmission costs 1 s
	Errs     map[string]uint64 `json:"errs"`
	CliCPUus float64           `json:"cli_cpu_us_per_op"`
	MBps     float64           `json:"MB_per_s,omitempty"`
	T0ns     int64             `json:"t0_ns,omitempty"` // once: wall clock before connect
}

func pct(v []int64, p float64) float64 {
	if len(v) == 0 {
		return 0
	}
	i := int(p * float64(len(v)))
	if i >= len(v) {
		i = len(v) - 1
	}
	return float64(v[i]) / 1000
}

func cpuNow() float64 {
	var ru syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &ru)
	return float64(ru.Utime.Nano()+ru.Stime.Nano()) / 1000
}

type errTab struct {
	sync.Mutex
	m map[string]uint64
}

func (t *errTab) add(what string, e syscall.Errno) {
	t.Lock()
	if e == syscall.EINPROGRESS || e == syscall.EAGAIN {
		t.m[what+":timeout"]++
	} else {
		t.m[what+":"+e.Error()]++
	}
	t.Unlock()
}

func run(mode string, c int, d time.Duration, op func(w, i int, t *errTab) (lat, tx int64)) {
	lats := make([][]int64, c)
	txs := make([][]int64, c)
	for i := range lats {
		lats[i] = make([]int64, 0, 1<<19)
		txs[i] = make([]int64, 0, 1<<19)
	}
	et := &errTab{m: map[string]uint64{}}
	var start, done sync.WaitGroup
	start.Add(1)
	var stop atomic.Bool
	for w := 0; w < c; w++ {
		done.Add(1)
		go func() {
			defer done.Done()
			runtime.LockOSThread()
			start.Wait()
			for i := 0; !stop.Load() && len(lats[w]) < 1<<19; i++ {
				l, x := op(w, i, et)
				if l >= 0 {
					lats[w] = append(lats[w], l)
					txs[w] = append(txs[w], x)
				}
			}
		}()
	}
	c0 := cpuNow()
	t0 := time.Now()
	start.Done()
	time.Sleep(d)
	stop.Store(true)
	done.Wait()
	el := time.Since(t0).Seconds()
	cpu := cpuNow() - c0
	var all, allx []int64
	for w := range lats {
		all = append(all, lats[w]...)
		allx = append(allx, txs[w]...)
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	sort.Slice(allx, func(i, j int) bool { return allx[i] < allx[j] })
	r := result{Mode: mode, C: c, Secs: el, N: len(all), PerSec: float64(len(all)) / el, Errs: et.m,
		P50: pct(all, .5), P99: pct(all, .99), P999: pct(all, .999), Max: pct(all, 1),
		TxP50: pct(allx, .5), TxP99: pct(allx, .99)}
	for _, v := range all {
		if v > 900e6 {
			r.Slow++
		}
	}
	if r.N > 0 {
		r.CliCPUus = cpu / float64(r.N)
	}
	out(r)
}

func out(r result) { b, _ := json.Marshal(r); fmt.Println(string(b)) }
