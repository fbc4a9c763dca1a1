"""Paths of resources on the API server."""

from download_kube import paths
from download_kube.paths import ALL_NAMESPACES


def test_collection_is_in_a_namespace_or_in_all() -> None:
    assert paths.collection(paths.CORE, "team", "pods") == "/api/v1/namespaces/team/pods"
    assert paths.collection(paths.BATCH, ALL_NAMESPACES, "jobs") == "/apis/batch/v1/jobs"


def test_cron_job_has_its_schedules_name_as_far_as_that_is_allowed() -> None:
    folder = "/apis/batch/v1/namespaces/team/cronjobs"
    assert paths.cron_job_path("team", "report") == f"{folder}/report"
    assert len(paths.cron_job_path("team", "x" * 60)) == len(folder) + 1 + 52


def test_schedule_has_a_path_of_our_own_api() -> None:
    expected = "/apis/downloads.dev/v1alpha1/namespaces/team/downloadschedules/report"
    assert paths.schedule_path("team", "report") == expected
