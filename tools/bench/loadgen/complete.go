package main

import "time"

// complete measures how soon finished Jobs are listed in their schedules.
func (h *harness) complete() {
	h.clean()
	o := h.startOperator()
	defer o.stop()
	h.createAll(completionSchedules)
	h.awaitSettled(completionSchedules, o)
	jobs := h.createJobs(h.runs)
	h.calm()
	o.waitUntilIdle(time.Second)
	versions := h.seen.statusVersions()

	r, m, started := h.newRow("complete", h.runs), h.startMeter(o), time.Now()
	r.Rate = h.rate
	sent := h.finishJobs(jobs)
	r.Values["finish_s"] = time.Since(started).Seconds()
	r.Values["offered_per_s"] = float64(h.runs) / time.Since(started).Seconds()
	if !h.awaitListed(jobs, o) {
		r.Values["incomplete"] = 1
	}
	m.end(r)
	time.Sleep(2 * time.Second) // for late duplicates and late counters

	r.Values["status_versions"] = float64(h.seen.statusVersions() - versions)
	h.fillLatencies(r, jobs, sent, started)
	r.Values["op_cpu_ms_each"] = r.Values["op_cpu_s"] / float64(h.runs) * 1000
	r.Values["rss_mib"], r.Values["hwm_mib"] = o.memory()
	h.write(r)
}

func (h *harness) awaitListed(jobs []job, o *operator) bool {
	return await("runs in the history", func() (n int, complete bool) {
		h.requireAlive(o)
		h.seen.Lock()
		defer h.seen.Unlock()
		for _, j := range jobs {
			if _, ok := h.seen.schedules[j.schedule].history[j.uid]; ok {
				n++
			}
		}
		return n, n == len(jobs)
	})
}

// fillLatencies fills in when runs were listed, how many were lost, and how many counted wrongly.
func (h *harness) fillLatencies(r *row, jobs []job, sent []time.Time, started time.Time) {
	h.seen.Lock()
	defer h.seen.Unlock()
	var sinceSeen, sinceSent []float64
	var last time.Time
	for i, j := range jobs {
		listed, ok := h.seen.schedules[j.schedule].history[j.uid]
		if !ok {
			continue
		}
		sinceSeen = append(sinceSeen, milliseconds(listed.Sub(h.seen.ended[j.uid])))
		sinceSent = append(sinceSent, milliseconds(listed.Sub(sent[i])))
		if listed.After(last) {
			last = listed
		}
	}
	var counted int64
	for _, s := range h.seen.schedules {
		counted += s.counted
	}
	took := last.Sub(started).Seconds()
	r.Values["s"], r.Values["completions_per_s"] = took, float64(len(sinceSeen))/took
	r.Values["lost"], r.Values["dup"] = float64(len(jobs)-len(sinceSeen)), float64(h.seen.duplicates)
	r.Values["count_error"] = float64(counted - int64(len(jobs)))
	r.Values["lat_p50_ms"], r.Values["lat_p95_ms"] = percentile(sinceSeen, .5), percentile(sinceSeen, .95)
	r.Values["lat_p99_ms"], r.Values["lat_max_ms"] = percentile(sinceSeen, .99), percentile(sinceSeen, 1)
	r.Values["e2e_p50_ms"], r.Values["e2e_p99_ms"] = percentile(sinceSent, .5), percentile(sinceSent, .99)
}

// statusVersions returns how many versions of status were seen, of all schedules.
func (o *observer) statusVersions() (n int) {
	o.Lock()
	defer o.Unlock()
	for _, s := range o.schedules {
		n += s.versions
	}
	return n
}
