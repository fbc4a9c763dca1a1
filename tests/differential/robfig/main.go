// robfig prints how Kubernetes reads cron expressions. It reads JSON lines and writes one for each.
//
// In:  {"expr": "0 2 * * *", "timeZone": "Etc/UTC", "after": "2026-01-01T00:00:00Z", "count": 5}
// Out: {"ok": true, "times": ["2026-01-01T02:00:00Z", ...]} or {"ok": false, "error": "..."}
//
// python -m download_schedule.cron --batch reads and writes the same lines. The verdict is that of
// ValidateCronJobSpec in Kubernetes (pkg/apis/batch/validation/validation.go). The ticks are those
// of the CronJob controller, which parses "TZ=<timeZone> <expr>" (pkg/controller/cronjob/utils.go,
// formatSchedule). The list ends early if no tick follows within five years.
//
// If a zone skips a whole day (Pacific/Apia, 30 December 2011), robfig searches forever. The
// response is then {"ok": true, "hangs": true}, and the program exits, because nothing else ends
// the search.
//
// Set ZONEINFO to the zone tables of the other side, so that both read the same ones.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/robfig/cron/v3"
)

// Longest search in processor time, which does not depend on what else the machine does. It is ten
// times the slowest search that ends, the one for a minute that never matches.
const searchTimeout = 4 * time.Second

type request struct {
	Expr     string    `json:"expr"`
	TimeZone string    `json:"timeZone"`
	After    time.Time `json:"after"`
	Count    int       `json:"count"`
}

type response struct {
	OK    bool     `json:"ok"`
	Times []string `json:"times,omitzero"`
	Error string   `json:"error,omitempty"`
	Hangs bool     `json:"hangs,omitempty"`
}

// One component of a zone name, as in Kubernetes' validateTimeZone.
var component = regexp.MustCompile(`^[A-Za-z\.\-_0-9+]{1,14}$`)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for lines.Scan() {
		var q request
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			log.Fatal(err)
		}
		a := answer(q)
		line, err := json.Marshal(a)
		if err != nil {
			log.Fatal(err)
		}
		out.Write(append(line, '\n'))
		if a.Hangs {
			return
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}

func answer(q request) response {
	done := make(chan response, 1)
	go func() {
		times, err := ticks(q)
		if err != nil {
			done <- response{Error: err.Error()}
			return
		}
		done <- response{OK: true, Times: times}
	}()
	for end := processorTime() + searchTimeout; processorTime() < end; {
		select {
		case a := <-done:
			return a
		case <-time.After(100 * time.Millisecond):
		}
	}
	return response{OK: true, Hangs: true}
}

func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func ticks(q request) ([]string, error) {
	if err := validate(q.Expr, q.TimeZone); err != nil {
		return nil, err
	}
	schedule, err := cron.ParseStandard(fmt.Sprintf("TZ=%s %s", q.TimeZone, q.Expr))
	if err != nil {
		return nil, err
	}
	times := []string{}
	t := q.After
	for range q.Count {
		if t = schedule.Next(t); t.IsZero() {
			break
		}
		times = append(times, t.UTC().Format(time.RFC3339))
	}
	return times, nil
}

func validate(expr, timeZone string) error {
	if expr == "" {
		return errors.New("schedule: required")
	}
	if strings.Contains(expr, "TZ") {
		return errors.New("schedule: cannot use TZ or CRON_TZ, use timeZone field instead")
	}
	if _, err := cron.ParseStandard(expr); err != nil {
		return err
	}
	if timeZone == "" {
		return errors.New("timeZone: must be nil or non-empty string")
	}
	for _, part := range strings.Split(timeZone, "/") {
		if part == "." || part == ".." || strings.HasPrefix(part, "-") || !component.MatchString(part) {
			return errors.New("timeZone: unknown time zone " + timeZone)
		}
	}
	if strings.EqualFold(timeZone, "Local") {
		return errors.New("timeZone: must be an explicit time zone")
	}
	_, err := time.LoadLocation(timeZone)
	return err
}
