"""Whose an object is that cannot be parsed, and that nobody can forge that."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from download_kube.identity import Identity, find_list_metadata, identify

TYPED = (
    '{"kind":"Job","apiVersion":"batch/v1","metadata":{"name":"fat","namespace":"team",'
    '"uid":"u-1","resourceVersion":"7","labels":{"a":"b'
)
FORGED = {"name": "victim", "namespace": "team", "resourceVersion": "99", "uid": "u-9"}


def custom(annotations: dict[str, str], labels: dict[str, str], *owners: dict[str, str]) -> str:
    """Return the JSON of a custom resource: Go sorts all members."""
    metadata = {
        "annotations": annotations,
        "labels": labels,
        "managedFields": [],
        "name": "report",
        "namespace": "team",
        **({"ownerReferences": owners} if owners else {}),
        "resourceVersion": "7",
        "uid": "u-1",
    }
    document = {"kind": "DownloadSchedule", "metadata": metadata, "spec": {"url": "x"}}
    return json.dumps(document, separators=(",", ":"))


@pytest.mark.parametrize(
    "text", [TYPED, f'{{"type":"ADDED","object":{TYPED}', f'"items":[{TYPED}'], ids=str.__len__
)
def test_object_of_kubernetes_is_identified_by_its_beginning(text: str) -> None:
    assert identify(text.encode()) == Identity("team", "fat", "u-1", 7)


def test_object_in_no_namespace_is_identified() -> None:
    text = TYPED.replace('"namespace":"team",', "")
    assert identify(text.encode()) == Identity("", "fat", "u-1", 7)
    assert str(identify(text.encode())) == "fat"


def test_generated_name_is_no_obstacle() -> None:
    text = TYPED.replace('"fat",', '"fat","generateName":"f",')
    assert identify(text.encode()).name == "fat"


OWNER = st.fixed_dictionaries({"kind": st.text(), "name": st.text(']\\"x'), "uid": st.text()})


@given(
    st.dictionaries(st.text(), st.text()),
    st.dictionaries(st.text(), st.text()),
    st.lists(OWNER, max_size=3),
)
def test_custom_resource_is_identified_by_the_end_of_its_metadata(
    annotations: dict[str, str], labels: dict[str, str], owners: list[dict[str, str]]
) -> None:
    text = custom({**annotations, **FORGED}, {**labels, **FORGED}, *owners)
    assert identify(text.encode()) == Identity("team", "report", "u-1", 7)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"type":"ADDED","object":{"metadata":{"annotations":' + json.dumps(FORGED),
        '{"metadata":{"annotations":' + json.dumps(FORGED, separators=(",", ":")) + ',"name":"x"',
    ],
    ids=["empty", "no object", "cut off", "annotations"],
)
def test_what_does_not_fit_identifies_nothing(text: str) -> None:
    assert identify(text.encode()) == Identity()
    assert str(identify(text.encode())) == "an object"


@pytest.mark.parametrize(
    ("beginning", "end", "expected"),
    [
        (
            b'{"kind":"JobList","apiVersion":"batch/v1","metadata":{"continue":"x"},"items":[{',
            b'"metadata":{"continue":"y"}]}',
            b'{"continue":"x"}',
        ),
        (
            b'{"apiVersion":"downloads.dev/v1alpha1","items":[{"metadata":{"continue":"z"}',
            b'}],"kind":"DownloadScheduleList","metadata":{"continue":"x"}}\n',
            b'{"continue":"x"}',
        ),
        (b'{"items":[', b'"metadata":{"continue":"z"},"spec":{}}', None),
    ],
    ids=["of Kubernetes", "custom", "neither"],
)
def test_metadata_of_a_list_is_at_its_beginning_or_at_its_end(
    beginning: bytes, end: bytes, expected: bytes | None
) -> None:
    assert find_list_metadata(beginning, end) == expected
