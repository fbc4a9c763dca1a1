"""What is listed of which namespaces."""

from typing import Any

import pytest

from download_api.store.schedule_lists import ScheduleLists
from download_schedule.namespaces import ServedNamespaces

CLIENT: Any = None
EVERYWHERE = ServedNamespaces(release="place")
TWO = ServedNamespaces(("team", "team-a"))


@pytest.mark.parametrize(
    ("served", "namespace", "scopes"),
    [
        (EVERYWHERE, "", [""]),
        (EVERYWHERE, "team", ["team"]),
        (EVERYWHERE, "kube-system", ["kube-system"]),
        (TWO, "", ["team-a", "team"]),
        (TWO, "team", ["team"]),
        (TWO, "other", []),
    ],
)
def test_scopes_are_sorted_as_the_api_server_sorts_schedules(
    served: ServedNamespaces, namespace: str, scopes: list[str]
) -> None:
    assert list(ScheduleLists(CLIENT, served).scopes(namespace)) == scopes
