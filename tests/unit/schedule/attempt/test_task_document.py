"""The document between operator and worker: whole on the way in, distrusted on the way out."""

import contextlib
import json
import os
import subprocess
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from download_schedule.attempt.exclusion import Exclusion
from download_schedule.attempt.task import (
    MAX_ACTIVE_DEADLINE_SECONDS,
    MAX_BODY_BYTES,
    MAX_CONNECT_TIMEOUT_SECONDS,
    MAX_KEEP_LAST,
    MAX_LOOK_EVERY_SECONDS,
    MAX_REDIRECTS,
    MAX_STALL_TIMEOUT_SECONDS,
    S3,
    Format,
    Header,
    Method,
    Task,
    Until,
    Volume,
    WaitFor,
)
from download_schedule.attempt.task_document import MAX_SPEC_CHARACTERS, decode, encode
from download_schedule.attempt.variables import SPEC_VARIABLE

DOCUMENT = (
    '{"namespace":"team","name":"nightly","url":"https://example.com/x","format":"raw",'
    '"request":{"method":"POST","body":"a=1","headers":[{"name":"Accept","value":"text/csv"},'
    '{"name":"Authorization","variable":"DOWNLOAD_HEADER_1"}],"compressed":false,'
    '"connectTimeoutSeconds":10,"stallTimeoutSeconds":30,"maxRedirects":5},'
    '"verify":{"minBytes":0,"maxBytes":10737418240,"contentTypes":["text/*"]},'
    '"onlyIfChanged":true,"keepLast":null,'
    '"destination":{"volume":{"claimName":"data","path":"{name}/{filename}"}}}'
)
"""Byte for byte what version 0.1.0 writes, so that its CronJobs need no update."""
TASK = Task(
    namespace="team",
    name="nightly",
    url="https://example.com/x",
    format=Format.RAW,
    method=Method.POST,
    body="a=1",
    headers=(
        Header("Accept", "text/csv"),
        Header("Authorization", variable="DOWNLOAD_HEADER_1"),
    ),
    compressed=False,
    connect_timeout_seconds=10,
    stall_timeout_seconds=30,
    max_redirects=5,
    sha256=None,
    min_bytes=0,
    max_bytes=10 * 1024**3,
    content_types=("text/*",),
    only_if_changed=True,
    keep_last=None,
    destination=Volume("data", "{name}/{filename}"),
)

WAIT_FOR = {"until": "Changed", "everySeconds": 60, "atMostSeconds": 600, "statuses": [404]}
EXCLUDE = {"timeZone": "Etc/UTC", "dates": [], "weekdays": [], "monthDays": []}

short_texts = st.text(max_size=30)
tasks = st.builds(
    Task,
    namespace=short_texts,
    name=short_texts,
    url=short_texts,
    format=st.sampled_from(Format),
    method=st.sampled_from(Method),
    body=st.none() | st.text(max_size=500),
    headers=st.lists(
        st.builds(Header, short_texts, value=short_texts, variable=st.none())
        | st.builds(Header, short_texts, value=st.none(), variable=short_texts),
        max_size=5,
    ).map(tuple),
    compressed=st.booleans(),
    connect_timeout_seconds=st.integers(1, MAX_CONNECT_TIMEOUT_SECONDS),
    stall_timeout_seconds=st.integers(1, MAX_STALL_TIMEOUT_SECONDS),
    max_redirects=st.integers(0, MAX_REDIRECTS),
    sha256=st.none() | st.binary(min_size=32, max_size=32).map(bytes.hex),
    min_bytes=st.integers(0, MAX_BODY_BYTES),
    max_bytes=st.integers(1, MAX_BODY_BYTES),
    content_types=st.lists(short_texts, max_size=5).map(tuple),
    only_if_changed=st.booleans(),
    keep_last=st.none() | st.integers(1, MAX_KEEP_LAST),
    destination=st.none()
    | st.builds(Volume, short_texts, short_texts, st.booleans(), st.booleans())
    | st.builds(S3, short_texts, short_texts, st.none() | short_texts, short_texts, short_texts),
    active_deadline_seconds=st.integers(1, MAX_ACTIVE_DEADLINE_SECONDS),
    time_zone=st.none() | short_texts,
    schedule=st.none() | short_texts,
    wait_for=st.none()
    | st.builds(
        WaitFor,
        st.sampled_from(Until),
        st.integers(1, MAX_LOOK_EVERY_SECONDS),
        st.integers(1, MAX_ACTIVE_DEADLINE_SECONDS),
        st.lists(st.integers(202, 599), max_size=16).map(tuple),
    ),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=5,
)


def changed(**members: Any) -> str:
    """Return the document with other members; a dotted path is written with two underscores."""
    document = json.loads(DOCUMENT)
    for path, value in members.items():
        *parents, name = path.split("__")
        target = document
        for parent in parents:
            target = target.setdefault(parent, dict(EXCLUDE))
        target[name] = value
    return json.dumps(document)


def test_document_is_the_one_of_the_version_before() -> None:
    assert encode(TASK) == DOCUMENT
    assert decode(DOCUMENT) == TASK


def test_deadline_is_written_only_where_it_is_not_the_default() -> None:
    other = replace(TASK, active_deadline_seconds=60)
    assert json.loads(encode(other)) == {**json.loads(DOCUMENT), "activeDeadlineSeconds": 60}
    assert decode(encode(other)) == other


def test_wait_is_written_only_where_the_schedule_waits() -> None:
    other = replace(TASK, wait_for=WaitFor(Until.CHANGED, 60, 600, (404,)))
    assert json.loads(encode(other)) == {**json.loads(DOCUMENT), "waitFor": WAIT_FOR}
    assert decode(encode(other)) == other


@pytest.mark.parametrize(
    "exclusion",
    [
        Exclusion("Europe/Berlin", ("2026-12-25",), ("Sat", "Sun"), (1, -1), "holidays"),
        Exclusion("Etc/UTC", month_days=(31,)),
    ],
)
def test_days_that_are_left_out_are_written_only_where_there_are_some(exclusion: Exclusion) -> None:
    other = replace(TASK, exclude=exclusion)
    assert json.loads(encode(other)).keys() - json.loads(DOCUMENT).keys() == {"exclude"}
    assert decode(encode(other)) == other
    assert decode(changed(exclude=None)) == TASK


@given(tasks)
def test_encoded_task_is_decoded_to_itself(task: Task) -> None:
    assert decode(encode(task)) == task


@pytest.mark.parametrize(
    ("destination", "encoded"),
    [
        (None, {"discard": {}}),
        (
            S3("b", "k", None, "eu-central-1", "keys"),
            {
                "s3": {
                    "bucket": "b",
                    "key": "k",
                    "region": "eu-central-1",
                    "credentialsSecretRef": {"name": "keys"},
                }
            },
        ),
    ],
)
def test_destination_has_the_form_of_the_resource(
    destination: S3 | None, encoded: dict[str, Any]
) -> None:
    assert decode(changed(destination=encoded)).destination == destination


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("", "task is not JSON"),
        ("[" * 10_000, "task is not JSON"),
        ("[]", "task is not a JSON object"),
        ("{}", "task has no request"),
        ("x" * (MAX_SPEC_CHARACTERS + 1), "task is longer than"),
        (changed(url=3), "url is not text"),
        (changed(url="\ud800"), "url has half of a surrogate pair"),
        (changed(format="docx"), "format is not one of raw, html, text, markdown, json, pdf"),
        (changed(format=[]), "format is not one of"),
        (changed(request__method="PUT"), "method is not one of GET, POST"),
        (changed(request=None), "request is not a JSON object"),
        (changed(request__headers=3), "headers is not a list"),
        (changed(request__headers=["Accept"]), "an item of headers is not a JSON object"),
        (changed(request__headers=[{"name": "A"}]), "exactly one of value and variable"),
        (
            changed(request__headers=[{"name": "A", "value": "", "variable": "B"}]),
            "exactly one of value and variable",
        ),
        (changed(request__compressed=0), "compressed is neither true nor false"),
        (changed(request__maxRedirects=21), "maxRedirects is not a whole number from 0 to 20"),
        (changed(request__maxRedirects=True), "maxRedirects is not a whole number"),
        (changed(request__stallTimeoutSeconds=1.5), "stallTimeoutSeconds is not a whole number"),
        (changed(verify__maxBytes=0), "maxBytes is not a whole number from 1"),
        (changed(verify__sha256="ABC"), "sha256 is not 64 lower-case hexadecimal digits"),
        (changed(verify__contentTypes=[None]), "an item of contentTypes is not text"),
        (changed(activeDeadlineSeconds=0), "activeDeadlineSeconds is not a whole number from 1"),
        (changed(keepLast=0), "keepLast is not a whole number from 1 to 10000"),
        (changed(destination={}), "destination does not have exactly one member"),
        (changed(destination=[]), "destination is not a JSON object"),
        (changed(destination={"gcs": {}}), "destination 'gcs' is unknown"),
        (changed(destination={"volume": {"claimName": "data"}}), "volume has no path"),
        (changed(destination__volume__overwrite=1), "overwrite is neither true nor false"),
        (changed(destination__volume__freePath="yes"), "freePath is neither true nor false"),
        (changed(destination={"s3": {"bucket": "b"}}), "s3 has no key"),
        (changed(waitFor=[]), "waitFor is not a JSON object"),
        (changed(waitFor={}), "waitFor has no until"),
        (changed(waitFor={**WAIT_FOR, "until": "Gone"}), "until is not one of Exists, Changed"),
        (changed(waitFor={**WAIT_FOR, "everySeconds": 3601}), "everySeconds is not a whole number"),
        (changed(waitFor={**WAIT_FOR, "atMostSeconds": 0}), "atMostSeconds is not a whole number"),
        (changed(waitFor={**WAIT_FOR, "statuses": 404}), "statuses is not a list"),
        (changed(waitFor={**WAIT_FOR, "statuses": [True]}), "an item of statuses is not a whole"),
        (changed(waitFor={**WAIT_FOR, "statuses": [200]}), "an item of statuses is not a whole"),
        (changed(waitFor={**WAIT_FOR, "patience": 1}), "waitFor has an unknown member 'patience'"),
        (changed(freshness={}), "task has an unknown member 'freshness'"),
        (changed(exclude=[]), "exclude is not a JSON object"),
        (changed(exclude={}), "exclude has no timeZone"),
        (changed(exclude__monthDays=[32]), "an item of monthDays is not a whole number from -1"),
        (changed(exclude__years=[2026]), "exclude has an unknown member 'years'"),
        (changed(verify__contains=["date;"]), "verify has an unknown member 'contains'"),
        (changed(destination__volume__latest="x"), "volume has an unknown member 'latest'"),
        (
            changed(request__headers=[{"name": "A", "value": "", "secret": 1}]),
            "an item of headers has an unknown member 'secret'",
        ),
    ],
)
def test_invalid_document_is_refused_with_a_sentence(document: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        decode(document)


@given(st.text() | json_values.map(json.dumps))
def test_any_text_is_decoded_or_refused(document: str) -> None:
    with contextlib.suppress(ValueError):
        decode(document)


@given(st.data())
def test_any_wrong_member_is_decoded_or_refused(data: st.DataObject) -> None:
    document = json.loads(DOCUMENT)
    parent = data.draw(
        st.sampled_from(
            [document, document["request"], document["verify"], document["destination"]]
        )
    )
    parent[data.draw(st.sampled_from(sorted(parent)))] = data.draw(json_values)
    with contextlib.suppress(ValueError):
        decode(json.dumps(document))


def test_longest_document_is_what_linux_takes() -> None:
    def start(length: int) -> int:
        environment = {**os.environ, SPEC_VARIABLE: "x" * length}
        return subprocess.run(["true"], env=environment, check=False).returncode

    assert start(MAX_SPEC_CHARACTERS) == 0
    with pytest.raises(OSError, match="Argument list too long"):
        start(MAX_SPEC_CHARACTERS + 1)
