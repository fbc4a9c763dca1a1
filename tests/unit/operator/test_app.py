"""How kopf is set up."""

from itertools import islice

from download_operator.app import Pauses
from download_operator.work_queue import LAST_RETRY


def test_kopf_never_gives_up_and_never_waits_long() -> None:
    pauses = Pauses()
    for _ in range(2):  # kopf begins anew for each request
        some = list(islice(pauses, 1000))
        assert len(some) == 1000
        assert some[0] < 1
        assert max(some) <= LAST_RETRY
