package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const spec = `{"url":"http://127.0.0.1/{name}","schedule":"*/5 * * * *","suspend":true,"historyLimit":20}`

func nameOf(i int) string { return fmt.Sprintf("s-%05d", i) }

func (h *harness) create(name string) (uid string) {
	body := fmt.Appendf(nil, `{"apiVersion":"%s/%s","kind":%q,"metadata":{"name":%q,"namespace":%q},"spec":%s}`,
		group, version, kind, name, namespace, strings.ReplaceAll(spec, "{name}", name))
	var o object
	must(h.api.do("POST", schedulesPath, jsonType, body, &o))
	return o.Metadata.UID
}

// createAll creates n schedules and returns when each was created.
func (h *harness) createAll(n int) []time.Time {
	created := make([]time.Time, n)
	inParallel(n, func(i int) {
		h.create(nameOf(i))
		created[i] = time.Now()
	})
	return created
}

// inParallel runs f(0) to f(n-1), as many at a time as there are writers.
func inParallel(n int, f func(i int)) {
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(writers, n) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	group.Wait()
}

// await polls f until it reports completion. It returns false after too long without progress.
func await(what string, f func() (progress int, complete bool)) bool {
	best, since := -1, time.Now()
	for {
		progress, complete := f()
		if complete {
			return true
		}
		if progress > best {
			best, since = progress, time.Now()
		}
		if time.Since(since) > patience {
			fmt.Fprintf(os.Stderr, "loadgen: gave up waiting for %s at %d\n", what, best)
			return false
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// settlement is how the operator settled a number of schedules.
type settlement struct {
	first, last time.Time
	times       map[int]time.Time
	complete    bool
}

func (h *harness) awaitSettled(n int, o *operator) (s settlement) {
	s.complete = await("reconciliation", func() (int, bool) {
		h.requireAlive(o)
		s = h.settled(n)
		return len(s.times), len(s.times) == n
	})
	return s
}

func (h *harness) settled(n int) settlement {
	h.seen.Lock()
	defer h.seen.Unlock()
	s := settlement{times: map[int]time.Time{}}
	for i := range n {
		one := h.seen.schedules[nameOf(i)]
		if one == nil || one.settled.IsZero() {
			continue
		}
		s.times[i] = one.settled
		if one.settled.After(s.last) {
			s.last = one.settled
		}
		if s.first.IsZero() || one.settled.Before(s.first) {
			s.first = one.settled
		}
	}
	return s
}

func (h *harness) awaitSeen(n int) {
	await("the watch", func() (int, bool) { seen := h.seen.count(); return seen, seen >= n })
}

var probes int

// probe creates a schedule and returns how long the operator took to settle it.
func (h *harness) probe(o *operator) time.Duration {
	probes++
	name, started := fmt.Sprintf("probe-%d", probes), time.Now()
	h.create(name)
	var settled time.Time
	await("a schedule", func() (int, bool) {
		h.requireAlive(o)
		h.seen.Lock()
		defer h.seen.Unlock()
		if s := h.seen.schedules[name]; s != nil {
			settled = s.settled
		}
		return 0, !settled.IsZero()
	})
	return settled.Sub(started)
}

// clean deletes everything in the namespace, in spite of finalizers, and waits until it is gone.
func (h *harness) clean() {
	for _, path := range []string{podsPath, jobsPath, cronJobsPath, schedulesPath} {
		for h.deleteSome(path) {
			time.Sleep(200 * time.Millisecond)
		}
	}
	await("the watch to see the deletions", func() (int, bool) { n := h.seen.count(); return -n, n == 0 })
	h.seen.Lock()
	h.seen.forget()
	h.seen.Unlock()
	h.calm()
}

// deleteSome deletes what a list shows. It returns false if there was nothing to delete.
func (h *harness) deleteSome(path string) bool {
	var list struct {
		Items []struct {
			Metadata struct {
				Name       string
				Finalizers []string
			}
		}
	}
	must(h.api.do("GET", path+"?resourceVersion=0", "", nil, &list))
	if len(list.Items) == 0 { // as the cache of the API server has it; etcd may know more
		must(h.api.do("GET", path+"?limit=1", "", nil, &list))
	}
	inParallel(len(list.Items), func(i int) {
		m := list.Items[i].Metadata
		if len(m.Finalizers) > 0 {
			_ = h.api.do("PATCH", path+"/"+m.Name, mergeType, []byte(`{"metadata":{"finalizers":null}}`), nil, 404, 409)
		}
		must(h.api.do("DELETE", path+"/"+m.Name, jsonType, []byte(`{"propagationPolicy":"Background","gracePeriodSeconds":0}`), nil, 404))
	})
	return len(list.Items) > 0
}

// calm waits, 20 s at most, until the control plane uses under 30 % of a processor for a second.
func (h *harness) calm() {
	for range 20 {
		before := cpuSeconds(h.pids)
		time.Sleep(time.Second)
		after := cpuSeconds(h.pids)
		if after["apiserver"]-before["apiserver"]+after["kcm"]-before["kcm"] < 0.3 {
			return
		}
	}
}
