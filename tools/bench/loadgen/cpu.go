package main

import (
	"os"
	"strconv"
	"strings"
)

const ticksPerSecond = 100.0 // USER_HZ

// process is a line of /proc/PID/stat (proc_pid_stat(5)).
type process struct {
	group        int
	seconds      float64
	childSeconds float64 // of children that have been waited for
}

func readProcess(pid string) (p process, ok bool) {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return p, false
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 15 {
		return p, false
	}
	p.group, _ = strconv.Atoi(fields[2])
	p.seconds = seconds(fields[11]) + seconds(fields[12])
	p.childSeconds = seconds(fields[13]) + seconds(fields[14])
	return p, true
}

func seconds(ticks string) float64 {
	n, _ := strconv.ParseFloat(ticks, 64)
	return n / ticksPerSecond
}

// cpuSeconds returns who has used the processors: each part of the control plane, loadgen without
// the operators that it has started, and the whole machine.
func cpuSeconds(pidsFile string) map[string]float64 {
	used := map[string]float64{}
	pids, _ := os.ReadFile(pidsFile)
	for _, pid := range strings.Fields(string(pids)) {
		if p, ok := readProcess(pid); ok {
			used[component(pid)] += p.seconds + p.childSeconds
		}
	}
	if self, ok := readProcess("self"); ok {
		used["harness"] = self.seconds
	}
	stat, _ := os.ReadFile("/proc/stat")
	for i, ticks := range strings.Fields(strings.SplitN(string(stat), "\n", 2)[0])[1:] {
		// Without idle and iowait, and without the guests', which user time includes.
		if i != 3 && i != 4 && i < 8 {
			used["machine"] += seconds(ticks)
		}
	}
	return used
}

// component returns the short name of a process of the control plane.
func component(pid string) string {
	comm, _ := os.ReadFile("/proc/" + pid + "/comm")
	name := strings.TrimSpace(string(comm))
	if strings.HasPrefix(name, "kube-controller") {
		return "kcm"
	}
	return strings.TrimPrefix(name, "kube-")
}

func loadAverage() string {
	text, _ := os.ReadFile("/proc/loadavg")
	return strings.Fields(string(text) + " ?")[0]
}
