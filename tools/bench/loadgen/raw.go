package main

import (
	"fmt"
	"time"
)

// rawWrites measures the writes that any operator has to make, made by loadgen itself.
func (h *harness) rawWrites() {
	h.clean()
	created := time.Now()
	h.createAll(h.size)
	r := h.newRow("raw", h.size)
	r.Values["create_s"] = time.Since(created).Seconds()
	h.awaitSeen(h.size)
	m, started := h.startMeter(nil), time.Now()
	inParallel(h.size, func(i int) { h.reconcile(nameOf(i), h.seen.uid(nameOf(i))) })
	took := time.Since(started).Seconds()
	m.end(r)
	r.Values["s"], r.Values["writes_per_s"] = took, float64(2*h.size)/took
	h.awaitSettled(h.size, nil)
	h.write(r)
}

// rawLive measures the same with the creations: no operator can be faster in `live`.
func (h *harness) rawLive() {
	h.clean()
	r := h.newRow("rawlive", h.size)
	m, started := h.startMeter(nil), time.Now()
	inParallel(h.size, func(i int) { h.reconcile(nameOf(i), h.create(nameOf(i))) })
	took := h.awaitSettled(h.size, nil).last.Sub(started).Seconds()
	m.end(r)
	r.Values["s"], r.Values["writes_per_s"], r.Values["objects_per_s"] = took, float64(3*h.size)/took, float64(h.size)/took
	h.write(r)
}

// reconcile does for a schedule what an operator does: one CronJob, one status.
func (h *harness) reconcile(name, uid string) {
	must(h.api.do("PATCH", cronJobsPath+"/"+name+"?fieldManager=raw&force=true", applyType, cronJob(name, uid), nil))
	must(h.api.do("PATCH", schedulesPath+"/"+name+"/status?fieldManager=raw", mergeType, readyStatus(name), nil))
}

func cronJob(name, uid string) []byte {
	return fmt.Appendf(nil, `{"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":%q,"namespace":%q,"labels":{"download.dev/schedule":%q},"annotations":{"downloads.dev/applied-hash":"1bd0glv34cb6s"},"ownerReferences":[{"apiVersion":"%s/%s","kind":%q,"name":%q,"uid":%q,"controller":true,"blockOwnerDeletion":true}]},"spec":{"schedule":"*/5 * * * *","suspend":true,"concurrencyPolicy":"Forbid","successfulJobsHistoryLimit":20,"failedJobsHistoryLimit":20,"jobTemplate":{"metadata":{"labels":{"download.dev/schedule":%q}},"spec":{"backoffLimit":3,"template":{"metadata":{"labels":{"download.dev/schedule":%q}},"spec":{"restartPolicy":"Never","containers":[{"name":"download","image":"downloader:v1","args":["http://127.0.0.1/x"]}]}}}}}}`,
		name, namespace, name, group, version, kind, name, uid, name, name)
}

func readyStatus(name string) []byte {
	return fmt.Appendf(nil, `{"status":{"observedGeneration":1,"cronJobName":%q,"conditions":[{"type":"Ready","status":"True","reason":"Scheduled","message":"CronJob is in place","observedGeneration":1,"lastTransitionTime":%q}]}}`,
		name, now())
}

func now() string { return time.Now().UTC().Format(time.RFC3339) }
