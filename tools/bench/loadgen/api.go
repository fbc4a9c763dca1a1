package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

const (
	applyCT = "application/apply-patch+yaml"
	mergeCT = "application/merge-patch+json"
)

// api is a bare JSON client over a few HTTP/2 connections: no rate limit, no decoding unless asked.
type api struct {
	host string
	cl   []*http.Client
	n    atomic.Uint64
}

func newAPI(kubeconfig string, conns int) *api {
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	must(err)
	// 10.201.0.0/16: the network namespaces of tools/cluster.
	if !strings.Contains(cfg.Host, "//127.0.0.1:") && !strings.Contains(cfg.Host, "//10.201.") {
		must(fmt.Errorf("refusing to load %s: this tool deletes what it made; it is meant for a cluster of its own", cfg.Host))
	}
	tc, err := rest.TLSConfigFor(cfg)
	must(err)
	a := &api{host: cfg.Host}
	for range conns {
		var rt http.RoundTripper = &http.Transport{TLSClientConfig: cloneTLS(tc), ForceAttemptHTTP2: true, DisableCompression: true}
		if cfg.BearerToken != "" {
			rt = bearer{cfg.BearerToken, rt}
		}
		a.cl = append(a.cl, &http.Client{Transport: rt})
	}
	return a
}

func cloneTLS(t *tls.Config) *tls.Config { return t.Clone() }

type bearer struct {
	tok string
	rt  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("Authorization", "Bearer "+b.tok)
	return b.rt.RoundTrip(r)
}

func (a *api) req(ctx context.Context, method, path, ct string, body []byte) (*http.Response, error) {
	for tries := 0; ; tries++ {
		res, err := a.once(ctx, method, path, ct, body)
		// Another schema is another storage, which answers 429 until its cache is filled.
		if err != nil || res.StatusCode != http.StatusTooManyRequests || tries == 60 {
			return res, err
		}
		res.Body.Close()
		time.Sleep(time.Second)
	}
}

func (a *api) once(ctx context.Context, method, path, ct string, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, a.host+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if ct != "" {
		r.Header.Set("Content-Type", ct)
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "loadgen")
	return a.cl[a.n.Add(1)%uint64(len(a.cl))].Do(r)
}

// do sends and discards (out nil) or decodes the answer; a status above 299 is an error unless in ok.
func (a *api) do(method, path, ct string, body []byte, out any, ok ...int) error {
	res, err := a.req(context.Background(), method, path, ct, body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode > 299 && !slices.Contains(ok, res.StatusCode) {
		b, _ := io.ReadAll(res.Body)
		return fmt.Errorf("%s %s: %d %s", method, path, res.StatusCode, b)
	}
	if out != nil && res.StatusCode < 300 {
		return json.NewDecoder(res.Body).Decode(out)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// watch follows path for ever; each event's decoded object (type T) goes to f with its arrival time.
func watch[T any](a *api, path string, f func(typ string, o *T, at time.Time)) {
	listed := func() string {
		var l struct {
			Metadata struct{ ResourceVersion string }
		}
		must(a.do("GET", path+"limit=1", "", nil, &l))
		return l.Metadata.ResourceVersion
	}
	rv := listed()
	go func() {
		told := false
		for {
			res, err := a.req(context.Background(), "GET", path+"watch=1&allowWatchBookmarks=true&timeoutSeconds=14400&resourceVersion="+rv, "", nil)
			must(err)
			if res.StatusCode != 200 {
				must(fmt.Errorf("watch %s: %s", path, res.Status))
			}
			d := json.NewDecoder(res.Body)
			for {
				var ev struct {
					Type   string
					Object json.RawMessage
				}
				if err := d.Decode(&ev); err != nil {
					break
				}
				at := time.Now()
				if ev.Type == "ERROR" && !told { // the cache of a resource just defined began after the list
					time.Sleep(100 * time.Millisecond)
					rv = listed()
					break
				}
				told = true
				if ev.Type == "ERROR" {
					must(fmt.Errorf("watch %s: %s", path, ev.Object))
				}
				var m struct {
					Metadata struct{ ResourceVersion string }
				}
				o := new(T)
				must(json.Unmarshal(ev.Object, &m))
				rv = m.Metadata.ResourceVersion
				if ev.Type != "BOOKMARK" {
					must(json.Unmarshal(ev.Object, o))
					f(ev.Type, o, at)
				}
			}
			res.Body.Close()
		}
	}()
}

var metricRe = regexp.MustCompile(`^apiserver_request_total\{(.*)\} (\S+)$`)
var labelRe = regexp.MustCompile(`(\w+)="([^"]*)"`)

// requests reads apiserver_request_total as "VERB resource[/sub] class" -> count, leaving out leases, events and reviews.
func (a *api) requests() map[string]int {
	res, err := a.req(context.Background(), "GET", "/metrics", "", nil)
	must(err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	must(err)
	out := map[string]int{}
	for _, line := range strings.Split(string(b), "\n") {
		m := metricRe.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		l := map[string]string{}
		for _, kv := range labelRe.FindAllStringSubmatch(m[1], -1) {
			l[kv[1]] = kv[2]
		}
		if l["resource"] == "leases" || l["resource"] == "events" || strings.HasSuffix(l["resource"], "reviews") || l["resource"] == "" {
			continue
		}
		v, _ := strconv.ParseFloat(m[2], 64)
		res := l["resource"]
		if l["subresource"] != "" {
			res += "/" + l["subresource"]
		}
		k := l["verb"] + " " + res
		if c := l["code"]; c != "200" && c != "201" && c != "0" {
			k += " " + c
		}
		out[k] += int(v)
	}
	return out
}

func delta(before, after map[string]int) map[string]int {
	out := map[string]int{}
	for k, v := range after {
		if d := v - before[k]; d != 0 {
			out[k] = d
		}
	}
	return out
}

func writes(d map[string]int) (n int) {
	for k, v := range d {
		switch strings.Fields(k)[0] {
		case "POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION":
			n += v
		}
	}
	return n
}

// applyFile server-side applies every document of a YAML file; CustomResourceDefinitions only.
func (a *api) applyCRD(file string) {
	raw, err := os.ReadFile(file)
	must(err)
	for _, doc := range regexp.MustCompile(`(?m)^---\s*$`).Split(string(raw), -1) {
		if strings.TrimSpace(doc) == "" {
			continue
		}
		var o struct {
			Kind     string
			Metadata struct{ Name string }
		}
		must(yaml.Unmarshal([]byte(doc), &o))
		if o.Kind != "CustomResourceDefinition" {
			continue
		}
		p := "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/" + o.Metadata.Name
		must(a.do("PATCH", p+"?fieldManager=loadgen&force=true", applyCT, []byte(doc), nil))
		for range 100 {
			var c struct {
				Status struct {
					Conditions []struct{ Type, Status string }
				}
			}
			must(a.do("GET", p, "", nil, &c))
			if slices.ContainsFunc(c.Status.Conditions, func(x struct{ Type, Status string }) bool { return x.Type == "Established" && x.Status == "True" }) {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// each runs f(0..n-1) on w goroutines.
func each(n, w int, f func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(w, max(n, 1)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		for _, f := range onDeath {
			f()
		}
		os.Exit(1)
	}
}

var onDeath []func()
