"""Reading a JSON object that anybody may have written."""

from collections.abc import Callable

import pytest

from download_schedule.attempt.members import Members

DOCUMENT = {
    "text": "x",
    "null": None,
    "texts": ["a", "b"],
    "flag": True,
    "number": 5,
    "nested": {"text": "y"},
    "list": [{"text": "z"}],
}


def test_members_are_read_by_their_type() -> None:
    members = Members(DOCUMENT, "document")
    assert members.text("text") == "x"
    assert members.optional_text("null") is None
    assert members.optional_text("missing") is None
    assert members.texts("texts") == ("a", "b")
    assert members.choice("text", ("w", "x")) == "x"
    assert members.flag("flag") is True
    assert members.number("number", 5, 5) == 5
    assert members.optional_number("null", 1, 2) is None
    assert members.nested("nested").text("text") == "y"
    assert [item.text("text") for item in members.nested_list("list")] == ["z"]
    members.refuse_unread()


@pytest.mark.parametrize(
    ("read", "sentence"),
    [
        (lambda members: members.text("missing"), "document has no missing"),
        (lambda members: members.text("flag"), "flag is not text"),
        (lambda members: members.optional_text("number"), "number is not text"),
        (lambda members: members.texts("text"), "text is not a list"),
        (lambda members: members.texts("list"), "an item of list is not text"),
        (lambda members: members.choice("text", ("a", "b")), "text is not one of a, b"),
        (lambda members: members.flag("number"), "number is neither true nor false"),
        (lambda members: members.number("flag", 0, 9), "flag is not a whole number from 0 to 9"),
        (lambda members: members.number("number", 6, 9), "number is not a whole number from 6"),
        (lambda members: members.nested("list"), "list is not a JSON object"),
        (lambda members: members.nested_list("texts"), "an item of texts is not a JSON object"),
        (lambda members: members.only_name(), "document does not have exactly one member"),
        (lambda members: members.refuse_unread(), "document has an unknown member 'text'"),
    ],
)
def test_other_types_are_refused(read: Callable[[Members], object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read(Members(DOCUMENT, "document"))


def test_unread_member_of_a_nested_object_is_refused() -> None:
    members = Members({"nested": {"text": "y"}}, "document")
    members.nested("nested")
    with pytest.raises(ValueError, match="nested has an unknown member 'text'"):
        members.refuse_unread()


def test_lone_surrogate_is_refused() -> None:
    with pytest.raises(ValueError, match="half of a surrogate pair"):
        Members({"text": "\ud800"}, "document").text("text")
