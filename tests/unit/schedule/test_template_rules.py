"""The rules on templates, in Python. tests/integration/cron compares them with the API server's."""

import re
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from download_schedule import rules
from download_schedule.attempt.template import Times, encode_for_url, render, render_text
from download_schedule.model import Spec
from download_schedule.validation import Check
from tests.support.template_cases import ADMITTED, REFUSED, TOKENS, spec_with

TIMES = Times(
    datetime(2026, 11, 23, 2, tzinfo=UTC), lambda: datetime(2026, 11, 22, 2, tzinfo=UTC), UTC
)
NAMES = {"namespace": "team", "name": "nightly", "filename": "x.csv"}
CHECKS = {"url": rules.URL, "path": rules.PATH, "body": rules.BODY, "header": rules.HEADER_VALUE}

texts = st.lists(st.sampled_from(TOKENS), max_size=10).map("".join)


def is_admitted(check: Check, text: str) -> bool:
    return all(rule.is_satisfied(text) for rule in check.rules)


def spec(member: str, text: str) -> Spec:
    return Spec.model_validate(
        {"url": "https://example.com/", "schedule": "0 2 * * *", **spec_with(member, text)}
    )


@pytest.mark.parametrize(("member", "text"), ADMITTED)
def test_template_of_the_language_is_admitted_and_renders(member: str, text: str) -> None:
    spec(member, text)
    if member in ("url", "path"):
        assert render(text, TIMES, NAMES)
    else:
        assert render_text(text, TIMES)


@pytest.mark.parametrize(("member", "text", "sentence"), REFUSED)
def test_wrong_template_is_refused_with_what_to_write_instead(
    member: str, text: str, sentence: str
) -> None:
    with pytest.raises(ValidationError, match=re.escape(sentence)):
        spec(member, text)


@given(texts)
def test_rule_on_text_admits_what_the_worker_can_render(text: str) -> None:
    try:
        render_text(text, TIMES)
        renders = True
    except ValueError:
        renders = False
    assert is_admitted(rules.BODY, text) is renders


@given(texts)
def test_admitted_url_renders_to_the_same_scheme_host_and_port(text: str) -> None:
    url = f"https://example.com:8443/{text}"
    if is_admitted(rules.URL, url):
        rendered = render(url, TIMES, NAMES, encode_for_url)
        assert rendered.startswith("https://example.com:8443/")
        assert rendered.partition("#")[2] == url.partition("#")[2] or "#" not in rendered
        assert rendered.isascii()
        assert rendered.isprintable()


@given(texts)
def test_path_is_admitted_if_no_rendered_part_leads_elsewhere(text: str) -> None:
    try:
        rendered = render(text, TIMES, NAMES)
        is_right = bool(text) and not {"", ".", ".."} & set(rendered.split("/"))
    except ValueError:
        is_right = False
    assert (bool(text) and is_admitted(rules.PATH, text)) is is_right


@pytest.mark.parametrize("member", CHECKS)
@pytest.mark.parametrize(
    "piece",
    [
        *("{", "}", "{{", "{scheduled", "{scheduled:", "{scheduled:%", "%", "%Y", "%%", "{}", "/"),
        *("/.", "./", "}{scheduled:", "/}{scheduled:", "{scheduled-1d:", "-1d", " ", "{scheduled "),
        *("#", "{scheduled-", "1", "{scheduled:%Y}"),
    ],
)
def test_rules_take_time_in_proportion_to_the_length(member: str, piece: str) -> None:
    for before in ("", "{scheduled:", "{scheduled:%Y", "{scheduled-", "a/{scheduled:%Y/"):
        text = before + piece * (100_000 // len(piece))
        start = time.process_time()
        is_admitted(CHECKS[member], text)
        assert time.process_time() - start < 2
