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
	"strings"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

const (
	jsonType  = "application/json"
	applyType = "application/apply-patch+yaml"
	mergeType = "application/merge-patch+json"
)

// api is a bare JSON client over a few HTTP/2 connections, without a rate limit.
type api struct {
	host    string
	clients []*http.Client
	sent    atomic.Uint64
}

func newAPI(kubeconfig string, connections int) *api {
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	must(err)
	// 10.201.0.0/16 are the network namespaces of tools/cluster.
	if !strings.Contains(cfg.Host, "//127.0.0.1:") && !strings.Contains(cfg.Host, "//10.201.") {
		fail(fmt.Errorf("refusing to load %s: loadgen deletes objects and needs a cluster of its own", cfg.Host))
	}
	tlsConfig, err := rest.TLSConfigFor(cfg)
	must(err)
	a := &api{host: cfg.Host}
	for range connections {
		a.clients = append(a.clients, newClient(tlsConfig.Clone()))
	}
	return a
}

func newClient(tlsConfig *tls.Config) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: tlsConfig, ForceAttemptHTTP2: true, DisableCompression: true}}
}

// do sends a request and decodes the response into out, unless that is nil. A status above 299 is an
// error unless it is in ok.
func (a *api) do(method, path, contentType string, body []byte, out any, ok ...int) error {
	res, err := a.send(method, path, contentType, body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode > 299 && !slices.Contains(ok, res.StatusCode) {
		text, _ := io.ReadAll(res.Body)
		return fmt.Errorf("%s %s: %d %s", method, path, res.StatusCode, text)
	}
	if out != nil && res.StatusCode < 300 {
		return json.NewDecoder(res.Body).Decode(out)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// send sends a request, again for a minute while the API server responds 429: it does so while it
// fills the cache of a resource whose schema has changed.
func (a *api) send(method, path, contentType string, body []byte) (*http.Response, error) {
	for tries := 0; ; tries++ {
		res, err := a.sendOnce(method, path, contentType, body)
		if err != nil || res.StatusCode != http.StatusTooManyRequests || tries == 60 {
			return res, err
		}
		res.Body.Close()
		time.Sleep(time.Second)
	}
}

func (a *api) sendOnce(method, path, contentType string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(context.Background(), method, a.host+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Accept", jsonType)
	req.Header.Set("User-Agent", "loadgen")
	return a.clients[a.sent.Add(1)%uint64(len(a.clients))].Do(req)
}

// applyCRD applies the resource definitions of a file and waits until they are established.
func (a *api) applyCRD(file string) {
	text, err := os.ReadFile(file)
	must(err)
	for _, document := range regexp.MustCompile(`(?m)^---\s*$`).Split(string(text), -1) {
		var crd struct {
			Kind     string
			Metadata struct{ Name string }
		}
		must(yaml.Unmarshal([]byte(document), &crd))
		if crd.Kind != "CustomResourceDefinition" {
			continue
		}
		path := "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/" + crd.Metadata.Name
		must(a.do("PATCH", path+"?fieldManager=loadgen&force=true", applyType, []byte(document), nil))
		for range 100 {
			if a.isEstablished(path) {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}

func (a *api) isEstablished(path string) bool {
	type condition struct{ Type, Status string }
	var crd struct {
		Status struct{ Conditions []condition }
	}
	must(a.do("GET", path, "", nil, &crd))
	return slices.Contains(crd.Status.Conditions, condition{"Established", "True"})
}
