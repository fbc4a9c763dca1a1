"""What downloads may use of a node. The operator's administrator decides that, by format."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from download_schedule.model import Format, Model
from download_schedule.validation import Check, matching

_UNITS: Final[Mapping[str, Decimal]] = MappingProxyType(
    {"": Decimal(1), "m": Decimal("0.001")}
    | {suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGT", 1)}
    | {f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGT", 1)}
)
"""Suffixes of a quantity that the API server knows and people use."""
_QUANTITY: Final = rf"^([0-9]+(?:\.[0-9]+)?)({'|'.join(_UNITS)})\z"

Quantity = Annotated[str, Check(matching(_QUANTITY, "not a quantity, such as 512Mi or 100m"))]
ResourceName = Literal["cpu", "memory", "ephemeral-storage"]
Quantities = dict[ResourceName, Quantity]


class Resources(Model):
    """Requests and limits of a container, as in its spec."""

    requests: Quantities = Field(default_factory=dict)
    limits: Quantities = Field(default_factory=dict)

    def members(self) -> dict[str, Any]:
        """Return both as the API server stores them."""
        return self.model_dump(mode="json")

    def over(self, default: "Resources") -> "Resources":
        """Return these quantities, and those of *default* where these have none.

        Raises:
            ValueError: a request is larger than its limit, which the API server would refuse.
        """
        requests = default.requests | self.requests
        limits = default.limits | self.limits
        for name, limit in limits.items():
            if name in requests and _value(requests[name]) > _value(limit):
                raise ValueError(
                    f"requests {requests[name]} of {name}, more than its limit of {limit}"
                )
        return Resources(requests=requests, limits=limits)


def _value(quantity: str) -> Decimal:
    number = quantity.rstrip("".join(_UNITS))
    return Decimal(number) * _UNITS[quantity.removeprefix(number)]


_CONVERSION: Final = Resources(
    requests={"cpu": "10m", "memory": "48Mi", "ephemeral-storage": "16Mi"},
    limits={"memory": "1Gi", "ephemeral-storage": "128Mi"},
)
_ARTICLE: Final = _CONVERSION.model_copy(
    update={"requests": {**_CONVERSION.requests, "memory": "128Mi"}}
)
DEFAULTS: Final = MappingProxyType(
    {
        Format.RAW: _CONVERSION.model_copy(
            update={"limits": {**_CONVERSION.limits, "memory": "256Mi"}}
        ),
        Format.HTML: _CONVERSION,
        Format.JSON: _CONVERSION,
        Format.TEXT: _ARTICLE,
        Format.MARKDOWN: _ARTICLE,
        Format.PDF: Resources(
            requests={"cpu": "10m", "memory": "384Mi", "ephemeral-storage": "16Mi"},
            limits={"memory": "1Gi", "ephemeral-storage": "1Gi"},
        ),
    }
)
"""What a download may use unless the administrator says otherwise.

A request of ephemeral storage has to be written: without one, Kubernetes takes the limit.
"""


def with_defaults(given: Mapping[Format, Resources]) -> dict[Format, Resources]:
    """Return the resources of every format: what is given, over the defaults.

    Raises:
        ValueError: a request is larger than its limit.
    """
    resources = {}
    for file_format, default in DEFAULTS.items():
        try:
            resources[file_format] = given.get(file_format, Resources()).over(default)
        except ValueError as error:
            raise ValueError(f"for {file_format} {error}") from None
    return resources
