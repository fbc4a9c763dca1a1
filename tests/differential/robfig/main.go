// robfig answers how Kubernetes reads cron expressions: JSON lines in, one JSON line out for each.
//
// In:  {"expr": "0 2 * * *", "timeZone": "Etc/UTC", "after": "2026-01-01T00:00:00Z", "count": 5}
// Out: {"ok": true, "times": ["2026-01-01T02:00:00Z", ...]} or {"ok": false, "error": "..."}
//
// This is what python -m download_schedule.cron --batch takes and gives as well. The verdict is that of ValidateCronJobSpec in Kubernetes
// (pkg/apis/batch/validation/validation.go); the ticks are those of the CronJob controller, which
// parses "TZ=<timeZone> <expr>" (pkg/controller/cronjob/utils.go, formatSchedule). An expression
// that fires no more within five years ends the list early.
//
// Where a zone leaves a day out (Pacific/Apia, 30 December 2011), robfig searches for ever. The
// answer is then {"ok": true, "hangs": true}, and the program's last, as nothing else ends the
// search.
//
// Set ZONEINFO to the folder of zones that the other side reads, so that the two agree.
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

// Of the processor: ten times what the slowest search that ends takes, that of a minute that never
// matches. The clock on the wall would count what else the machine does.
const patience = 4 * time.Second

type question struct {
	Expr     string    `json:"expr"`
	TimeZone string    `json:"timeZone"`
	After    time.Time `json:"after"`
	Count    int       `json:"count"`
}

type answer struct {
	OK    bool     `json:"ok"`
	Times []string `json:"times,omitzero"`
	Error string   `json:"error,omitempty"`
	Hangs bool     `json:"hangs,omitempty"`
}

// The characters and length of one component of a zone's name, as validateTimeZone has them.
var component = regexp.MustCompile(`^[A-Za-z\.\-_0-9+]{1,14}$`)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for lines.Scan() {
		var q question
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			log.Fatal(err)
		}
		a := patiently(q)
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

func patiently(q question) answer {
	answered := make(chan answer, 1)
	go func() {
		times, err := ticks(q)
		if err != nil {
			answered <- answer{Error: err.Error()}
			return
		}
		answered <- answer{OK: true, Times: times}
	}()
	for end := processorTime() + patience; processorTime() < end; {
		select {
		case a := <-answered:
			return a
		case <-time.After(100 * time.Millisecond):
		}
	}
	return answer{OK: true, Hangs: true}
}

func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func ticks(q question) ([]string, error) {
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
