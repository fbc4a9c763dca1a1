"""From an empty page to a page at rest, event by event."""

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


def reached(name: str, frame: str = MAIN) -> dict[str, Any]:
    return {"method": "Page.lifecycleEvent", "params": {"frameId": frame, "name": name}}


def react(navigation: Navigation, *events: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [command for event in events for command in navigation.react(event)]


def handed_over() -> Navigation:
    navigation = Navigation(PAGE, MAIN)
    react(navigation, paused())
    return navigation


def test_browser_gets_the_document_instead_of_asking_for_it() -> None:
    ((method, parameters),) = react(Navigation(PAGE, MAIN), paused())
    assert method == "Fetch.fulfillRequest"
    assert base64.b64decode(parameters["body"]) == PAGE.body
    assert parameters["responseHeaders"] == [{"name": "content-type", "value": "text/html"}]


def test_frames_and_further_documents_are_requested() -> None:
    further = react(handed_over(), paused("http://example.com/b"))
    frame = react(Navigation(PAGE, MAIN), paused("http://example.com/b", "other"))
    assert [method for method, _ in further + frame] == ["Fetch.continueRequest"] * 2


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.com/x", "chrome://version"])
@pytest.mark.parametrize("frame", [MAIN, "other"])
def test_requests_go_to_the_web_only(url: str, frame: str) -> None:
    ((method, _),) = react(handed_over(), paused(url, frame))
    assert method == "Fetch.failRequest"


@pytest.mark.parametrize(
    ("response", "failure"),
    [
        ({"responseStatusCode": 200}, None),
        ({"responseStatusCode": 302}, None),
        ({"responseStatusCode": 404}, ("http://example.com/b", 404)),
        ({"responseErrorReason": "ConnectionRefused"}, ("http://example.com/b", 0)),
    ],
)
def test_page_that_leads_to_an_error_has_failed(
    response: dict[str, Any], failure: tuple[str, int] | None
) -> None:
    navigation = handed_over()
    react(navigation, paused("http://example.com/b", **response))
    assert navigation.failure == failure


def test_missing_frame_is_not_a_failure() -> None:
    navigation = handed_over()
    react(navigation, paused("http://example.com/b", "other", responseStatusCode=404))
    assert navigation.failure is None


def test_page_is_settled_when_loaded_and_idle() -> None:
    navigation = handed_over()
    react(navigation, reached("init"), reached("DOMContentLoaded"), reached("load"))
    assert (navigation.shown, navigation.settled) == (True, False)
    react(navigation, reached("networkIdle", "other"))
    assert not navigation.settled
    react(navigation, reached("networkIdle"))
    assert navigation.settled


def test_another_document_starts_over() -> None:
    navigation = handed_over()
    react(navigation, reached("load"), reached("init"), reached("networkIdle"))
    assert not navigation.settled


def test_empty_page_at_the_start_does_not_count() -> None:
    navigation = Navigation(PAGE, MAIN)
    react(navigation, reached("DOMContentLoaded"), reached("load"), reached("networkIdle"))
    assert (navigation.shown, navigation.settled) == (False, False)


def test_address_that_the_browser_refuses_is_a_failure() -> None:
    navigation = Navigation(PAGE, MAIN)
    react(navigation, {"id": 7, "result": {"errorText": "net::ERR_UNSAFE_PORT"}})
    assert navigation.failure == (PAGE.url, 0)


def test_dialog_is_accepted_so_that_the_page_goes_on() -> None:
    event = {"method": "Page.javascriptDialogOpening", "params": {"message": "?"}}
    assert react(handed_over(), event) == [("Page.handleJavaScriptDialog", {"accept": True})]


def test_other_events_and_late_responses_are_ignored() -> None:
    assert react(handed_over(), {"method": "Page.frameResized"}, {"id": 3, "result": {}}) == []


def test_user_agent_is_that_of_the_document_request() -> None:
    commands = dict(Navigation(PAGE, MAIN).setup())
    assert commands["Emulation.setUserAgentOverride"] == {"userAgent": "me/1"}
    assert "Emulation.setUserAgentOverride" not in dict(
        Navigation(Document("http://x/", b""), MAIN).setup()
    )
