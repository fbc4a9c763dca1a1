"""Settings from the environment."""

import pytest

from download_api.settings import Settings, help_text

P = "DOWNLOAD_API_"


def test_settings() -> None:
    settings = Settings.from_environment({f"{P}HOST": "0.0.0.0", f"{P}PORT": "9000"})
    assert settings.bind == "127.0.0.1"  # nobody else, without a key
    settings = Settings.from_environment({f"{P}HOST": "0.0.0.0", f"{P}KEY_FILE": "/key"})
    assert (settings.bind, settings.port, settings.namespace) == ("0.0.0.0", 8080, "default")
    settings = Settings.from_environment({f"{P}HOST": "0.0.0.0", f"{P}AUTH": "kubernetes"})
    assert (settings.bind, settings.audience) == ("0.0.0.0", "download-operator")
    assert Settings.from_environment({f"{P}AUDIENCE": ""}).audience == ""
    assert f"{P}KEY_FILE" in help_text()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PORT", "0", "from 1 to 65535"),
        ("PORT", "65536", "from 1 to 65535"),
        ("PORT", "http", "whole number"),
        ("NAMESPACE", "", "name a namespace"),
        ("AUTH", "none", "write key or kubernetes"),
        ("NAMESPACE", "Team A", "name a namespace or leave it out"),
        ("NAMESPACE", "team/../other", "name a namespace or leave it out"),
        ("NAMESPACE", "a" * 64, "name a namespace or leave it out"),
        ("AUTH", "key", "DOWNLOAD_API_KEY_FILE"),
        ("TOKEN", "x", "is not a setting"),
    ],
)
def test_bad_settings_say_what_to_write(name: str, value: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Settings.from_environment({f"{P}{name}": value})
