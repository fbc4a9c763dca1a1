package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// operator is the command under test. It has a process group of its own; its figures are sums over
// that group.
type operator struct {
	cmd     *exec.Cmd
	started time.Time
	exited  chan struct{}
}

func (h *harness) startOperator() *operator {
	log, err := os.OpenFile(filepath.Join(h.folder, "operator-"+h.label+".log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	must(err)
	o := &operator{cmd: exec.Command("sh", "-c", "exec "+h.command), exited: make(chan struct{})}
	o.cmd.Stdout, o.cmd.Stderr = log, log
	o.cmd.Env = append(os.Environ(), "KUBECONFIG="+h.kubeconfig)
	o.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	o.started = time.Now()
	must(o.cmd.Start())
	onFailure = append(onFailure, o.stop)
	go func() { _ = o.cmd.Wait(); close(o.exited) }()
	return o
}

func (o *operator) hasExited() bool {
	select {
	case <-o.exited:
		return true
	default:
		return false
	}
}

func (h *harness) requireAlive(o *operator) {
	if o != nil && o.hasExited() {
		fail(fmt.Errorf("the operator exited; see its log in %s", h.folder))
	}
}

func (o *operator) stop() {
	if o.hasExited() {
		return
	}
	_ = syscall.Kill(-o.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-o.exited:
	case <-time.After(15 * time.Second):
		_ = syscall.Kill(-o.cmd.Process.Pid, syscall.SIGKILL)
		<-o.exited
	}
}

func (o *operator) pids() (pids []string) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, path := range all {
		if p, ok := readProcess(filepath.Base(path)); ok && p.group == o.cmd.Process.Pid {
			pids = append(pids, filepath.Base(path))
		}
	}
	return pids
}

// cpu returns the seconds of processor time used so far.
func (o *operator) cpu() (seconds float64) {
	for _, pid := range o.pids() {
		p, _ := readProcess(pid)
		seconds += p.seconds + p.childSeconds
	}
	return seconds
}

// memory returns the resident memory now and at its highest, in MiB.
func (o *operator) memory() (now, highest float64) {
	for _, pid := range o.pids() {
		status, _ := os.ReadFile("/proc/" + pid + "/status")
		for _, line := range strings.Split(string(status), "\n") {
			fields := strings.Fields(line)
			if len(fields) < 2 {
				continue
			}
			kib, _ := strconv.ParseFloat(fields[1], 64)
			switch fields[0] {
			case "VmRSS:":
				now += kib / 1024
			case "VmHWM:":
				highest += kib / 1024
			}
		}
	}
	return now, highest
}

// waitUntilIdle waits until the operator has used under 5 % of a processor for a second, and at
// least for the given time. It returns when the operator was last busy.
func (o *operator) waitUntilIdle(atLeast time.Duration) (busy time.Time) {
	begun := time.Now()
	busy, last, lastAt := begun, o.cpu(), begun
	for time.Since(busy) < time.Second || time.Since(begun) < atLeast {
		time.Sleep(200 * time.Millisecond)
		used, now := o.cpu(), time.Now()
		if (used-last)/now.Sub(lastAt).Seconds() > 0.05 {
			busy = now
		}
		last, lastAt = used, now
		if time.Since(begun) > patience {
			fmt.Fprintln(os.Stderr, "loadgen: the operator never becomes idle")
			break
		}
	}
	return busy
}
