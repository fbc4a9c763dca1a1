"""camelCase and snake_case."""

from download_api.casing import keys_to_snake_case, to_snake_case


def test_only_camel_case_words_of_a_text_change() -> None:
    text = "spec.maxRedirects of GET is 5 since 2026-11-23T02:00:00Z"
    assert to_snake_case(text) == "spec.max_redirects of GET is 5 since 2026-11-23T02:00:00Z"


def test_only_names_of_members_change_in_json() -> None:
    value = {"valueFrom": [{"secretKeyRef": {"name": "aName"}}], "x": None}
    assert keys_to_snake_case(value) == {
        "value_from": [{"secret_key_ref": {"name": "aName"}}],
        "x": None,
    }
