package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// job is a Job that loadgen has created from the CronJob of a schedule.
type job struct{ name, uid, schedule string }

type cronJobItem struct {
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

// createJobs creates unfinished Jobs as the CronJob controller would, one for each minute of each
// CronJob. Their `managedBy` keeps the Job controller away from them.
func (h *harness) createJobs(n int) []job {
	cronJobs := h.cronJobs()
	jobs := make([]job, n)
	firstTick := time.Now().UTC().Truncate(time.Minute).Add(-24 * time.Hour)
	started := []byte(`{"status":{"startTime":"` + now() + `","active":1,"ready":1}}`)
	inParallel(n, func(i int) {
		c := cronJobs[i%len(cronJobs)]
		tick := firstTick.Add(time.Duration(i/len(cronJobs)) * time.Minute)
		jobs[i] = h.createJob(c, tick)
		must(h.api.do("PATCH", jobsPath+"/"+jobs[i].name+"/status", mergeType, started, nil))
		if h.pods {
			h.createPod(jobs[i], c.Spec.JobTemplate.Spec)
		}
	})
	return jobs
}

// cronJobs returns the CronJobs of the schedules that createAll has created.
func (h *harness) cronJobs() []cronJobItem {
	var list struct{ Items []cronJobItem }
	must(h.api.do("GET", cronJobsPath, "", nil, &list))
	return slices.DeleteFunc(list.Items, func(c cronJobItem) bool {
		owners := c.Metadata.OwnerReferences
		return len(owners) == 0 || !strings.HasPrefix(owners[0].Name, "s-")
	})
}

func (h *harness) createJob(c cronJobItem, tick time.Time) job {
	name := fmt.Sprintf("%s-%d", c.Metadata.Name, tick.Unix()/60)
	annotations := map[string]string{"batch.kubernetes.io/cronjob-scheduled-timestamp": tick.Format(time.RFC3339)}
	maps.Copy(annotations, c.Spec.JobTemplate.Metadata.Annotations)
	spec := maps.Clone(c.Spec.JobTemplate.Spec)
	spec["managedBy"] = "bench.example.com/loadgen"
	metadata := map[string]any{
		"name": name, "namespace": namespace, "labels": c.Spec.JobTemplate.Metadata.Labels, "annotations": annotations,
		"ownerReferences": controlledBy("batch/v1", "CronJob", c.Metadata.Name, c.Metadata.UID),
	}
	var o object
	body := mustJSON(map[string]any{"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec})
	must(h.api.do("POST", jobsPath, jsonType, body, &o))
	return job{name, o.Metadata.UID, c.Metadata.OwnerReferences[0].Name}
}

func (h *harness) createPod(j job, jobSpec map[string]any) {
	template, _ := jobSpec["template"].(map[string]any)
	templateMetadata, _ := template["metadata"].(map[string]any)
	templateLabels, _ := templateMetadata["labels"].(map[string]any)
	labels := map[string]any{}
	maps.Copy(labels, templateLabels)
	for _, prefix := range []string{"", "batch.kubernetes.io/"} {
		labels[prefix+"job-name"], labels[prefix+"controller-uid"] = j.name, j.uid
	}
	templateSpec, _ := template["spec"].(map[string]any)
	spec := maps.Clone(templateSpec)
	spec["schedulerName"] = "loadgen-none" // so that it stays Pending
	metadata := map[string]any{
		"name": podOf(j), "namespace": namespace, "labels": labels,
		"ownerReferences": controlledBy("batch/v1", "Job", j.name, j.uid),
	}
	body := mustJSON(map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
	must(h.api.do("POST", podsPath, jsonType, body, nil))
}

func controlledBy(apiVersion, kind, name, uid string) []any {
	return []any{map[string]any{
		"apiVersion": apiVersion, "kind": kind, "name": name, "uid": uid,
		"controller": true, "blockOwnerDeletion": true,
	}}
}

func podOf(j job) string { return j.name + "-x" }

// finishJobs ends the Jobs at the rate of the command line and returns when each end was sent.
func (h *harness) finishJobs(jobs []job) []time.Time {
	sent := make([]time.Time, len(jobs))
	started := time.Now()
	inParallel(len(jobs), func(i int) {
		if h.rate > 0 {
			time.Sleep(time.Until(started.Add(time.Duration(float64(i) / float64(h.rate) * 1e9))))
		}
		if h.pods {
			must(h.api.do("PATCH", podsPath+"/"+podOf(jobs[i])+"/status", mergeType, endOfPod(fails(i)), nil))
		}
		sent[i] = time.Now()
		must(h.api.do("PATCH", jobsPath+"/"+jobs[i].name+"/status", mergeType, endOfJob(fails(i)), nil))
	})
	return sent
}

func fails(i int) bool { return i%failEvery == failEvery-1 }

func endOfPod(failed bool) []byte {
	phase, code, reason := "Succeeded", 0, "Completed"
	if failed {
		phase, code, reason = "Failed", 10, "Error"
	}
	at := now()
	terminated := map[string]any{"exitCode": code, "reason": reason, "startedAt": at, "finishedAt": at, "message": `{"bytes":1048576}`}
	container := map[string]any{
		"name": "download", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "started": false,
		"state": map[string]any{"terminated": terminated},
	}
	return mustJSON(map[string]any{"status": map[string]any{"phase": phase, "startTime": at, "containerStatuses": []any{container}}})
}

func endOfJob(failed bool) []byte {
	status := map[string]any{"active": 0, "ready": 0}
	if failed {
		// One attempt, because there is one Pod: an operator may look for those of more.
		message := "Container download failed with exit code 10 matching FailJob rule at index 1"
		status["failed"], status["terminating"] = 1, 0
		status["conditions"] = conditions("PodFailurePolicy", message, "FailureTarget", "Failed")
	} else {
		message := "Reached expected number of succeeded pods"
		status["succeeded"], status["terminating"], status["completionTime"] = 1, 0, now()
		status["conditions"] = conditions("CompletionsReached", message, "SuccessCriteriaMet", "Complete")
	}
	return mustJSON(map[string]any{"status": status})
}

func conditions(reason, message string, types ...string) (list []any) {
	for _, kind := range types {
		list = append(list, map[string]any{
			"type": kind, "status": "True", "reason": reason, "message": message,
			"lastProbeTime": now(), "lastTransitionTime": now(),
		})
	}
	return list
}

func mustJSON(value any) []byte {
	body, err := json.Marshal(value)
	must(err)
	return body
}
