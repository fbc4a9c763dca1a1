// Command httpload sends one kind of HTTP request over a few connections, each of which waits for
// its response before it sends the next request, and measures how long the responses take.
//
// It reads a Plan as JSON from standard input and writes Figures as JSON to standard output. In
// path and body, {n} is the number of the request, and {r} a number below Range that depends on it.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Plan is what to send.
type Plan struct {
	Method      string            `json:"method"`
	Origin      string            `json:"origin"`
	Path        string            `json:"path"`
	Body        string            `json:"body"`
	Headers     map[string]string `json:"headers"`
	CA          string            `json:"ca"`
	Requests    int               `json:"requests"`
	Connections int               `json:"connections"`
	First       int               `json:"first"`
	Range       int               `json:"range"`
}

// Figures are the results. Failed is the number of responses other than 2xx; Error is one of them.
type Figures struct {
	PerSecond float64 `json:"per_s"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	Failed    int     `json:"failed"`
	Bytes     int64   `json:"bytes"`
	Error     string  `json:"error,omitempty"`
}

func main() {
	var plan Plan
	if err := json.NewDecoder(os.Stdin).Decode(&plan); err != nil {
		fatal(err)
	}
	figures, err := run(plan)
	if err != nil {
		fatal(err)
	}
	json.NewEncoder(os.Stdout).Encode(figures)
}

func run(plan Plan) (Figures, error) {
	client, err := newClient(plan)
	if err != nil {
		return Figures{}, err
	}
	var next, received atomic.Int64
	taken := make([]time.Duration, plan.Requests)
	failures := make([]string, plan.Requests)
	var all sync.WaitGroup
	started := time.Now()
	for range plan.Connections {
		all.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= plan.Requests {
					return
				}
				from := time.Now()
				size, err := send(client, plan, plan.First+i)
				taken[i] = time.Since(from)
				received.Add(size)
				if err != nil {
					failures[i] = err.Error()
				}
			}
		})
	}
	all.Wait()
	seconds := time.Since(started).Seconds()
	slices.Sort(taken)
	figures := Figures{
		PerSecond: float64(plan.Requests) / seconds,
		P50:       milliseconds(taken[len(taken)/2]),
		P99:       milliseconds(taken[len(taken)*99/100]),
		Bytes:     received.Load(),
	}
	for _, failure := range failures {
		if failure != "" {
			figures.Failed++
			figures.Error = failure
		}
	}
	return figures, nil
}

func newClient(plan Plan) (*http.Client, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: plan.Connections, MaxConnsPerHost: plan.Connections, DisableCompression: true}
	if plan.CA != "" {
		text, err := os.ReadFile(plan.CA)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(text)
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	return &http.Client{Transport: transport, Timeout: time.Minute}, nil
}

func send(client *http.Client, plan Plan, number int) (int64, error) {
	picked := strconv.Itoa(number * 7919 % max(plan.Range, 1))
	filled := strings.NewReplacer("{n}", strconv.Itoa(number), "{r}", picked)
	request, err := http.NewRequest(plan.Method, plan.Origin+filled.Replace(plan.Path), bytes.NewBufferString(filled.Replace(plan.Body)))
	if err != nil {
		return 0, err
	}
	for name, value := range plan.Headers {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode < 300 {
		return io.Copy(io.Discard, response.Body)
	}
	text, _ := io.ReadAll(io.LimitReader(response.Body, 500))
	return int64(len(text)), fmt.Errorf("%d %s", response.StatusCode, text)
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Microseconds()) / 1000
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
