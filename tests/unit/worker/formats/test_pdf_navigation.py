"""From nothing to a page at rest, event by event."""

import base64
from typing import Any

import pytest

from download_worker.formats.html_page import Document
from download_worker.formats.pdf_navigation import Navigation

MAIN = "main"
PAGE = Document("https://example.com/a", b"<p>x", (("content-type", "text/html"),), "me/1")


def paused(url: str = PAGE.url, frame: str = MAIN, **more: Any) -> dict[str, Any]:
    parameters = {"requestId": "r", "frameId": frame, "request": {"url": url}, **more}
    return {"method": "Fetch.requestPaused", "params": parameters}


def came_to(name: str, frame: str = MAIN) -> dict[str, Any]:
    return {"method": "Page.lifecycleEvent", "params": {"frameId": frame, "name": name}}


def react(navigation: Navigation, *events: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [order for event in events for order in navigation.react(event)]


def handed_over() -> Navigation:
    navigation = Navigation(PAGE, MAIN)
    react(navigation, paused())
    return navigation


def test_the_browser_is_handed_the_document_and_does_not_ask_for_it() -> None:
    ((method, parameters),) = react(Navigation(PAGE, MAIN), paused())
    assert method == "Fetch.fulfillRequest"
    assert base64.b64decode(parameters["body"]) == PAGE.body
    assert parameters["responseHeaders"] == [{"name": "content-type", "value": "text/html"}]


def test_frames_and_further_documents_are_asked_for() -> None:
    further = react(handed_over(), paused("http://example.com/b"))
    frame = react(Navigation(PAGE, MAIN), paused("http://example.com/b", "other"))
    assert [method for method, _ in further + frame] == ["Fetch.continueRequest"] * 2


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.com/x", "chrome://version"])
@pytest.mark.parametrize("frame", [MAIN, "other"])
def test_only_the_web_is_asked(url: str, frame: str) -> None:
    ((method, _),) = react(handed_over(), paused(url, frame))
    assert method == "Fetch.failRequest"


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ({"responseStatusCode": 200}, None),
        ({"responseStatusCode": 302}, None),
        ({"responseStatusCode": 404}, ("http://example.com/b", 404)),
        ({"responseErrorReason": "ConnectionRefused"}, ("http://example.com/b", 0)),
    ],
)
def test_a_page_that_leads_to_none_has_failed(
    answer: dict[str, Any], failure: tuple[str, int] | None
) -> None:
    navigation = handed_over()
    react(navigation, paused("http://example.com/b", **answer))
    assert navigation.failure == failure


def test_a_frame_that_is_not_there_is_no_failure() -> None:
    navigation = handed_over()
    react(navigation, paused("http://example.com/b", "other", responseStatusCode=404))
    assert navigation.failure is None


def test_it_is_at_rest_when_loaded_and_idle() -> None:
    navigation = handed_over()
    react(navigation, came_to("init"), came_to("DOMContentLoaded"), came_to("load"))
    assert (navigation.shown, navigation.settled) == (True, False)
    react(navigation, came_to("networkIdle", "other"))
    assert not navigation.settled
    react(navigation, came_to("networkIdle"))
    assert navigation.settled


def test_another_document_begins_anew() -> None:
    navigation = handed_over()
    react(navigation, came_to("load"), came_to("init"), came_to("networkIdle"))
    assert not navigation.settled


def test_the_empty_page_before_counts_for_nothing() -> None:
    navigation = Navigation(PAGE, MAIN)
    react(navigation, came_to("DOMContentLoaded"), came_to("load"), came_to("networkIdle"))
    assert (navigation.shown, navigation.settled) == (False, False)


def test_an_address_that_the_browser_does_not_open_is_a_failure() -> None:
    navigation = Navigation(PAGE, MAIN)
    react(navigation, {"id": 7, "result": {"errorText": "net::ERR_UNSAFE_PORT"}})
    assert navigation.failure == (PAGE.url, 0)


def test_a_question_is_answered_lest_the_page_wait() -> None:
    event = {"method": "Page.javascriptDialogOpening", "params": {"message": "?"}}
    assert react(handed_over(), event) == [("Page.handleJavaScriptDialog", {"accept": True})]


def test_other_events_and_late_answers_mean_nothing() -> None:
    assert react(handed_over(), {"method": "Page.frameResized"}, {"id": 3, "result": {}}) == []


def test_the_user_agent_is_the_one_that_the_document_was_asked_for_with() -> None:
    orders = dict(Navigation(PAGE, MAIN).preparations())
    assert orders["Emulation.setUserAgentOverride"] == {"userAgent": "me/1"}
    assert "Emulation.setUserAgentOverride" not in dict(
        Navigation(Document("http://x/", b""), MAIN).preparations()
    )
