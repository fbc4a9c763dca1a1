"""Settings from the environment."""

from pathlib import Path

import pytest

from download_api.settings import Settings, help_text
from download_schedule.namespaces import ServedNamespaces

PREFIX = "DOWNLOAD_API_"


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(PREFIX + name, value)
    return Settings.from_environment()


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch)
    assert (settings.bind, settings.port, settings.namespace) == ("127.0.0.1", 8080, "default")
    assert (settings.audience, settings.content_volumes) == ("download-operator", ())


def test_open_api_listens_on_loopback_whatever_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, HOST="0.0.0.0", PORT="9000")
    assert (settings.bind, settings.port) == ("127.0.0.1", 9000)


@pytest.mark.parametrize("variable", [{"KEY_FILE": "/key"}, {"AUTH": "kubernetes"}])
def test_api_with_authentication_listens_on_its_host(
    monkeypatch: pytest.MonkeyPatch, variable: dict[str, str]
) -> None:
    assert read(monkeypatch, HOST="0.0.0.0", **variable).bind == "0.0.0.0"


def test_empty_audience_is_that_of_the_api_server(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, AUDIENCE="").audience == ""


def test_empty_key_file_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, KEY_FILE="").key_file is None


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(
        monkeypatch,
        TRUSTED_PROXIES="10.0.0.0/8, fd00::/8",
        CONTENT_VOLUMES="team/data=/content/data, other/a.b=/x",
        NAMESPACES="b, a,",
        SYSTEM_NAMESPACES="kube-system",
        RELEASE_NAMESPACE="place",
        KEY_SECRET_NAMESPACES="a",
    )
    assert settings.served == ServedNamespaces(("b", "a"), "place", ("kube-system",))
    assert settings.key_secret_namespaces == ("a",)
    assert settings.trusted_proxies == ("10.0.0.0/8", "fd00::/8")
    assert settings.content_volumes == (
        ("team", "data", Path("/content/data")),
        ("other", "a.b", Path("/x")),
    )


def test_help_lists_every_setting_with_its_default() -> None:
    lines = help_text().splitlines()
    assert [line.split()[0] for line in lines] == [
        PREFIX + name.upper() for name in Settings.model_fields
    ]
    assert "  DOWNLOAD_API_PORT            port to listen on, 1 to 65535 [8080]" in lines


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PORT", "0", "DOWNLOAD_API_PORT is '0': write a number from 1 to 65535"),
        ("PORT", "65536", "write a number from 1 to 65535"),
        ("PORT", "http", "DOWNLOAD_API_PORT is 'http': write a number from 1 to 65535"),
        ("METRICS_PORT", "8080", "DOWNLOAD_API_METRICS_PORT is DOWNLOAD_API_PORT"),
        ("METRICS_PORT", "-1", "write a number from 1 to 65535, or 0 for none of them"),
        ("RATE_LIMIT", "1000001", "write a number from 0 to 1000000"),
        ("NAMESPACE", "", "write the name of a namespace"),
        ("NAMESPACE", "Team A", "write the name of a namespace, or leave it out"),
        ("NAMESPACE", "team/../other", "write the name of a namespace, or leave it out"),
        ("NAMESPACE", "a" * 64, "write the name of a namespace, or leave it out"),
        ("NAMESPACES", "a,B", "DOWNLOAD_API_NAMESPACES contains 'B': write names of namespaces"),
        ("SYSTEM_NAMESPACES", "kube-*", "DOWNLOAD_API_SYSTEM_NAMESPACES contains 'kube-\\*'"),
        ("KEY_SECRET_NAMESPACES", "*", "KEY_SECRET_NAMESPACES contains '\\*': write names of"),
        ("AUTH", "none", "write key or kubernetes"),
        ("AUTH", "key", "DOWNLOAD_API_AUTH is key: name the file with it in DOWNLOAD_API_KEY_FILE"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "contains '10.0.0.1/8': write ranges without host bits"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,x", "DOWNLOAD_API_TRUSTED_PROXIES contains 'x'"),
        ("CONTENT_VOLUMES", "data=/x", "write NAMESPACE/CLAIM=/FOLDER"),
        ("CONTENT_VOLUMES", "team/data", "write NAMESPACE/CLAIM=/FOLDER"),
        ("CONTENT_VOLUMES", "team/data=x", "write NAMESPACE/CLAIM=/FOLDER"),
        ("CONTENT_VOLUMES", "a/b/c=/x", "write NAMESPACE/CLAIM=/FOLDER"),
        ("CONTENT_VOLUMES", "=", "write NAMESPACE/CLAIM=/FOLDER"),
        ("CONTENT_VOLUMES", "a/b=/x,c", "DOWNLOAD_API_CONTENT_VOLUMES contains 'c'"),
        ("TOKEN", "x", "DOWNLOAD_API_TOKEN is not a setting; --help lists all settings"),
    ],
)
def test_wrong_value_says_what_to_write(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read(monkeypatch, **{name: value})
