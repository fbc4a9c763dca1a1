"""Events about a schedule; the integration tests have the API server accept them."""

from dataclasses import replace

import pytest

from download_operator.manifests.events import MAX_NOTE, TICK_MISSED, build_warning
from tests.support.cluster_objects import schedule_object
from tests.support.fake_cluster import START


def event_name(note: str, schedule_name: str = "report") -> str:
    schedule = replace(schedule_object(), name=schedule_name)
    name: str = build_warning(schedule, TICK_MISSED, note, START)["metadata"]["name"]
    return name


def test_same_note_has_the_same_name() -> None:
    assert event_name("one") == event_name("one") != event_name("two")


@pytest.mark.parametrize("schedule_name", ["n" * 253, "n" * 51 + ".n", "n" * 51 + "-n"])
def test_name_of_an_event_is_a_valid_name(schedule_name: str) -> None:
    name = event_name("note", schedule_name)

    assert len(name) <= 63
    assert ".-" not in name
    assert "--" not in name


def test_long_note_is_cut_between_characters() -> None:
    event = build_warning(schedule_object(), TICK_MISSED, "\N{SNOWMAN}" * 1000, START)

    assert event["note"] == "\N{SNOWMAN}" * (MAX_NOTE // 3)
