"""What a refusal says."""

from typing import Annotated

import pytest
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ValidationError

from download_api.problems import ProblemError, of_cluster, sentences
from download_api.schema.cron import spelled_out
from download_api.schema.to_resource import patched
from download_kube.client import ApiError
from tests.unit.api.objects import resource


@pytest.mark.parametrize(
    ("status", "answer"), [(403, 403), (404, 404), (409, 409), (422, 422), (429, 503), (500, 503)]
)
def test_refusals_of_the_cluster(status: int, answer: int) -> None:
    assert of_cluster(ApiError(status, "", "why")).status == answer


def test_a_sentence_about_many_members_has_an_end() -> None:
    nonsense = {f"{number}{'x' * 100_000}": 1 for number in range(1000)}
    with pytest.raises(ProblemError) as told:
        patched(resource(), nonsense)
    sentence = str(told.value)
    assert sentence.count("there is no such member") == 10
    assert sentence.endswith("; and 990 more")
    assert len(sentence) < 2000


class Asked(BaseModel):
    since: Annotated[AwareDatetime, BeforeValidator(spelled_out)]


def test_an_example_of_a_time_stays_one() -> None:
    with pytest.raises(ValidationError) as wrong:
        Asked.model_validate({"since": "yesterday"})
    told = sentences(wrong.value.errors(), lambda location: ".".join(map(str, location)))
    assert told.startswith("since: write a time as in RFC 3339, for example 2026-11-23T02:00:00Z;")
