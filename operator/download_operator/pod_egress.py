"""Where downloads may connect to. The operator's administrator decides that, by namespace. Pure."""

from collections.abc import Collection, Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import Annotated, Final, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from download_operator.pod_scheduling import LabelName, LabelValue
from download_schedule.attempt.variables import (
    ALLOW_CIDRS_VARIABLE,
    ALLOW_PORTS_VARIABLE,
    DENY_CIDRS_VARIABLE,
)
from download_schedule.model import Model
from download_schedule.names import NAMESPACE
from download_schedule.validation import Check, matching

MAX_RANGES: Final = 1000
"""Ranges in one setting, of which each of its ports makes one. They have to fit into a variable of
the Pod, which Linux limits to 128 KiB, and the worker reads them all at its start."""

_PRIVATE_IPV6: Final = ip_network("fc00::/7")
_NAMES_A_VALUE: Final = frozenset({"In", "NotIn"})


def _check_range(cidr: str) -> str:
    try:
        ip_network(cidr)
    except ValueError as error:
        raise ValueError(f"has {cidr!r} ({error})") from None
    return cidr


Cidr = Annotated[str, AfterValidator(_check_range)]
Port = Annotated[int, Field(ge=1, le=65535, strict=True)]
NamespaceName = Annotated[
    str,
    Check(matching(NAMESPACE.removesuffix("$") + r"\z", "not the name of a namespace")),
]


class Requirement(Model):
    """One condition on the labels of a namespace."""

    key: LabelName
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[LabelValue, ...] = ()

    @model_validator(mode="after")
    def _is_valid(self) -> Self:
        if bool(self.values) != (self.operator in _NAMES_A_VALUE):
            raise _refusal(
                "In and NotIn need values, and Exists and DoesNotExist must not have any"
            )
        return self

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether a namespace with *labels* satisfies the condition."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels


class LabelSelector(Model):
    """A selector of namespaces, as in a NetworkPolicy; an empty one selects all."""

    match_labels: dict[LabelName, LabelValue] = Field(default_factory=dict)
    match_expressions: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether a namespace with *labels* is selected."""
        return self.match_labels.items() <= labels.items() and all(
            requirement.matches(labels) for requirement in self.match_expressions
        )


class Allowance(Model):
    """An address range that is open beyond public addresses, to some namespaces or to all."""

    cidr: Cidr
    namespaces: tuple[NamespaceName, ...] | None = None
    namespace_selector: LabelSelector | None = None
    ports: tuple[Port, ...] | None = None
    """Ports at which the range is open; None: at the usual ones."""

    @model_validator(mode="after")
    def _is_valid(self) -> Self:
        """Refuse what could be read as more than its author meant."""
        if self.namespaces is not None and self.namespace_selector is not None:
            raise _refusal("has both namespaces and namespaceSelector; write two entries")
        if self.namespaces == ():
            raise _refusal("namespaces is empty; name one, or leave it out to mean all")
        if self.ports == ():
            raise _refusal("ports is empty; name one, or leave it out to mean the usual ones")
        return self

    @property
    def label_names(self) -> set[str]:
        """Names of the labels that it asks for."""
        selector = self.namespace_selector or LabelSelector()
        return {*selector.match_labels, *(item.key for item in selector.match_expressions)}

    def is_for(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Return whether it holds in a namespace with these labels."""
        if self.namespace_selector is not None:
            return self.namespace_selector.matches(labels)
        return self.namespaces is None or namespace in self.namespaces

    def ranges(self) -> Iterable[str]:
        """Yield the range once for each port, as the worker reads it."""
        if self.ports is None:
            yield self.cidr
            return
        network = ip_network(self.cidr)  # an address without a length cannot take a port
        yield from (f"{network}:{port}" for port in self.ports)


def check_size(allowances: tuple[Allowance, ...]) -> tuple[Allowance, ...]:
    """Refuse more ranges than a Pod can be given.

    Raises:
        ValueError: there are too many.
    """
    number = sum(len(item.ports or (0,)) for item in allowances)
    if number > MAX_RANGES:
        raise ValueError(f"has {number} ranges, and {MAX_RANGES} are possible")
    return allowances


class Endpoint(NamedTuple):
    """An address at which the API server listens, in numbers."""

    address: str
    port: int | None = None
    """None: the address is the API server's alone."""


class PodEgress(NamedTuple):
    """Where the downloads of one namespace may connect to, beside public addresses."""

    allow_cidrs: tuple[str, ...] = ()
    deny_cidrs: tuple[str, ...] = ()
    allow_ports: tuple[int, ...] = ()

    def variables(self) -> dict[str, str]:
        """Return the variables of a download's container. One that would be empty is left out."""
        texts = {
            ALLOW_CIDRS_VARIABLE: ",".join(self.allow_cidrs),
            DENY_CIDRS_VARIABLE: ",".join(self.deny_cidrs),
            ALLOW_PORTS_VARIABLE: ",".join(map(str, self.allow_ports)),
        }
        return {name: text for name, text in texts.items() if text}


class EgressRules(NamedTuple):
    """What the administrator has decided."""

    allow_cidrs: tuple[str, ...] = ()
    """Open to all namespaces, at the usual ports."""
    allow: tuple[Allowance, ...] = ()
    deny_cidrs: tuple[str, ...] = ()
    allow_ports: tuple[int, ...] = ()

    @property
    def label_names(self) -> frozenset[str]:
        """Names of the labels of namespaces on which something depends."""
        return frozenset(name for item in self.allow for name in item.label_names)

    def for_namespace(
        self,
        namespace: str,
        labels: Mapping[str, str],
        api_server: Collection[Endpoint] = (),
    ) -> PodEgress:
        """Return what holds in a namespace.

        The API server's endpoints are denied where they could be open otherwise: if they are
        public, or the namespace has an allowance. Elsewhere they are left out, so that nothing is
        rewritten when they change.

        Args:
            namespace: its name.
            labels: its labels.
            api_server: where the API server listens.
        """
        allowances = [item for item in self.allow if item.is_for(namespace, labels)]
        opened = (*self.allow_cidrs, *(text for item in allowances for text in item.ranges()))
        endpoints = (_deny(item) for item in api_server if opened or not _is_private(item))
        return PodEgress(opened, (*self.deny_cidrs, *sorted(endpoints)), self.allow_ports)


def _is_private(endpoint: Endpoint) -> bool:
    """Return whether the worker certainly refuses an address to which nothing gives access."""
    address = ip_address(endpoint.address)
    return address in _PRIVATE_IPV6 if address.version == 6 else not address.is_global


def _deny(endpoint: Endpoint) -> str:
    network = ip_network(endpoint.address)
    return str(network) if endpoint.port is None else f"{network}:{endpoint.port}"


def _refusal(sentence: str) -> PydanticCustomError:
    return PydanticCustomError("egress", "{sentence}", {"sentence": sentence})
