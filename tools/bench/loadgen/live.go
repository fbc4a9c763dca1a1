package main

import "time"

// live measures how soon an operator that is running settles new schedules.
func (h *harness) live() {
	h.clean()
	o := h.startOperator()
	defer o.stop()
	h.probe(o)
	r := h.newRow("live", h.size)
	r.Values["start_to_first_s"] = time.Since(o.started).Seconds()
	o.waitUntilIdle(0)

	m, started := h.startMeter(o), time.Now()
	created := h.createAll(h.size)
	r.Values["create_s"] = time.Since(started).Seconds()
	s := h.awaitSettled(h.size, o)
	m.end(r)

	var latencies []float64
	for i, at := range s.times {
		latencies = append(latencies, milliseconds(at.Sub(created[i])))
	}
	r.fillRate(h.size, s, started)
	r.Values["lat_p50_ms"], r.Values["lat_p99_ms"] = percentile(latencies, .5), percentile(latencies, .99)
	r.Values["op_writes"] = float64(writes(r.Requests) - h.size)
	r.Values["rss_mib"], r.Values["hwm_mib"] = o.memory()
	h.write(r)
}

// fillRate fills in what a number of schedules, settled from a moment on, cost by second and each.
func (r *row) fillRate(size int, s settlement, since time.Time) {
	took := s.last.Sub(since).Seconds()
	r.Values["s"], r.Values["objects_per_s"] = took, float64(size)/took
	r.Values["op_cpu_ms_each"] = r.Values["op_cpu_s"] / float64(size) * 1000
	if !s.complete {
		r.Values["incomplete"] = 1
	}
}
