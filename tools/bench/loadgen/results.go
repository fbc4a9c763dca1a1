package main

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"
)

// row is one line of results.jsonl.
type row struct {
	Scenario string             `json:"scenario"`
	Operator string             `json:"op"`
	Size     int                `json:"n"`
	Rate     int                `json:"rate,omitempty"`
	Values   map[string]float64 `json:"v"`
	CPU      map[string]float64 `json:"cpu,omitempty"`
	Requests map[string]int     `json:"requests,omitempty"`
	Load     string             `json:"load"`
}

func (h *harness) newRow(scenario string, size int) *row {
	return &row{Scenario: scenario, Operator: h.label, Size: size, Values: map[string]float64{}}
}

func (h *harness) write(r *row) {
	for _, figures := range []map[string]float64{r.Values, r.CPU} {
		for name, value := range figures {
			figures[name] = math.Round(value*1000) / 1000
		}
	}
	r.Load = loadAverage()
	line, err := json.Marshal(r)
	must(err)
	fmt.Fprintln(h.results, string(line))
}

func percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[min(len(values)-1, int(p*float64(len(values))))]
}

// meter measures processor time and requests between its start and its end.
type meter struct {
	harness  *harness
	operator *operator
	cpu      map[string]float64
	requests map[string]int
	own      float64
}

// startMeter starts a meter. The operator is nil if there is none yet.
func (h *harness) startMeter(o *operator) *meter {
	m := &meter{harness: h, operator: o, cpu: cpuSeconds(h.pids), requests: h.api.requests()}
	if o != nil {
		m.own = o.cpu()
	}
	return m
}

// end fills the figures into a row.
func (m *meter) end(r *row) {
	after := cpuSeconds(m.harness.pids)
	r.CPU = map[string]float64{}
	other := after["machine"] - m.cpu["machine"]
	for name, used := range after {
		r.CPU[name] = used - m.cpu[name]
		if name != "machine" {
			other -= r.CPU[name]
		}
	}
	if m.operator != nil {
		r.CPU["operator"] = m.operator.cpu() - m.own
		other -= r.CPU["operator"]
		r.Values["op_cpu_s"] = r.CPU["operator"]
	}
	r.CPU["other"] = other
	r.Requests = difference(m.requests, m.harness.api.requests())
}

func milliseconds(d time.Duration) float64 {
	return d.Seconds() * 1000
}
