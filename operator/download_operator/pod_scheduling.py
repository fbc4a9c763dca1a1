"""Where downloads run. The operator's administrator decides that, not the author of a schedule."""

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
    _text(rf"^({_DNS_NAME}/)?{_LABEL}\z", "not a label name, such as example.com/egress"),
]
LabelValue = Annotated[str, _text(rf"^({_LABEL})?\z", "not a label value, such as egress or true")]
PriorityClass = Annotated[str, _text(rf"^({_DNS_NAME})?\z", "not the name of a priority class")]


class Toleration(Model):
    """A taint that does not keep downloads off a node."""

    key: LabelName | None = None
    operator: Literal["Exists", "Equal"] | None = None
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: int | None = None

    @model_validator(mode="after")
    def _is_valid(self) -> Self:
        """Refuse at the start what the API server would refuse in every CronJob."""
        if self.key is None and self.operator != "Exists":
            raise _refusal("a toleration without a key needs the operator Exists")
        if self.operator == "Exists" and self.value:
            raise _refusal("a toleration with the operator Exists must not have a value")
        if self.toleration_seconds is not None and self.effect != "NoExecute":
            raise _refusal("tolerationSeconds is only allowed with the effect NoExecute")
        return self


class PodScheduling(Model):
    """On which nodes downloads run: fields of a Pod's spec."""

    node_selector: dict[LabelName, LabelValue] = Field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    priority_class_name: PriorityClass = ""

    def members(self) -> dict[str, Any]:
        """Return the fields that are set, as the API server stores them."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _refusal(sentence: str) -> PydanticCustomError:
    return PydanticCustomError("toleration", "{sentence}", {"sentence": sentence})
