package main

import (
	"io"
	"regexp"
	"strconv"
	"strings"
)

var (
	requestTotal = regexp.MustCompile(`^apiserver_request_total\{(.*)\} (\S+)$`)
	label        = regexp.MustCompile(`(\w+)="([^"]*)"`)
)

// requests returns how often the API server has handled "VERB resource[/subresource] [status]".
// Leases, events and reviews are left out.
func (a *api) requests() map[string]int {
	res, err := a.send("GET", "/metrics", "", nil)
	must(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	must(err)
	counts := map[string]int{}
	for _, line := range strings.Split(string(body), "\n") {
		match := requestTotal.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		labels := map[string]string{}
		for _, pair := range label.FindAllStringSubmatch(match[1], -1) {
			labels[pair[1]] = pair[2]
		}
		if key, ok := requestKey(labels); ok {
			n, _ := strconv.ParseFloat(match[2], 64)
			counts[key] += int(n)
		}
	}
	return counts
}

func requestKey(labels map[string]string) (key string, ok bool) {
	resource := labels["resource"]
	switch {
	case resource == "", resource == "leases", resource == "events", strings.HasSuffix(resource, "reviews"):
		return "", false
	}
	key = labels["verb"] + " " + resource
	if labels["subresource"] != "" {
		key += "/" + labels["subresource"]
	}
	if code := labels["code"]; code != "200" && code != "201" && code != "0" {
		key += " " + code
	}
	return key, true
}

func difference(before, after map[string]int) map[string]int {
	changed := map[string]int{}
	for key, n := range after {
		if d := n - before[key]; d != 0 {
			changed[key] = d
		}
	}
	return changed
}

// writes returns how many of the requests were writes.
func writes(requests map[string]int) (n int) {
	for key, count := range requests {
		switch strings.Fields(key)[0] {
		case "POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION":
			n += count
		}
	}
	return n
}
