// loadgen measures an operator that turns a resource into CronJobs and records finished Jobs in the
// resource's status. See ../__main__.py.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// harness is what every scenario works with.
type harness struct {
	config
	api     *api
	seen    *observer
	results *os.File
}

func main() {
	c := parseFlags()
	must(os.MkdirAll(c.folder, 0o755))
	results, err := os.OpenFile(filepath.Join(c.folder, "results.jsonl"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	must(err)
	h := &harness{config: c, api: newAPI(c.kubeconfig, 4), seen: newObserver(c), results: results}
	if c.crd != "" {
		h.api.applyCRD(c.crd)
	}
	must(h.api.do("POST", "/api/v1/namespaces", jsonType, fmt.Appendf(nil, `{"metadata":{"name":%q}}`, namespace), nil, 409))
	watch(newAPI(c.kubeconfig, 1), schedulesPath, h.seen.onSchedule)
	watch(newAPI(c.kubeconfig, 1), cronJobsPath, h.seen.onCronJob)
	watch(newAPI(c.kubeconfig, 1), jobsPath, h.seen.onJob)
	if c.has("raw") {
		h.rawWrites()
		h.rawLive()
	}
	if c.has("live") {
		h.live()
	}
	if c.has("backlog") || c.has("restart") {
		h.backlog()
	}
	if c.has("complete") {
		h.complete()
	}
	h.clean()
}

// onFailure runs before the process ends because of an error.
var onFailure []func()

func must(err error) {
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "loadgen:", err)
	for _, f := range onFailure {
		f()
	}
	os.Exit(1)
}
