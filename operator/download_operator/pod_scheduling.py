"""Where downloads run, which whoever runs the operator says and no schedule's author."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from download_schedule.model import Model
from download_schedule.validation import Check, matching


def _text(pattern: str, sentence: str) -> Check:
    return Check(matching(pattern, sentence))


_DNS_NAME: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_LABEL: Final = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
LabelName = Annotated[
    str,
    _text(rf"^({_DNS_NAME}/)?{_LABEL}\z", "no label has this name, as example.com/egress is one"),
]
LabelValue = Annotated[
    str, _text(rf"^({_LABEL})?\z", "no label has this value, as egress or true is one")
]
PriorityClass = Annotated[str, _text(rf"^({_DNS_NAME})?\z", "no priority class has this name")]


class Toleration(Model):
    """A taint that does not keep downloads from a node."""

    key: LabelName | None = None
    operator: Literal["Exists", "Equal"] | None = None
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: int | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        """What the API server would refuse in every CronJob is refused at the start."""
        if self.key is None and self.operator != "Exists":
            raise _refusal("without a key, the operator is Exists")
        if self.operator == "Exists" and self.value:
            raise _refusal("with the operator Exists there is no value")
        if self.toleration_seconds is not None and self.effect != "NoExecute":
            raise _refusal("tolerationSeconds goes with the effect NoExecute alone")
        return self


class PodScheduling(Model):
    """On which nodes downloads run: members of a Pod's spec."""

    node_selector: dict[LabelName, LabelValue] = Field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    priority_class_name: PriorityClass = ""

    def members(self) -> dict[str, Any]:
        """Return those that are set, as the API server stores them."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _refusal(sentence: str) -> PydanticCustomError:
    return PydanticCustomError("toleration", "{sentence}", {"sentence": sentence})
