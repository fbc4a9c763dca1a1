package main

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

type owner struct{ Kind, Name, UID string }

// object is an object of any kind, as far as an event's handler needs it.
type object struct {
	Metadata struct {
		Name, UID, ResourceVersion string
		Generation                 int64
		OwnerReferences            []owner
	}
	Status json.RawMessage
}

// schedule is what the watches have shown of one schedule.
type schedule struct {
	uid        string
	settled    time.Time // when its generation was observed and its CronJob existed
	generation int64
	observed   int64
	history    map[string]time.Time // Job UID to the time when the run was first listed as over
	counted    int64
	versions   int // versions of the status seen
}

// observer collects what the watches show. Its lock guards all of its members.
type observer struct {
	config
	sync.Mutex
	schedules  map[string]*schedule
	byUID      map[string]*schedule
	cronJobs   map[string]bool      // UIDs of owners whose CronJob exists
	ended      map[string]time.Time // Job UID to the time when it was first seen as over
	duplicates int
}

func newObserver(c config) *observer {
	o := &observer{config: c}
	o.forget()
	return o
}

// forget drops everything, between two scenarios. The caller holds the lock if watches are running.
func (o *observer) forget() {
	o.schedules, o.byUID = map[string]*schedule{}, map[string]*schedule{}
	o.cronJobs, o.ended = map[string]bool{}, map[string]time.Time{}
	o.duplicates = 0
}

func (o *observer) onSchedule(event string, changed *object, at time.Time) {
	o.Lock()
	defer o.Unlock()
	m := changed.Metadata
	if event == "DELETED" {
		delete(o.schedules, m.Name)
		delete(o.byUID, m.UID)
		delete(o.cronJobs, m.UID)
		return
	}
	s := o.schedules[m.Name]
	if s == nil || s.uid != m.UID {
		s = &schedule{uid: m.UID, history: map[string]time.Time{}}
		o.schedules[m.Name], o.byUID[m.UID] = s, s
	}
	whole := json.RawMessage(`{}`)
	if len(changed.Status) > 0 {
		whole = json.RawMessage(`{"status":` + string(changed.Status) + `}`)
	}
	s.generation, s.observed = m.Generation, number(whole, "status.observedGeneration")
	s.versions++
	o.settle(s, at)
	o.readHistory(s, whole, at)
	s.counted = 0
	for _, path := range o.countPaths {
		s.counted += number(whole, path)
	}
}

func (o *observer) settle(s *schedule, at time.Time) {
	if o.cronJobs[s.uid] && s.settled.IsZero() && s.generation > 0 && s.observed == s.generation {
		s.settled = at
	}
}

func (o *observer) readHistory(s *schedule, whole json.RawMessage, at time.Time) {
	raw := dig(whole, "status.history")
	if raw == nil {
		return
	}
	var runs []map[string]json.RawMessage
	must(json.Unmarshal(raw, &runs))
	listed := map[string]bool{}
	for _, run := range runs {
		if o.stateKey != "" && !slices.Contains([]string{"Completed", "Failed"}, text(run[o.stateKey])) {
			continue
		}
		uid := text(run[o.uidKey])
		if listed[uid] {
			o.duplicates++
		}
		listed[uid] = true
		if _, ok := s.history[uid]; !ok && uid != "" {
			s.history[uid] = at
		}
	}
}

func (o *observer) onCronJob(event string, changed *object, at time.Time) {
	o.Lock()
	defer o.Unlock()
	for _, reference := range changed.Metadata.OwnerReferences {
		if event == "DELETED" {
			delete(o.cronJobs, reference.UID)
		} else if !o.cronJobs[reference.UID] {
			o.cronJobs[reference.UID] = true
			if s := o.byUID[reference.UID]; s != nil {
				o.settle(s, at)
			}
		}
	}
}

func (o *observer) onJob(_ string, changed *object, at time.Time) {
	var status struct {
		Conditions []struct{ Type, Status string }
	}
	_ = json.Unmarshal(changed.Status, &status)
	o.Lock()
	defer o.Unlock()
	for _, c := range status.Conditions {
		if (c.Type == "Complete" || c.Type == "Failed") && c.Status == "True" {
			if _, ok := o.ended[changed.Metadata.UID]; !ok {
				o.ended[changed.Metadata.UID] = at
			}
		}
	}
}

func (o *observer) count() int {
	o.Lock()
	defer o.Unlock()
	return len(o.schedules)
}

func (o *observer) uid(name string) string {
	o.Lock()
	defer o.Unlock()
	return o.schedules[name].uid
}

func dig(raw json.RawMessage, path string) json.RawMessage {
	for _, key := range strings.Split(path, ".") {
		var members map[string]json.RawMessage
		if json.Unmarshal(raw, &members) != nil {
			return nil
		}
		raw = members[key]
	}
	return raw
}

func number(raw json.RawMessage, path string) int64 {
	n, _ := strconv.ParseInt(string(dig(raw, path)), 10, 64)
	return n
}

func text(raw json.RawMessage) (s string) {
	_ = json.Unmarshal(raw, &s)
	return s
}
