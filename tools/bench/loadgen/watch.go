package main

import (
	"encoding/json"
	"fmt"
	"time"
)

// watch follows a collection for as long as the process runs. Each event goes to f with the time of
// its arrival.
func watch(a *api, path string, f func(event string, o *object, at time.Time)) {
	w := &watcher{api: a, path: path, f: f}
	w.list()
	go func() {
		for {
			w.follow()
		}
	}()
}

type watcher struct {
	api     *api
	path    string
	f       func(event string, o *object, at time.Time)
	version string
	started bool // whether an event has arrived
}

func (w *watcher) list() {
	var list struct {
		Metadata struct{ ResourceVersion string }
	}
	must(w.api.do("GET", w.path+"?limit=1", "", nil, &list))
	w.version = list.Metadata.ResourceVersion
}

// follow handles the events of one connection.
func (w *watcher) follow() {
	query := "?watch=1&allowWatchBookmarks=true&timeoutSeconds=14400&resourceVersion=" + w.version
	res, err := w.api.send("GET", w.path+query, "", nil)
	must(err)
	defer res.Body.Close()
	if res.StatusCode != 200 {
		fail(fmt.Errorf("watch %s: %s", w.path, res.Status))
	}
	for decoder := json.NewDecoder(res.Body); ; {
		var event struct {
			Type   string
			Object json.RawMessage
		}
		if decoder.Decode(&event) != nil || !w.handle(event.Type, event.Object, time.Now()) {
			return
		}
	}
}

// handle returns whether the connection is still of use.
func (w *watcher) handle(event string, raw json.RawMessage, at time.Time) bool {
	if event == "ERROR" {
		// The cache of a resource that was just defined may begin after our list.
		if w.started {
			fail(fmt.Errorf("watch %s: %s", w.path, raw))
		}
		time.Sleep(100 * time.Millisecond)
		w.list()
		return false
	}
	w.started = true
	o := new(object)
	must(json.Unmarshal(raw, o))
	w.version = o.Metadata.ResourceVersion
	if event != "BOOKMARK" {
		w.f(event, o, at)
	}
	return true
}
