package cost_test

import (
	"math/rand/v2"
	"sort"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/llm-go/llm/cost"
	"github.com/stretchr/testify/require"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	require.NoError(t, err)
	return loc
}

// zones have every kind of change: none, at night, of half an hour, at midnight in both directions, a minute after it,
// and over a whole day.
var zones = []string{"UTC", "Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Africa/Cairo",
	"Asia/Beirut", "America/Havana", "America/St_Johns", "Pacific/Apia", "Pacific/Kwajalein", "Asia/Kathmandu", "Africa/Casablanca"}

func TestPeriods(t *testing.T) {
	at := func(zoneName, text string) time.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04:05 -0700", text, zone(t, zoneName))
		require.NoError(t, err)
		return v
	}
	for _, c := range []struct {
		zone, t, start, end string
		period              func(*time.Location) cost.Period
	}{
		// 23 and 25 hours.
		{"Europe/Zurich", "2026-03-29 12:00:00 +0200", "2026-03-29 00:00:00 +0100", "2026-03-30 00:00:00 +0200", cost.Daily},
		{"Europe/Zurich", "2026-10-25 02:30:00 +0100", "2026-10-25 00:00:00 +0200", "2026-10-26 00:00:00 +0100", cost.Daily},
		// There is no midnight: the clocks go from 23:59:59 to 01:00.
		{"America/Sao_Paulo", "2018-11-04 12:00:00 -0200", "2018-11-04 01:00:00 -0200", "2018-11-05 00:00:00 -0200", cost.Daily},
		// There are two midnights, and the first one counts: from 01:00 back to 00:00.
		{"America/Havana", "2026-11-01 00:30:00 -0500", "2026-11-01 00:00:00 -0400", "2026-11-02 00:00:00 -0500", cost.Daily},
		// At 00:01 the clocks go back into the day before, which has ended nevertheless.
		{"America/St_Johns", "2006-10-28 23:30:00 -0330", "2006-10-29 00:00:00 -0230", "2006-10-30 00:00:00 -0330", cost.Daily},
		{"America/St_Johns", "2006-10-28 23:30:00 -0230", "2006-10-28 00:00:00 -0230", "2006-10-29 00:00:00 -0230", cost.Daily},
		// There was no 30 December 2011.
		{"Pacific/Apia", "2011-12-29 23:59:59 -1000", "2011-12-29 00:00:00 -1000", "2011-12-31 00:00:00 +1400", cost.Daily},
		{"Pacific/Apia", "2011-12-31 00:00:00 +1400", "2011-12-31 00:00:00 +1400", "2012-01-01 00:00:00 +1400", cost.Daily},
		// Weeks begin on Monday, in the year before if need be.
		{"UTC", "2026-01-01 00:00:00 +0000", "2025-12-29 00:00:00 +0000", "2026-01-05 00:00:00 +0000", cost.Weekly},
		{"UTC", "2026-01-04 23:59:59 +0000", "2025-12-29 00:00:00 +0000", "2026-01-05 00:00:00 +0000", cost.Weekly},
		{"Europe/Zurich", "2026-03-29 23:00:00 +0200", "2026-03-23 00:00:00 +0100", "2026-03-30 00:00:00 +0200", cost.Weekly},
		// Months of every length.
		{"UTC", "2024-02-29 23:59:59 +0000", "2024-02-01 00:00:00 +0000", "2024-03-01 00:00:00 +0000", cost.Monthly},
		{"UTC", "2025-02-28 12:00:00 +0000", "2025-02-01 00:00:00 +0000", "2025-03-01 00:00:00 +0000", cost.Monthly},
		{"UTC", "2100-02-28 23:59:59 +0000", "2100-02-01 00:00:00 +0000", "2100-03-01 00:00:00 +0000", cost.Monthly},
		{"America/New_York", "2026-12-31 23:59:59 -0500", "2026-12-01 00:00:00 -0500", "2027-01-01 00:00:00 -0500", cost.Monthly},
		{"Europe/Zurich", "2026-03-31 23:00:00 +0200", "2026-03-01 00:00:00 +0100", "2026-04-01 00:00:00 +0200", cost.Monthly},
	} {
		p := c.period(zone(t, c.zone))
		start, end := p.Bounds(at(c.zone, c.t))
		require.True(t, start.Equal(at(c.zone, c.start)), "%s: %s begins at %s", p, c.t, start)
		require.True(t, end.Equal(at(c.zone, c.end)), "%s: %s ends at %s", p, c.t, end)
	}
	for _, p := range []cost.Period{cost.Total, cost.Rolling(time.Hour)} {
		start, end := p.Bounds(time.Now())
		require.True(t, start.IsZero() && end.IsZero())
	}
	require.Equal(t, "day (UTC)", cost.Daily(nil).String())
}

// Periods follow each other without a gap or an overlap, and each begins at the first moment of its date.
func TestPeriodsPartitionTime(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	from, to := time.Date(1975, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Date(2045, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	for _, name := range zones {
		loc := zone(t, name)
		var samples []time.Time
		for range 300 {
			samples = append(samples, time.Unix(from+rnd.Int64N(to-from), rnd.Int64N(1e9)))
		}
		offset := func(unix int64) int { _, o := time.Unix(unix, 0).In(loc).Zone(); return o }
		for at := from; at < to; at += 6 * 3600 { // near every change of the clocks
			if offset(at) == offset(at+6*3600) {
				continue
			}
			change := time.Unix(at+int64(sort.Search(6*3600, func(i int) bool { return offset(at+int64(i)) != offset(at) })), 0)
			for _, d := range []time.Duration{-1, 0, time.Minute, -time.Hour, time.Duration(rnd.Int64N(int64(26 * time.Hour)))} {
				samples = append(samples, change.Add(d))
			}
		}
		for year := 1976; year < 2045; year += 4 {
			samples = append(samples, time.Date(year, 2, 29, 12, 0, 0, 0, loc), time.Date(year, 12, 31, 12, 0, 0, 0, loc))
		}
		for i, at := range samples {
			for _, p := range []cost.Period{cost.Daily(loc), cost.Weekly(loc), cost.Monthly(loc)} {
				start, end := p.Bounds(at)
				require.True(t, !at.Before(start) && at.Before(end), "%s: %s is not between %s and %s", p, at, start, end)
				for _, inside := range []time.Time{start, end.Add(-1)} {
					s, e := p.Bounds(inside)
					require.True(t, s.Equal(start) && e.Equal(end), "%s: %s and %s are in one period", p, at, inside)
				}
				next, _ := p.Bounds(end)
				require.True(t, next.Equal(end), "%s: after %s", p, end)
			}
			if i%20 == 0 {
				start, _ := cost.Daily(loc).Bounds(at)
				require.True(t, start.Equal(firstMoment(loc, start)), "%s: the day does not begin at %s", name, start)
			}
		}
	}
}

// firstMoment looks for the first moment at which the clocks show the date of start or a later one, minute by minute.
func firstMoment(loc *time.Location, start time.Time) time.Time {
	y, m, d := start.In(loc).Date()
	date := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	for at := start.Add(-26 * time.Hour); ; at = at.Add(time.Minute) {
		y, m, d := at.In(loc).Date()
		if !time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Before(date) {
			return at
		}
	}
}

func FuzzPeriod(f *testing.F) {
	f.Add(int64(1_800_000_000), uint8(3))
	f.Fuzz(func(t *testing.T, unix int64, z uint8) {
		if unix < 0 || unix > 1<<36 {
			return
		}
		loc, at := zone(t, zones[int(z)%len(zones)]), time.Unix(unix, 0)
		for _, p := range []cost.Period{cost.Daily(loc), cost.Weekly(loc), cost.Monthly(loc)} {
			start, end := p.Bounds(at)
			require.True(t, !at.Before(start) && at.Before(end))
		}
	})
}
