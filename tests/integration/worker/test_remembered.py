"""What stays remembered when servers say odd things, and when nothing is new."""

import pytest

from tests.integration.worker.attempts import Pod
from tests.integration.worker.faults import BODY, FaultServer, answer
from tests.integration.worker.test_memory import names

JOBS = [f"nightly-{29923320 + minute}" for minute in range(4)]


@pytest.mark.parametrize("field", ['ETag: "a\tb"', 'ETag: "a\x85b"', "Last-Modified: a\xa0b"])
def test_a_field_that_is_not_to_be_seen_costs_no_memory(
    pod: Pod, server: FaultServer, field: str
) -> None:
    url = server.on("/x", answer(200, BODY, field))
    ended = [pod.run(url, keep_last=1, only_if_changed=True, DOWNLOAD_JOB=job) for job in JOBS[:2]]
    assert [each.code for each in ended] == [0, 0], ended[1].out
    assert ended[1].result.unchanged
    assert pod.run(url, keep_last=1, DOWNLOAD_JOB=JOBS[2]).code == 0
    assert names(pod) == ["20261123T020200Z-x"]
