// loadgen measures any operator that turns a scheduling custom resource into CronJobs and records finished Jobs
// in the resource's status. See ../__main__.py.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

type opFlag []struct{ label, cmd string }

func (o *opFlag) String() string { return "" }
func (o *opFlag) Set(v string) error {
	l, c, ok := strings.Cut(v, "=")
	if !ok {
		return fmt.Errorf("want LABEL=COMMAND")
	}
	*o = append(*o, struct{ label, cmd string }{l, c})
	return nil
}

var (
	ops        opFlag
	kubeconfig = flag.String("kubeconfig", os.Getenv("KUBECONFIG"), "kubeconfig of a loopback cluster")
	crdFile    = flag.String("crd", "", "CRD manifest to apply first")
	cpPids     = flag.String("cp-pids", "", "file with the control plane's process ids, for the CPU split")
	outDir     = flag.String("out", "out", "folder for results.jsonl and operator logs")
	group      = flag.String("group", "downloads.dev", "")
	version    = flag.String("version", "v1alpha1", "")
	kind       = flag.String("kind", "DownloadSchedule", "")
	plural     = flag.String("plural", "downloadschedules", "")
	spec       = flag.String("spec", `{"url":"http://127.0.0.1/{name}","schedule":"*/5 * * * *","suspend":true,"historyLimit":20}`, "spec of each resource; {name} is replaced")
	obsPath    = flag.String("observed-path", "status.observedGeneration", "")
	histPath   = flag.String("history-path", "status.history", "list of runs in the resource")
	uidKey     = flag.String("uid-key", "uid", "field of a run that holds the Job's UID")
	stateKey   = flag.String("state-key", "", "field of a run that says how far it is; empty: every run in the list is over")
	overStates = flag.String("over-states", "Completed,Failed", "its values for a run that is over")
	countPaths = flag.String("count-paths", "status.counts.succeeded,status.counts.failed", "counters whose sum must equal the completions; empty: not checked")
	ns         = flag.String("namespace", "bench", "")
	scenarios  = flag.String("scenarios", "raw,live,backlog,restart,rawcomplete,complete", "")
	sizes      = flag.String("n", "1000,5000", "resources, for raw, live, backlog, restart")
	jobsFlag   = flag.String("m", "500,2000", "completions, for complete")
	schedules  = flag.Int("schedules", 200, "resources the completions are spread over")
	rates      = flag.String("rates", "0", "completions per second offered; 0 is as fast as possible")
	rounds     = flag.Int("rounds", 3, "")
	workers    = flag.Int("workers", 32, "concurrent writers in this harness")
	failEvery  = flag.Int("fail-every", 10, "every n-th Job fails; 0 for none")
	withPods   = flag.Bool("pods", false, "also give each Job a Succeeded Pod with a termination message")
	podMessage = flag.String("pod-message", `{"bytes":1048576}`, "that message")
	podNode    = flag.String("pod-node", "", "node name for those Pods")
	timeout    = flag.Duration("timeout", 5*time.Minute, "give up waiting after this long without progress")
	a          *api
	out        *os.File
)

func base() string {
	return fmt.Sprintf("/apis/%s/%s/namespaces/%s/%s", *group, *version, *ns, *plural)
}

const (
	cjs  = "/apis/batch/v1/namespaces/%s/cronjobs"
	jobs = "/apis/batch/v1/namespaces/%s/jobs"
	pods = "/api/v1/namespaces/%s/pods"
)

// ---- what the watches have seen

type owner struct{ Kind, Name, UID string }
type object struct {
	Metadata struct {
		Name, UID, ResourceVersion string
		Generation                 int64
		OwnerReferences            []owner
		Labels                     map[string]string
	}
	Status json.RawMessage
}
type crSeen struct {
	uid     string
	created time.Time // when the create was answered
	done    time.Time // observedGeneration is current and the CronJob exists
	gen     int64
	obs     int64
	history map[string]time.Time
	counted int64
	status  int // status versions seen
}

var (
	mu      sync.Mutex
	crs     = map[string]*crSeen{}
	byUID   = map[string]*crSeen{}
	cronOf  = map[string]time.Time{} // owner UID -> CronJob first seen
	term    = map[string]time.Time{} // Job UID -> terminal state first seen
	dups    int
	jobLeft int
)

func dig(raw json.RawMessage, path string) json.RawMessage {
	for _, k := range strings.Split(path, ".") {
		var m map[string]json.RawMessage
		if json.Unmarshal(raw, &m) != nil {
			return nil
		}
		raw = m[k]
	}
	return raw
}

func (c *crSeen) check(at time.Time) {
	if _, ok := cronOf[c.uid]; ok && c.done.IsZero() && c.gen > 0 && c.obs == c.gen {
		c.done = at
	}
}

func onCR(typ string, o *object, at time.Time) {
	mu.Lock()
	defer mu.Unlock()
	m := o.Metadata
	c := crs[m.Name]
	if typ == "DELETED" {
		delete(crs, m.Name)
		delete(byUID, m.UID)
		delete(cronOf, m.UID)
		return
	}
	if c == nil || c.uid != m.UID {
		c = &crSeen{uid: m.UID, history: map[string]time.Time{}}
		crs[m.Name], byUID[m.UID] = c, c
	}
	whole := json.RawMessage(`{"status":` + string(o.Status) + `}`)
	if len(o.Status) == 0 {
		whole = json.RawMessage(`{}`)
	}
	c.gen = m.Generation
	c.obs, _ = strconv.ParseInt(string(dig(whole, *obsPath)), 10, 64)
	c.status++
	c.check(at)
	if h := dig(whole, *histPath); h != nil {
		var runs []map[string]json.RawMessage
		must(json.Unmarshal(h, &runs))
		once := map[string]bool{}
		for _, r := range runs {
			var uid string
			_ = json.Unmarshal(r[*uidKey], &uid)
			if *stateKey != "" {
				var state string
				_ = json.Unmarshal(r[*stateKey], &state)
				if !slices.Contains(strings.Split(*overStates, ","), state) {
					continue
				}
			}
			if once[uid] {
				dups++
			}
			once[uid] = true
			if _, ok := c.history[uid]; !ok && uid != "" {
				c.history[uid] = at
			}
		}
	}
	if *countPaths != "" {
		c.counted = 0
		for _, p := range strings.Split(*countPaths, ",") {
			v, _ := strconv.ParseInt(string(dig(whole, p)), 10, 64)
			c.counted += v
		}
	}
}

func onCron(typ string, o *object, at time.Time) {
	mu.Lock()
	defer mu.Unlock()
	for _, w := range o.Metadata.OwnerReferences {
		if typ == "DELETED" {
			delete(cronOf, w.UID)
		} else if _, ok := cronOf[w.UID]; !ok {
			cronOf[w.UID] = at
			if c := byUID[w.UID]; c != nil {
				c.check(at)
			}
		}
	}
}

func onJob(typ string, o *object, at time.Time) {
	var s struct {
		Conditions []struct{ Type, Status string }
	}
	_ = json.Unmarshal(o.Status, &s)
	mu.Lock()
	defer mu.Unlock()
	if typ == "DELETED" {
		jobLeft--
	}
	for _, c := range s.Conditions {
		if (c.Type == "Complete" || c.Type == "Failed") && c.Status == "True" {
			if _, ok := term[o.Metadata.UID]; !ok {
				term[o.Metadata.UID] = at
			}
		}
	}
}

// ---- results

type row struct {
	Scenario string             `json:"scenario"`
	Op       string             `json:"op"`
	N        int                `json:"n"`
	Rate     int                `json:"rate,omitempty"`
	Round    int                `json:"round"`
	V        map[string]float64 `json:"v"`
	CPU      map[string]float64 `json:"cpu,omitempty"`
	Requests map[string]int     `json:"requests,omitempty"`
	Load     string             `json:"load"`
}

var rows []row

func r3(x float64) float64 { return math.Round(x*1000) / 1000 }

func emit(r row) {
	for k, v := range r.V {
		r.V[k] = r3(v)
	}
	for k, v := range r.CPU {
		r.CPU[k] = r3(v)
	}
	r.Load = loadavg()
	rows = append(rows, r)
	b, _ := json.Marshal(r)
	fmt.Fprintln(out, string(b))
	fmt.Println(string(b))
}

func pct(d []float64, p float64) float64 {
	if len(d) == 0 {
		return math.NaN()
	}
	slices.Sort(d)
	return d[min(len(d)-1, int(p*float64(len(d))))]
}

type meter struct {
	at  time.Time
	cpu map[string]float64
	req map[string]int
	op  *operator
	opc float64
}

func begin(op *operator) *meter {
	m := &meter{cpu: cpus(*cpPids), req: a.requests(), op: op}
	if op != nil {
		m.opc = op.cpu()
	}
	m.at = time.Now()
	return m
}

// end fills the CPU split (seconds) and the request delta of r.
func (m *meter) end(r *row) {
	after := cpus(*cpPids)
	r.CPU = map[string]float64{}
	other := after["machine"] - m.cpu["machine"]
	for k, v := range after {
		d := v - m.cpu[k]
		r.CPU[k] = d
		if k != "machine" {
			other -= d
		}
	}
	if m.op != nil {
		r.CPU["operator"] = m.op.cpu() - m.opc
		other -= r.CPU["operator"]
		r.V["op_cpu_s"] = r.CPU["operator"]
	}
	r.CPU["other"] = other
	r.V["meter_s"] = time.Since(m.at).Seconds()
	r.Requests = delta(m.req, a.requests())
}

// ---- building blocks

func name(i int) string { return fmt.Sprintf("s-%05d", i) }

func createCR(n string) {
	body := fmt.Sprintf(`{"apiVersion":"%s/%s","kind":%q,"metadata":{"name":%q,"namespace":%q},"spec":%s}`,
		*group, *version, *kind, n, *ns, strings.ReplaceAll(*spec, "{name}", n))
	must(a.do("POST", base(), "application/json", []byte(body), nil))
	now := time.Now()
	mu.Lock()
	created[n] = now
	mu.Unlock()
}

var created = map[string]time.Time{}

func createAll(n int) (first time.Time, took time.Duration) {
	first = time.Now()
	each(n, *workers, func(i int) { createCR(name(i)) })
	return first, time.Since(first)
}

func settled(names int) (done int, last, firstDone time.Time, lat []float64) {
	mu.Lock()
	defer mu.Unlock()
	for i := range names {
		c := crs[name(i)]
		if c == nil || c.done.IsZero() {
			continue
		}
		done++
		if c.done.After(last) {
			last = c.done
		}
		if firstDone.IsZero() || c.done.Before(firstDone) {
			firstDone = c.done
		}
		lat = append(lat, c.done.Sub(created[name(i)]).Seconds()*1000)
	}
	return
}

// await polls f until it says it is complete, or until it made no progress for -timeout.
func await(what string, f func() (progress int, complete bool)) bool {
	best, since := -1, time.Now()
	for {
		p, ok := f()
		if ok {
			return true
		}
		if p > best {
			best, since = p, time.Now()
		}
		if time.Since(since) > *timeout {
			fmt.Fprintf(os.Stderr, "loadgen: gave up waiting for %s at %d\n", what, best)
			return false
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func awaitSettled(n int, op *operator) (last, first time.Time, lat []float64, ok bool) {
	ok = await("reconciliation", func() (int, bool) {
		if op != nil && op.dead() {
			must(fmt.Errorf("the operator exited; see its log in %s", *outDir))
		}
		d, l, f, t := settled(n)
		last, first, lat = l, f, t
		return d, d == n
	})
	return
}

var canaries int

// canary makes one resource and waits until the operator has handled it.
func canary(op *operator) time.Duration {
	canaries++
	n := fmt.Sprintf("canary-%d", canaries)
	t := time.Now()
	createCR(n)
	var done time.Time
	await("a canary", func() (int, bool) {
		if op.dead() {
			must(fmt.Errorf("the operator exited; see its log in %s", *outDir))
		}
		mu.Lock()
		defer mu.Unlock()
		if c := crs[n]; c != nil {
			done = c.done
		}
		return 0, !done.IsZero()
	})
	return done.Sub(t)
}

func start(label, cmd string) *operator {
	return startOperator(cmd, *kubeconfig, filepath.Join(*outDir, "operator-"+label+".log"))
}

// idle waits until the operator used under 5 % of a core over a second; gives the time it was last seen busy.
func idle(op *operator, atLeast time.Duration) (busy time.Time) {
	busy = time.Now()
	last, lastAt, begun := op.cpu(), time.Now(), time.Now()
	quiet := time.Now()
	for time.Since(quiet) < time.Second || time.Since(begun) < atLeast {
		time.Sleep(200 * time.Millisecond)
		c, now := op.cpu(), time.Now()
		if (c-last)/now.Sub(lastAt).Seconds() > 0.05 {
			busy, quiet = now, now
		}
		last, lastAt = c, now
		if time.Since(begun) > *timeout {
			fmt.Fprintln(os.Stderr, "loadgen: the operator never went idle")
			break
		}
	}
	return busy
}

// clean removes everything in the namespace, whatever finalizers say, and waits until it is gone.
func clean() {
	for _, p := range []string{fmt.Sprintf(pods, *ns), fmt.Sprintf(jobs, *ns), fmt.Sprintf(cjs, *ns), base()} {
		for {
			var l struct {
				Items []struct {
					Metadata struct {
						Name       string
						Finalizers []string
					}
				}
			}
			must(a.do("GET", p+"?resourceVersion=0", "", nil, &l))
			if len(l.Items) == 0 {
				must(a.do("GET", p+"?limit=1", "", nil, &l))
				if len(l.Items) == 0 {
					break
				}
			}
			each(len(l.Items), *workers, func(i int) {
				m := l.Items[i].Metadata
				if len(m.Finalizers) > 0 {
					_ = a.do("PATCH", p+"/"+m.Name, mergeCT, []byte(`{"metadata":{"finalizers":null}}`), nil, 404, 409)
				}
				must(a.do("DELETE", p+"/"+m.Name, "application/json", []byte(`{"propagationPolicy":"Background","gracePeriodSeconds":0}`), nil, 404))
			})
			time.Sleep(200 * time.Millisecond)
		}
	}
	await("the watch to see the deletes", func() (int, bool) { mu.Lock(); defer mu.Unlock(); return -len(crs), len(crs) == 0 })
	mu.Lock()
	clear(crs)
	clear(byUID)
	clear(cronOf)
	clear(term)
	clear(created)
	dups = 0
	mu.Unlock()
	calm()
}

// calm waits (at most 20 s) until the control plane has finished reacting: under 30 % of a core over a second.
func calm() {
	for range 20 {
		b := cpus(*cpPids)
		time.Sleep(time.Second)
		e := cpus(*cpPids)
		if e["apiserver"]-b["apiserver"]+e["kcm"]-b["kcm"] < 0.3 {
			return
		}
	}
}

func cronBody(n, uid string) []byte {
	return fmt.Appendf(nil, `{"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":%q,"namespace":%q,"labels":{"download.dev/schedule":%q},"annotations":{"downloads.dev/applied-hash":"1bd0glv34cb6s"},"ownerReferences":[{"apiVersion":"%s/%s","kind":%q,"name":%q,"uid":%q,"controller":true,"blockOwnerDeletion":true}]},"spec":{"schedule":"*/5 * * * *","suspend":true,"concurrencyPolicy":"Forbid","successfulJobsHistoryLimit":20,"failedJobsHistoryLimit":20,"jobTemplate":{"metadata":{"labels":{"download.dev/schedule":%q}},"spec":{"backoffLimit":3,"template":{"metadata":{"labels":{"download.dev/schedule":%q}},"spec":{"restartPolicy":"Never","containers":[{"name":"download","image":"downloader:v1","args":["http://127.0.0.1/x"]}]}}}}}}`,
		n, *ns, n, *group, *version, *kind, n, uid, n, n)
}

// ---- scenarios

func rawWrites(n, round int) {
	clean()
	first, took := createAll(n)
	await("the watch", func() (int, bool) { mu.Lock(); defer mu.Unlock(); return len(crs), len(crs) >= n })
	r := row{Scenario: "raw", Op: ops[0].label, N: n, Round: round, V: map[string]float64{"create_s": took.Seconds()}}
	m := begin(nil)
	t := time.Now()
	each(n, *workers, func(i int) {
		mu.Lock()
		uid := crs[name(i)].uid
		mu.Unlock()
		rawOne(name(i), uid)
	})
	dt := time.Since(t).Seconds()
	m.end(&r)
	r.V["s"], r.V["writes_per_s"] = dt, float64(2*n)/dt
	awaitSettled(n, nil)
	emit(r)
	// the same with the creates inside: what a live run costs at the least
	clean()
	r = row{Scenario: "rawlive", Op: ops[0].label, N: n, Round: round, V: map[string]float64{}}
	m = begin(nil)
	t = time.Now()
	each(n, *workers, func(i int) {
		var o object
		body := fmt.Sprintf(`{"apiVersion":"%s/%s","kind":%q,"metadata":{"name":%q,"namespace":%q},"spec":%s}`, *group, *version, *kind, name(i), *ns, strings.ReplaceAll(*spec, "{name}", name(i)))
		must(a.do("POST", base(), "application/json", []byte(body), &o))
		rawOne(name(i), o.Metadata.UID)
	})
	last, _, _, _ := awaitSettled(n, nil)
	dt = last.Sub(t).Seconds()
	m.end(&r)
	r.V["s"], r.V["writes_per_s"], r.V["objects_per_s"] = dt, float64(3*n)/dt, float64(n)/dt
	emit(r)
	_ = first
}

func rawOne(n, uid string) {
	must(a.do("PATCH", fmt.Sprintf(cjs, *ns)+"/"+n+"?fieldManager=raw&force=true", applyCT, cronBody(n, uid), nil))
	must(a.do("PATCH", base()+"/"+n+"/status?fieldManager=raw", mergeCT, fmt.Appendf(nil,
		`{"status":{"observedGeneration":1,"cronJobName":%q,"conditions":[{"type":"Ready","status":"True","reason":"Scheduled","message":"CronJob is in place","observedGeneration":1,"lastTransitionTime":%q}]}}`,
		n, time.Now().UTC().Format(time.RFC3339)), nil))
}

func live(label, cmd string, n, round int) {
	clean()
	op := start(label, cmd)
	defer op.stop()
	canary(op)
	ready := time.Since(op.started)
	idle(op, 0)
	r := row{Scenario: "live", Op: label, N: n, Round: round, V: map[string]float64{"start_to_first_s": ready.Seconds()}}
	m := begin(op)
	t, took := createAll(n)
	last, _, lat, ok := awaitSettled(n, op)
	m.end(&r)
	if !ok {
		r.V["incomplete"] = 1
	}
	dt := last.Sub(t).Seconds()
	r.V["s"], r.V["create_s"], r.V["objects_per_s"] = dt, took.Seconds(), float64(n)/dt
	r.V["lat_p50_ms"], r.V["lat_p99_ms"] = pct(lat, .5), pct(lat, .99)
	r.V["op_cpu_ms_each"] = r.V["op_cpu_s"] / float64(n) * 1000
	r.V["op_writes"] = float64(writes(r.Requests) - n)
	r.V["rss_mib"], r.V["hwm_mib"] = op.mem()
	emit(r)
}

func backlog(label, cmd string, n, round int, restart bool) {
	clean()
	createAll(n)
	calm()
	r := row{Scenario: "backlog", Op: label, N: n, Round: round, V: map[string]float64{}}
	m := begin(nil)
	op := start(label, cmd)
	defer func() { op.stop() }()
	m.op = op
	last, first, _, ok := awaitSettled(n, op)
	m.end(&r)
	if !ok {
		r.V["incomplete"] = 1
	}
	dt := last.Sub(op.started).Seconds()
	r.V["s"], r.V["objects_per_s"] = dt, float64(n)/dt
	r.V["first_s"], r.V["objects_per_s_after_first"] = first.Sub(op.started).Seconds(), float64(n-1)/last.Sub(first).Seconds()
	r.V["op_cpu_ms_each"] = r.V["op_cpu_s"] / float64(n) * 1000
	r.V["op_writes"] = float64(writes(r.Requests))
	idle(op, 2*time.Second)
	r.V["rss_mib"], r.V["hwm_mib"] = op.mem()
	emit(r)
	if !restart {
		return
	}
	op.stop()
	calm()
	r = row{Scenario: "restart", Op: label, N: n, Round: round, V: map[string]float64{}}
	m = begin(nil)
	op = start(label, cmd)
	m.op = op
	busy := idle(op, 5*time.Second)
	m.end(&r)
	r.V["steady_s"], r.V["op_writes"] = busy.Sub(op.started).Seconds(), float64(writes(r.Requests))
	r.V["rss_mib"], r.V["hwm_mib"] = op.mem()
	r.V["canary_ms"] = canary(op).Seconds() * 1000
	emit(r)
}

func conds(pairs ...string) (s string) {
	now := time.Now().UTC().Format(time.RFC3339)
	for i := 0; i < len(pairs); i += 3 {
		s += fmt.Sprintf(`,{"type":%q,"status":"True","reason":%q,"message":%q,"lastProbeTime":%q,"lastTransitionTime":%q}`, pairs[i], pairs[i+1], pairs[i+2], now, now)
	}
	return "[" + s[1:] + "]"
}

func finishBody(i int) []byte {
	now := time.Now().UTC().Format(time.RFC3339)
	if *failEvery > 0 && i%*failEvery == *failEvery-1 {
		// One attempt, as there is one Pod: an operator may look for those of more.
		msg := "Container download failed with exit code 10 matching FailJob rule at index 1"
		return []byte(`{"status":{"active":0,"ready":0,"terminating":0,"failed":1,"conditions":` + conds("FailureTarget", "PodFailurePolicy", msg, "Failed", "PodFailurePolicy", msg) + `}}`)
	}
	msg := "Reached expected number of succeeded pods"
	return []byte(`{"status":{"active":0,"ready":0,"terminating":0,"succeeded":1,"completionTime":"` + now + `","conditions":` + conds("SuccessCriteriaMet", "CompletionsReached", msg, "Complete", "CompletionsReached", msg) + `}}`)
}

type jobRef struct{ name, uid, cr string }

// makeJobs creates m unfinished Jobs from the CronJobs in the namespace, as the CronJob controller would,
// with managedBy set so that the Job controller leaves them to us, or (real) without it, at the given rate.
func makeJobs(m int, real bool, rate int) []jobRef {
	var l struct {
		Items []struct {
			Metadata struct {
				Name, UID       string
				OwnerReferences []owner
			}
			Spec struct {
				JobTemplate struct {
					Metadata struct{ Labels, Annotations map[string]string }
					Spec     map[string]any
				}
			}
		}
	}
	must(a.do("GET", fmt.Sprintf(cjs, *ns), "", nil, &l))
	l.Items = slices.DeleteFunc(l.Items, func(c struct {
		Metadata struct {
			Name, UID       string
			OwnerReferences []owner
		}
		Spec struct {
			JobTemplate struct {
				Metadata struct{ Labels, Annotations map[string]string }
				Spec     map[string]any
			}
		}
	}) bool {
		return len(c.Metadata.OwnerReferences) == 0 || !strings.HasPrefix(c.Metadata.OwnerReferences[0].Name, "s-")
	})
	refs := make([]jobRef, m)
	started := []byte(`{"status":{"startTime":"` + time.Now().UTC().Format(time.RFC3339) + `","active":1,"ready":1}}`)
	t0, begun := time.Now().UTC().Truncate(time.Minute).Add(-24*time.Hour), time.Now()
	each(m, *workers, func(i int) {
		if rate > 0 {
			time.Sleep(time.Until(begun.Add(time.Duration(float64(i) / float64(rate) * 1e9))))
		}
		c := l.Items[i%len(l.Items)]
		when := t0.Add(time.Duration(i/len(l.Items)) * time.Minute)
		ann := map[string]string{"batch.kubernetes.io/cronjob-scheduled-timestamp": when.Format(time.RFC3339)}
		maps.Copy(ann, c.Spec.JobTemplate.Metadata.Annotations)
		s := maps.Clone(c.Spec.JobTemplate.Spec)
		if !real {
			s["managedBy"] = "bench.example.com/loadgen"
		}
		n := fmt.Sprintf("%s-%d", c.Metadata.Name, when.Unix()/60)
		body, _ := json.Marshal(map[string]any{"apiVersion": "batch/v1", "kind": "Job", "metadata": map[string]any{"name": n, "namespace": *ns, "labels": c.Spec.JobTemplate.Metadata.Labels, "annotations": ann,
			"ownerReferences": []any{map[string]any{"apiVersion": "batch/v1", "kind": "CronJob", "name": c.Metadata.Name, "uid": c.Metadata.UID, "controller": true, "blockOwnerDeletion": true}}}, "spec": s})
		var o object
		must(a.do("POST", fmt.Sprintf(jobs, *ns), "application/json", body, &o))
		refs[i] = jobRef{n, o.Metadata.UID, c.Metadata.OwnerReferences[0].Name}
		if real {
			return
		}
		must(a.do("PATCH", fmt.Sprintf(jobs, *ns)+"/"+n+"/status", mergeCT, started, nil))
		if *withPods {
			makePod(refs[i], s)
		}
	})
	return refs
}

func makePod(j jobRef, jobSpec map[string]any) {
	t, _ := jobSpec["template"].(map[string]any)
	meta, _ := t["metadata"].(map[string]any)
	lbl := map[string]any{}
	if l, ok := meta["labels"].(map[string]any); ok {
		maps.Copy(lbl, l)
	}
	for _, p := range []string{"", "batch.kubernetes.io/"} {
		lbl[p+"job-name"], lbl[p+"controller-uid"] = j.name, j.uid
	}
	s, _ := t["spec"].(map[string]any)
	s = maps.Clone(s)
	if *podNode != "" {
		s["nodeName"] = *podNode
	} else {
		s["schedulerName"] = "loadgen-none"
	}
	body, _ := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": j.name + "-x", "namespace": *ns, "labels": lbl,
		"ownerReferences": []any{map[string]any{"apiVersion": "batch/v1", "kind": "Job", "name": j.name, "uid": j.uid, "controller": true}}}, "spec": s})
	must(a.do("POST", fmt.Sprintf(pods, *ns), "application/json", body, nil))
}

func finishPod(j jobRef, i int) {
	now := time.Now().UTC().Format(time.RFC3339)
	phase, code, reason := "Succeeded", 0, "Completed"
	if *failEvery > 0 && i%*failEvery == *failEvery-1 {
		phase, code, reason = "Failed", 10, "Error"
	}
	body, _ := json.Marshal(map[string]any{"status": map[string]any{"phase": phase, "startTime": now, "containerStatuses": []any{map[string]any{
		"name": "download", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "started": false,
		"state": map[string]any{"terminated": map[string]any{"exitCode": code, "reason": reason, "startedAt": now, "finishedAt": now, "message": *podMessage}}}}}})
	must(a.do("PATCH", fmt.Sprintf(pods, *ns)+"/"+j.name+"-x/status", mergeCT, body, nil))
}

// finishJobs patches every Job to its terminal state at the given rate (0: flat out).
func finishJobs(refs []jobRef, rate int, also func(j jobRef)) (t0 time.Time, sent []time.Time, took time.Duration) {
	sent = make([]time.Time, len(refs))
	t0 = time.Now()
	each(len(refs), *workers, func(i int) {
		if rate > 0 {
			time.Sleep(time.Until(t0.Add(time.Duration(float64(i) / float64(rate) * 1e9))))
		}
		if *withPods {
			finishPod(refs[i], i)
		}
		sent[i] = time.Now()
		must(a.do("PATCH", fmt.Sprintf(jobs, *ns)+"/"+refs[i].name+"/status", mergeCT, finishBody(i), nil))
		if also != nil {
			also(refs[i])
		}
	})
	return t0, sent, time.Since(t0)
}

// complete measures how soon finished Jobs appear in their resource. With real, the Job controller and kwok finish them.
func complete(label, cmd string, m, rate, round int, real bool) {
	clean()
	op := start(label, cmd)
	defer op.stop()
	createAll(*schedules)
	awaitSettled(*schedules, op)
	var refs []jobRef
	if !real {
		refs = makeJobs(m, false, 0)
	}
	calm()
	idle(op, time.Second)
	mu.Lock()
	before := map[string]int{}
	for k, c := range crs {
		before[k] = c.status
	}
	mu.Unlock()
	r := row{Scenario: "complete", Op: label, N: m, Rate: rate, Round: round, V: map[string]float64{}}
	mt := begin(op)
	var t0 time.Time
	var sent []time.Time
	var took time.Duration
	if real {
		r.Scenario, t0, sent = "kwok", time.Now(), make([]time.Time, m)
		refs = makeJobs(m, true, rate)
		took = time.Since(t0)
	} else {
		t0, sent, took = finishJobs(refs, rate, nil)
	}
	var lost int
	seen := func() (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, j := range refs {
			if _, ok := crs[j.cr].history[j.uid]; ok {
				n++
			}
		}
		return n
	}
	if !await("completions in history", func() (int, bool) {
		if op.dead() {
			must(fmt.Errorf("the operator exited; see its log in %s", *outDir))
		}
		n := seen()
		lost = m - n
		return n, n == m
	}) {
		r.V["incomplete"] = 1
	}
	mt.end(&r)
	time.Sleep(2 * time.Second) // late duplicates, late counters
	mu.Lock()
	var lat, e2e []float64
	var last, firstTerm time.Time
	for i, j := range refs {
		at, ok := crs[j.cr].history[j.uid]
		if !ok {
			continue
		}
		lat = append(lat, at.Sub(term[j.uid]).Seconds()*1000)
		if !real {
			e2e = append(e2e, at.Sub(sent[i]).Seconds()*1000)
		}
		if at.After(last) {
			last = at
		}
		if firstTerm.IsZero() || term[j.uid].Before(firstTerm) {
			firstTerm = term[j.uid]
		}
	}
	var counted, versions int64
	for k, c := range crs {
		counted += c.counted
		versions += int64(c.status - before[k])
	}
	r.V["lost"], r.V["dup"] = float64(lost), float64(dups)
	mu.Unlock()
	r.V["finish_s"], r.V["offered_per_s"] = took.Seconds(), float64(m)/took.Seconds()
	r.V["s"] = last.Sub(t0).Seconds()
	r.V["completions_per_s"] = float64(m-lost) / last.Sub(t0).Seconds()
	r.V["lat_p50_ms"], r.V["lat_p95_ms"], r.V["lat_p99_ms"], r.V["lat_max_ms"] = pct(lat, .5), pct(lat, .95), pct(lat, .99), pct(lat, 1)
	if !real {
		r.V["e2e_p50_ms"], r.V["e2e_p99_ms"] = pct(e2e, .5), pct(e2e, .99)
	}
	r.V["op_cpu_ms_each"] = r.V["op_cpu_s"] / float64(m) * 1000
	r.V["status_versions"] = float64(versions)
	if *countPaths != "" {
		r.V["count_error"] = float64(counted - int64(m))
	}
	r.V["rss_mib"], r.V["hwm_mib"] = op.mem()
	emit(r)
}

// rawComplete is the same completions, each followed in line by one status patch of the growing history.
func rawComplete(m, rate, round int) {
	clean()
	createAll(*schedules)
	await("the watch", func() (int, bool) { mu.Lock(); defer mu.Unlock(); return len(crs), len(crs) >= *schedules })
	each(*schedules, *workers, func(i int) {
		mu.Lock()
		uid := crs[name(i)].uid
		mu.Unlock()
		rawOne(name(i), uid)
	})
	awaitSettled(*schedules, nil)
	refs := makeJobs(m, false, 0)
	calm()
	hist := map[string][]string{}
	locks := map[string]*sync.Mutex{}
	for i := range *schedules {
		locks[name(i)] = &sync.Mutex{}
	}
	r := row{Scenario: "rawcomplete", Op: ops[0].label, N: m, Rate: rate, Round: round, V: map[string]float64{}}
	mt := begin(nil)
	_, _, took := finishJobs(refs, rate, func(j jobRef) {
		now := time.Now().UTC().Format(time.RFC3339)
		l := locks[j.cr]
		l.Lock()
		defer l.Unlock()
		mu.Lock()
		h := append([]string{fmt.Sprintf(`{%q:%q,"jobName":%q,"state":"Succeeded","startedAt":%q,"completedAt":%q,"attempts":1,"message":"Reached expected number of succeeded pods"}`, *uidKey, j.uid, j.name, now, now)}, hist[j.cr]...)
		hist[j.cr] = h
		mu.Unlock()
		must(a.do("PATCH", base()+"/"+j.cr+"/status?fieldManager=raw", mergeCT, []byte(`{"status":{"lastRun":`+h[0]+`,"history":[`+strings.Join(h, ",")+`]}}`), nil))
	})
	mt.end(&r)
	r.V["s"], r.V["completions_per_s"] = took.Seconds(), float64(m)/took.Seconds()
	emit(r)
}

func ints(s string) (out []int) {
	for _, f := range strings.Split(s, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(f))
		must(err)
		out = append(out, n)
	}
	return out
}

func table() {
	type key struct {
		s, op   string
		n, rate int
	}
	var keys []key
	vals := map[key]map[string][]float64{}
	for _, r := range rows {
		k := key{r.Scenario, r.Op, r.N, r.Rate}
		if vals[k] == nil {
			vals[k] = map[string][]float64{}
			keys = append(keys, k)
		}
		for n, v := range r.V {
			vals[k][n] = append(vals[k][n], v)
		}
		for n, v := range r.CPU {
			vals[k]["cpu_"+n] = append(vals[k]["cpu_"+n], v)
		}
	}
	fmt.Printf("\nmedians of %d\n", *rounds)
	for _, k := range keys {
		fmt.Printf("%-12s %-10s n=%-6d rate=%-5d", k.s, k.op, k.n, k.rate)
		for _, n := range slices.Sorted(maps.Keys(vals[k])) {
			fmt.Printf(" %s=%.4g", n, pct(vals[k][n], .5))
		}
		fmt.Println()
	}
}

func main() {
	flag.Var(&ops, "op", "LABEL=COMMAND of an operator under test; may be repeated; it gets KUBECONFIG")
	flag.Parse()
	must(os.MkdirAll(*outDir, 0o755))
	var err error
	out, err = os.OpenFile(filepath.Join(*outDir, "results.jsonl"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	must(err)
	a = newAPI(*kubeconfig, 4)
	if *crdFile != "" {
		a.applyCRD(*crdFile)
	}
	must(a.do("POST", "/api/v1/namespaces", "application/json", fmt.Appendf(nil, `{"metadata":{"name":%q}}`, *ns), nil, 409))
	w := newAPI(*kubeconfig, 1)
	watch(w, base()+"?", onCR)
	watch(newAPI(*kubeconfig, 1), fmt.Sprintf(cjs, *ns)+"?", onCron)
	watch(newAPI(*kubeconfig, 1), fmt.Sprintf(jobs, *ns)+"?", onJob)
	has := func(s string) bool { return slices.Contains(strings.Split(*scenarios, ","), s) }
	for round := 1; round <= *rounds; round++ {
		for _, n := range ints(*sizes) {
			if has("raw") {
				rawWrites(n, round)
			}
			for _, o := range ops {
				if has("live") {
					live(o.label, o.cmd, n, round)
				}
				if has("backlog") || has("restart") {
					backlog(o.label, o.cmd, n, round, has("restart"))
				}
			}
		}
		for _, m := range ints(*jobsFlag) {
			for _, rate := range ints(*rates) {
				if has("rawcomplete") {
					rawComplete(m, rate, round)
				}
				for _, o := range ops {
					if has("complete") {
						complete(o.label, o.cmd, m, rate, round, false)
					}
					if has("kwok") {
						complete(o.label, o.cmd, m, rate, round, true)
					}
				}
			}
		}
	}
	clean()
	table()
}
