package main

import "time"

// backlog measures how soon an operator that starts settles schedules that are already there, and,
// if that is asked for, what its restart costs when there is nothing to do.
func (h *harness) backlog() {
	h.clean()
	h.createAll(h.size)
	h.calm()
	r, m := h.newRow("backlog", h.size), h.startMeter(nil)
	o := h.startOperator()
	m.operator = o
	s := h.awaitSettled(h.size, o)
	m.end(r)
	r.fillRate(h.size, s, o.started)
	r.Values["first_s"] = s.first.Sub(o.started).Seconds()
	r.Values["objects_per_s_after_first"] = float64(h.size-1) / s.last.Sub(s.first).Seconds()
	r.Values["op_writes"] = float64(writes(r.Requests))
	o.waitUntilIdle(2 * time.Second)
	r.Values["rss_mib"], r.Values["hwm_mib"] = o.memory()
	h.write(r)
	o.stop()
	if h.has("restart") {
		h.restart()
	}
}

func (h *harness) restart() {
	h.calm()
	r, m := h.newRow("restart", h.size), h.startMeter(nil)
	o := h.startOperator()
	defer o.stop()
	m.operator = o
	busy := o.waitUntilIdle(5 * time.Second)
	m.end(r)
	r.Values["steady_s"], r.Values["op_writes"] = busy.Sub(o.started).Seconds(), float64(writes(r.Requests))
	r.Values["rss_mib"], r.Values["hwm_mib"] = o.memory()
	r.Values["probe_ms"] = milliseconds(h.probe(o))
	h.write(r)
}
