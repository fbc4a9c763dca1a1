"""The newest version wins, in whatever order versions and deletions come."""

from dataclasses import dataclass, field

import pytest

from download_operator.cache.object_store import MAX_TOMBSTONES, ObjectStore


@dataclass(frozen=True)
class Thing:
    uid: str
    resource_version: int = field(compare=False)
    name: str = "thing"
    color: str = "red"
    namespace: str = "team"


@pytest.fixture
def store() -> ObjectStore[str, Thing]:
    return ObjectStore(lambda thing: thing.name, lambda thing: thing.color)


def test_newer_version_replaces_an_older_one(store: ObjectStore[str, Thing]) -> None:
    assert store.put(Thing("a", 1))
    assert store.put(Thing("a", 3, color="blue"))
    assert not store.put(Thing("a", 2, color="green"))

    assert store.get("thing") == Thing("a", 3, color="blue")


def test_version_that_is_stored_already_is_not_stored_again(
    store: ObjectStore[str, Thing],
) -> None:
    assert store.put(Thing("a", 1))
    assert not store.put(Thing("a", 1))


def test_version_that_differs_in_its_number_alone_is_stored(
    store: ObjectStore[str, Thing],
) -> None:
    store.put(Thing("a", 1))

    assert store.put(Thing("a", 2))

    stored = store.get("thing")
    assert stored
    assert stored.resource_version == 2


def test_deleted_object_is_not_stored_again_in_an_older_version(
    store: ObjectStore[str, Thing],
) -> None:
    assert store.put(Thing("a", 1))
    assert store.remove(Thing("a", 3))

    assert not store.put(Thing("a", 2))
    assert list(store) == []


def test_object_that_got_its_label_back_is_stored_again(store: ObjectStore[str, Thing]) -> None:
    store.put(Thing("a", 1))
    store.remove(Thing("a", 1))

    assert store.put(Thing("a", 1))


def test_deletion_before_the_first_version_is_remembered(store: ObjectStore[str, Thing]) -> None:
    assert not store.remove(Thing("a", 3))

    assert not store.put(Thing("a", 2))


def test_deletion_of_a_predecessor_does_not_remove_its_successor(
    store: ObjectStore[str, Thing],
) -> None:
    store.put(Thing("a", 1))
    store.put(Thing("b", 5))

    assert not store.remove(Thing("a", 4))

    assert store.get("thing") == Thing("b", 5)


def test_predecessor_is_not_stored_after_its_successor_was_deleted(
    store: ObjectStore[str, Thing],
) -> None:
    store.put(Thing("a", 2))
    store.put(Thing("b", 5))
    store.remove(Thing("b", 6))

    assert not store.put(Thing("a", 1))


def test_objects_are_found_by_their_current_index_value(store: ObjectStore[str, Thing]) -> None:
    store.put(Thing("a", 1, name="a"))
    store.put(Thing("b", 2, name="b"))
    assert store.find("red") == [Thing("a", 1, name="a"), Thing("b", 2, name="b")]

    store.put(Thing("a", 3, name="a", color="blue"))
    store.remove(Thing("b", 4, name="b"))

    assert store.find("red") == []
    assert store.find("blue") == [Thing("a", 3, name="a", color="blue")]


def test_only_the_newest_deletions_are_remembered(store: ObjectStore[str, Thing]) -> None:
    for number in range(MAX_TOMBSTONES + 1):
        store.remove(Thing(str(number), 5))

    assert store.put(Thing("0", 1))
    assert not store.put(Thing("1", 1))
