"""Whatever was missed, after a list the picture is what there is."""

from download_kube.reflector import missing_objects
from download_operator.cache.cache import Picture
from download_operator.cache.objects import cron_job_of, job_of, schedule_of
from tests.unit.operator.objects import cron_job_manifest, job_manifest, schedule_manifest
from tests.unit.operator.world import KEY, START


def test_what_we_wrote_and_no_watch_told_of_vanishes_with_the_next_list() -> None:
    picture = Picture(lambda _: None, lambda: START)
    picture.put_schedule(schedule_of(schedule_manifest(version=1)))
    picture.wrote_cron_job(KEY, "digest", cron_job_of(cron_job_manifest(version=2)))
    for cron_job in missing_objects(picture.cron_jobs(), set(), 3):
        picture.remove_cron_job(cron_job)
    snapshot = picture.snapshot(KEY)
    assert snapshot
    assert snapshot.cron_job is None


def test_what_is_newer_than_the_list_stays_and_so_does_what_is_in_it() -> None:
    picture = Picture(lambda _: None, lambda: START)
    for number, version in ((1, 5), (2, 6), (3, 7)):
        picture.put_job(job_of(job_manifest(number, version)))
    assert [job.uid for job in missing_objects(picture.jobs(), {"job-1"}, 6)] == ["job-2"]


def test_a_job_that_is_known_to_be_deleted_does_not_vanish_again() -> None:
    picture = Picture(lambda _: None, lambda: START)
    picture.put_schedule(schedule_of(schedule_manifest(version=1)))
    picture.remove_job(job_of(job_manifest(version=5)))
    assert missing_objects(picture.jobs(), set(), 6) == []
