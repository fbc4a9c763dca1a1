package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	namespace = "bench"
	group     = "downloads.dev"
	version   = "v1alpha1"
	kind      = "DownloadSchedule"

	schedulesPath = "/apis/" + group + "/" + version + "/namespaces/" + namespace + "/downloadschedules"
	cronJobsPath  = "/apis/batch/v1/namespaces/" + namespace + "/cronjobs"
	jobsPath      = "/apis/batch/v1/namespaces/" + namespace + "/jobs"
	podsPath      = "/api/v1/namespaces/" + namespace + "/pods"

	// writers send at the same time.
	writers = 32
	// completionSchedules are the schedules that the runs of `complete` are spread over.
	completionSchedules = 200
	// failEvery is the number of Jobs of which one fails.
	failEvery = 10
	// patience without any progress ends a wait.
	patience = 5 * time.Minute
)

// config is the command line.
type config struct {
	kubeconfig string
	crd        string
	pids       string
	folder     string
	label      string
	command    string
	scenarios  []string
	size       int
	runs       int
	rate       int
	pods       bool
	uidKey     string
	stateKey   string
	countPaths []string
}

func parseFlags() config {
	var c config
	var operator, scenarios, countPaths string
	flag.StringVar(&c.kubeconfig, "kubeconfig", os.Getenv("KUBECONFIG"), "kubeconfig of a cluster for this alone")
	flag.StringVar(&c.crd, "crd", "", "manifest of the resource's definition, applied first")
	flag.StringVar(&c.pids, "cp-pids", "", "file with the process ids of the control plane")
	flag.StringVar(&c.folder, "out", "out", "folder of results.jsonl and of the operator's log")
	flag.StringVar(&operator, "op", "", "LABEL=COMMAND of the operator under test; it gets KUBECONFIG")
	flag.StringVar(&scenarios, "scenarios", "raw,live,backlog,restart,complete", "what to measure")
	flag.IntVar(&c.size, "n", 1000, "schedules of raw, live, backlog and restart")
	flag.IntVar(&c.runs, "m", 500, "runs of complete")
	flag.IntVar(&c.rate, "rate", 0, "runs that end in a second; 0 is as fast as possible")
	flag.BoolVar(&c.pods, "pods", false, "give each Job a Pod with a termination message")
	flag.StringVar(&c.uidKey, "uid-key", "uid", "member of a run that has the Job's UID")
	flag.StringVar(&c.stateKey, "state-key", "", "member of a run that has its state; empty: all runs listed are over")
	flag.StringVar(&countPaths, "count-paths", "status.counts.succeeded,status.counts.failed", "counters whose sum is the number of runs")
	flag.Parse()
	var ok bool
	c.label, c.command, ok = strings.Cut(operator, "=")
	if !ok {
		fail(fmt.Errorf("-op is %q: write LABEL=COMMAND", operator))
	}
	c.scenarios, c.countPaths = strings.Split(scenarios, ","), strings.Split(countPaths, ",")
	return c
}

func (c config) has(scenario string) bool {
	return slices.Contains(c.scenarios, scenario)
}
