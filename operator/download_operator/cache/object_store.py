"""A store of one kind of object in which the newest version wins, in whatever order events come."""

from collections.abc import Callable, Hashable, Iterator
from typing import Final, Generic, TypeVar

from download_kube.reflector import KubeObject

K = TypeVar("K", bound=Hashable)
T = TypeVar("T", bound=KubeObject)

MAX_TOMBSTONES: Final = 10_000
"""Deletions remembered. The response to one of our writes may arrive after the event of the
object's deletion, but not after ten thousand more deletions."""


class Tombstones:
    """Versions of deleted objects, by which older news of them is recognised."""

    def __init__(self) -> None:
        self._versions: dict[str, int] = {}
        """By UID, oldest deletion first."""

    def bury(self, obj: KubeObject) -> None:
        """Remember that *obj* was deleted."""
        self._versions[obj.uid] = obj.resource_version
        if len(self._versions) > MAX_TOMBSTONES:
            del self._versions[next(iter(self._versions))]

    def is_older(self, obj: KubeObject) -> bool:
        """Return whether *obj* is of a version before its deletion.

        The same version may come back: a watch reports an object as deleted when it loses the label
        that we select by.
        """
        return obj.resource_version < self._versions.get(obj.uid, 0)


class ObjectStore(Generic[K, T]):
    """Objects by key and, if *index* is given, by one more value that need not be unique.

    Args:
        key: returns the key of an object.
        index: returns the value by which :meth:`find` looks objects up.
    """

    def __init__(
        self, key: Callable[[T], K], index: Callable[[T], str | None] = lambda _: None
    ) -> None:
        self._key = key
        self._index = index
        self._objects: dict[K, T] = {}
        self._keys: dict[str, tuple[K, ...]] = {}
        """Keys by index value."""
        self._tombstones = Tombstones()

    def __iter__(self) -> Iterator[T]:
        """Iterate over all objects."""
        return iter(self._objects.values())

    def get(self, key: K) -> T | None:
        """Return the object with this key."""
        return self._objects.get(key)

    def find(self, value: str) -> list[T]:
        """Return the objects with this index value."""
        return [self._objects[key] for key in self._keys.get(value, ())]

    def put(self, obj: T) -> bool:
        """Store *obj* unless this version, a newer one or its deletion is known.

        Returns:
            Whether it was stored.
        """
        if self._tombstones.is_older(obj):
            return False
        key = self._key(obj)
        current = self._objects.get(key)
        if current is None:
            self._add_to_index(key, obj)
        elif current.resource_version >= obj.resource_version:
            return False
        else:
            self._replace(key, current, obj)
        self._objects[key] = obj
        return True

    def remove(self, obj: T) -> bool:
        """Forget *obj*; return whether it was stored."""
        self._tombstones.bury(obj)
        key = self._key(obj)
        current = self._objects.get(key)
        if current is None or current.uid != obj.uid:
            return False
        del self._objects[key]
        self._remove_from_index(key, current)
        return True

    def _replace(self, key: K, current: T, obj: T) -> None:
        if current.uid != obj.uid:
            self._tombstones.bury(current)
        if self._index(current) != self._index(obj):
            self._remove_from_index(key, current)
            self._add_to_index(key, obj)

    def _add_to_index(self, key: K, obj: T) -> None:
        value = self._index(obj)
        if value is not None:
            self._keys[value] = (*self._keys.get(value, ()), key)

    def _remove_from_index(self, key: K, obj: T) -> None:
        value = self._index(obj)
        if value is None:
            return
        self._keys[value] = tuple(other for other in self._keys[value] if other != key)
        if not self._keys[value]:
            del self._keys[value]
