//go:build ignore

// Makes services.txt from IANA's Service Name and Transport Protocol Port
// Number Registry (service-names-port-numbers.csv), named as an argument. A
// line is a port or a range, the protocols' first letters (t tcp, u udp, s
// sctp, d dccp), and the service's name; names without a port and ranges of
// reserved or unassigned ports are left out.
package main

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
)

type service struct {
	from, to int
	name     string
	letters  string
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run generate_services.go service-names-port-numbers.csv")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(path string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	rows, err := csv.NewReader(bufio.NewReader(in)).ReadAll()
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	letters := map[string]string{"tcp": "t", "udp": "u", "sctp": "s", "dccp": "d"}
	taken := map[string]bool{} // port and protocol: the first name is the usual one
	found := map[string]*service{}
	for _, row := range rows[1:] {
		name, ports, letter := row[0], row[1], letters[row[2]]
		if name == "" || ports == "" || letter == "" || taken[ports+letter] {
			continue
		}
		taken[ports+letter] = true
		first, last, isRange := strings.Cut(ports, "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err1 != nil || err2 != nil {
			return fmt.Errorf("ports %q of %q make no sense", ports, name)
		}
		key := ports + " " + name
		if found[key] == nil {
			found[key] = &service{from: from, to: to, name: name}
		}
		found[key].letters += letter
	}
	var all []*service
	for _, s := range found {
		all = append(all, s)
	}
	sort.Slice(all, func(i, j int) bool {
		a, b := all[i], all[j]
		if a.from != b.from {
			return a.from < b.from
		}
		return a.name < b.name
	})
	out, err := os.Create("services.txt")
	if err != nil {
		return err
	}
	w := bufio.NewWriter(out)
	for _, s := range all {
		ports := strconv.Itoa(s.from)
		if s.to != s.from {
			ports += "-" + strconv.Itoa(s.to)
		}
		fmt.Fprintln(w, ports, s.letters, s.name)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return out.Close()
}
