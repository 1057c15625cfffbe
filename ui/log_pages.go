package ui

import "slices"

// The activity view shows a list of up to a million lines, of which only the
// pages near the ones on screen are in memory.
const (
	pageLines = 500       // lines fetched at once
	maxPages  = 40        // pages kept in memory
	maxLines  = 1_000_000 // lines that can be reached by scrolling
	maxHead   = 2 * pageLines
	lookAhead = 100 // lines from the end at which the next page is fetched
)

// logPages is what is known of the log under one query, newest first: the live
// lines that came since it was opened, then the pages. It belongs to Fyne's
// goroutine.
type logPages struct {
	query   LogQuery
	fetch   func(LogQuery, func([]LogLine, error)) // the second argument gets the lines on Fyne's goroutine
	changed func()                                 // lines came
	failed  func(error)

	head    []LogLine // newer than the first page, oldest first
	pages   []logPage
	ended   bool // the last page is the oldest
	loading bool
	renew   bool   // what is held is from before the log was opened anew
	opened  int    // counts how often the log was opened anew: late pages are dropped
	clock   uint64 // grows with each look at a page
}

// logPage is a page whose lines may have been dropped to save memory. The
// first page always has its lines.
type logPage struct {
	last  string // ID of the oldest line
	count int
	lines []LogLine // nil: dropped
	used  uint64
}

// open reads the newest page under a query. What is held is shown until that
// has come.
func (p *logPages) open(q LogQuery) {
	p.query = q
	p.opened++
	p.loading, p.renew = false, true
	p.load(0)
}

// length is the number of lines that can be shown.
func (p *logPages) length() int {
	n := len(p.head)
	if k := len(p.pages); k > 0 {
		n += (k-1)*pageLines + p.pages[k-1].count
	}
	return n
}

// full tells that older lines exist that cannot be reached by scrolling.
func (p *logPages) full() bool { return !p.ended && len(p.pages)*pageLines >= maxLines }

// line returns a line, the newest being 0, or false while its page is not in
// memory: it is fetched then, and changed called.
func (p *logPages) line(i int) (LogLine, bool) {
	if i < 0 || i >= p.length() {
		return LogLine{}, false
	}
	if i >= p.length()-lookAhead && !p.ended && !p.full() {
		p.load(len(p.pages))
	}
	if i < len(p.head) {
		return p.head[len(p.head)-1-i], true
	}
	i -= len(p.head)
	number := i / pageLines
	page := &p.pages[number]
	p.clock++
	page.used = p.clock
	if i %= pageLines; i < len(page.lines) {
		return page.lines[i], true
	}
	if page.lines == nil {
		p.load(number)
	}
	return LogLine{}, false
}

// load fetches a page unless another is on its way; the redraw that follows
// asks again for what is still missing.
func (p *logPages) load(number int) {
	if p.loading {
		return
	}
	p.loading = true
	q := p.query
	q.Limit = pageLines
	if number > 0 {
		q.Before = p.pages[number-1].last
	}
	opened := p.opened
	p.fetch(q, func(lines []LogLine, err error) {
		if opened != p.opened {
			return
		}
		p.loading = false
		if err != nil {
			p.renew = false
			p.failed(err)
			return
		}
		p.loaded(number, lines)
		p.changed()
	})
}

func (p *logPages) loaded(number int, lines []LogLine) {
	if p.renew {
		p.renew, p.pages = false, nil
		p.head = slices.DeleteFunc(p.head, func(l LogLine) bool { return !p.query.Matches(l) })
	}
	if number < len(p.pages) {
		if lines == nil {
			lines = []LogLine{} // read, and no longer in the log
		}
		p.pages[number].lines = lines
	} else {
		p.ended = len(lines) < pageLines
		if len(lines) == 0 {
			return
		}
		p.clock++
		p.pages = append(p.pages, logPage{last: lines[len(lines)-1].ID, count: len(lines), lines: lines, used: p.clock})
		if number == 0 {
			p.dropOlder(lines[0].ID)
		}
	}
	p.evict()
}

// dropOlder takes the live lines out that the first page has too.
func (p *logPages) dropOlder(newest string) {
	for len(p.head) > 0 && !newerLine(p.head[0].ID, newest) {
		p.head = p.head[1:]
	}
}

// evict drops the lines of pages that were not looked at for the longest time.
func (p *logPages) evict() {
	for {
		held, oldest := 0, -1
		for k := range p.pages {
			if k == 0 || p.pages[k].lines == nil {
				continue
			}
			held++
			if oldest < 0 || p.pages[k].used < p.pages[oldest].used {
				oldest = k
			}
		}
		if held <= maxPages {
			return
		}
		p.pages[oldest].lines = nil
	}
}

// add takes new lines, oldest first, and returns how many of them match. Once
// too many are held, the pages start again from the newest of them.
func (p *logPages) add(lines []LogLine) int {
	newest := ""
	if len(p.head) > 0 {
		newest = p.head[len(p.head)-1].ID
	} else if len(p.pages) > 0 {
		newest = p.pages[0].lines[0].ID
	}
	added := 0
	for _, l := range lines {
		if !p.query.Matches(l) || newest != "" && !newerLine(l.ID, newest) {
			continue
		}
		p.head = append(p.head, l)
		newest = l.ID
		added++
	}
	if len(p.head) > maxHead {
		p.restart()
	}
	return added
}

// restart makes the newest live lines the first page.
func (p *logPages) restart() {
	lines := slices.Clone(p.head[len(p.head)-pageLines:])
	slices.Reverse(lines)
	p.opened++
	p.head, p.loading, p.renew, p.ended = nil, false, false, false
	p.pages = []logPage{{last: lines[len(lines)-1].ID, count: len(lines), lines: lines}}
}
