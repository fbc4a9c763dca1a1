"""Where the downloads of each namespace may connect to, and what that depends on."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from operator import attrgetter
from typing import Final

from download_operator.cache.namespaces import Namespace
from download_operator.cache.object_store import ObjectStore
from download_operator.pod_egress import EgressRules, Endpoint, PodEgress

MAX_ENDPOINTS: Final = 100
"""Endpoints that are denied at a time. A control plane has one to seven."""


class EgressCache:
    """What the rules give each namespace, with the labels and endpoints that are known.

    Of a namespace only the labels are stored that a rule asks for.

    Args:
        rules: what the administrator has decided.
        on_change: called with the names of namespaces for which something else holds now.
    """

    def __init__(
        self, rules: EgressRules, on_change: Callable[[Collection[str]], None] = lambda _: None
    ) -> None:
        self._rules = rules
        self._on_change = on_change
        self._label_names = rules.label_names
        self._namespaces = ObjectStore[str, Namespace](attrgetter("name"))
        self._api_server: frozenset[Endpoint] = frozenset()
        self._results: dict[str, PodEgress] = {}
        """What was returned, by namespace."""

    def find(self, namespace: str) -> PodEgress:
        """Return what holds in a namespace."""
        result = self._results.get(namespace)
        if result is None:
            result = self._results[namespace] = self._apply_rules(namespace)
        return result

    def namespaces(self) -> Iterator[Namespace]:
        """Iterate over all namespaces."""
        return iter(self._namespaces)

    def put_namespace(self, namespace: Namespace) -> None:
        """Store a namespace unless a newer version is known."""
        labels = {
            name: value for name, value in namespace.labels.items() if name in self._label_names
        }
        if self._namespaces.put(replace(namespace, labels=labels)):
            self._report_changes([namespace.name])

    def remove_namespace(self, namespace: Namespace) -> None:
        """Forget a namespace."""
        if self._namespaces.remove(namespace):
            self._report_changes([namespace.name])

    def add_api_server(self, endpoints: Collection[Endpoint]) -> None:
        """Note where the API server listens.

        Former endpoints stay: one that is missing may be back in a minute, and each change rewrites
        CronJobs. They go once there are too many.
        """
        if self._api_server.issuperset(endpoints):
            return
        together = self._api_server.union(endpoints)
        is_full = len(together) > MAX_ENDPOINTS
        self._api_server = frozenset(endpoints) if is_full else together
        self._report_changes(tuple(self._results))

    def _apply_rules(self, name: str) -> PodEgress:
        namespace = self._namespaces.get(name)
        labels = namespace.labels if namespace else {}
        return self._rules.for_namespace(name, labels, self._api_server)

    def _report_changes(self, names: Collection[str]) -> None:
        changed = []
        for name in names:
            before = self._results.get(name)
            if before is not None and before != (result := self._apply_rules(name)):
                self._results[name] = result
                changed.append(name)
        if changed:
            self._on_change(changed)
