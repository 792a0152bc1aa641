package cost

import (
	"sort"
	"sync/atomic"
	"time"
)

// Period is the time for which a budget's limit holds. The zero value, [Total], is all time.
type Period struct {
	unit   periodUnit
	length time.Duration
	loc    *time.Location
}

type periodUnit uint8

const (
	allTime periodUnit = iota
	rolling
	day
	week
	month
)

// Total is a limit for all time.
var Total Period

// Rolling is a limit for any stretch of time of this length, aligned with nothing. What has been spent counts for up to
// a hundredth longer.
func Rolling(length time.Duration) Period { return Period{unit: rolling, length: length} }

// Daily is a limit for each day of a place's calendar, Weekly for each week from Monday on (ISO 8601), Monthly for each
// month; nil stands for UTC. A day begins at its first moment there: that is not always midnight, and a day is not
// always 24 hours long. A call belongs to the period in which it began.
func Daily(loc *time.Location) Period { return calendar(day, loc) }

// Weekly is for weeks; see [Daily].
func Weekly(loc *time.Location) Period { return calendar(week, loc) }

// Monthly is for months; see [Daily].
func Monthly(loc *time.Location) Period { return calendar(month, loc) }

func calendar(unit periodUnit, loc *time.Location) Period {
	if loc == nil {
		loc = time.UTC
	}
	return Period{unit: unit, loc: loc}
}

// String is "total", "rolling 1h0m0s", "day (Europe/Zurich)" …
func (p Period) String() string {
	switch p.unit {
	case rolling:
		return "rolling " + p.length.String()
	case day:
		return "day (" + p.loc.String() + ")"
	case week:
		return "week (" + p.loc.String() + ")"
	case month:
		return "month (" + p.loc.String() + ")"
	}
	return "total"
}

// Bounds are the first moment of the calendar's period that t is in, and the first one after it. They are zero for
// [Total] and [Rolling], which have no such bounds.
func (p Period) Bounds(t time.Time) (start, end time.Time) {
	if p.unit < day {
		return time.Time{}, time.Time{}
	}
	first := p.firstDay(t.In(p.loc))
	start, end = p.begins(first), p.begins(p.following(first, 1))
	// Where the clocks were set back across a period's beginning, the date of t may be that of the one before.
	for t.Before(start) {
		first = p.following(first, -1)
		start, end = p.begins(first), start
	}
	for !t.Before(end) { // and a day may be left out
		first = p.following(first, 1)
		start, end = end, p.begins(p.following(first, 1))
	}
	return start, end
}

// firstDay is the date, at midnight UTC, on which the period with the date of t begins.
func (p Period) firstDay(t time.Time) time.Time {
	y, m, d := t.Date()
	switch p.unit {
	case week:
		d -= (int(t.Weekday()) + 6) % 7
	case month:
		d = 1
	}
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// following is the date on which the n-th period from here begins.
func (p Period) following(first time.Time, n int) time.Time {
	switch p.unit {
	case week:
		return first.AddDate(0, 0, 7*n)
	case month:
		return first.AddDate(0, n, 0)
	}
	return first.AddDate(0, 0, n)
}

// begins is the first moment at which a place's clocks show this date, or a later one where they leave it out. It does
// without [time.Time.ZoneBounds], which is wrong on the last day of leap years beyond the transitions that are listed.
func (p Period) begins(date time.Time) time.Time {
	offset := func(t time.Time) time.Duration {
		_, seconds := t.In(p.loc).Zone()
		return time.Duration(seconds) * time.Second
	}
	for at := date.Add(-16 * time.Hour); ; { // no zone was ever so far from UTC
		now, next := offset(at), at.Add(time.Hour)
		if offset(next) != now {
			next = at.Add(time.Duration(sort.Search(3600, func(i int) bool {
				return offset(at.Add(time.Duration(i)*time.Second)) != now
			})) * time.Second)
		}
		midnight := date.Add(-now)
		switch {
		case midnight.Before(at): // the clocks were set forward across it
			return at.In(p.loc)
		case midnight.Before(next):
			return midnight.In(p.loc)
		}
		at = next
	}
}

// span remembers the period that was asked for last: nearly always it is the next one too.
type span struct{ start, end time.Time }

type spanCache struct{ last atomic.Pointer[span] }

func (c *spanCache) bounds(p Period, t time.Time) (start, end time.Time) {
	if p.unit < day {
		return time.Time{}, time.Time{}
	}
	if s := c.last.Load(); s != nil && !t.Before(s.start) && t.Before(s.end) {
		return s.start, s.end
	}
	start, end = p.Bounds(t)
	c.last.Store(&span{start, end})
	return start, end
}
