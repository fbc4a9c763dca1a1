"""What whoever installs the operator decides, and what is told of a bad value."""

import pytest

from download_operator.settings import Settings, help_text

P = "DOWNLOAD_OPERATOR_"


def test_defaults() -> None:
    settings = Settings.from_environment({f"{P}WORKER_IMAGE": "w:1", "PATH": "/bin"})
    assert settings == Settings(worker_image="w:1")
    assert settings.workers == 32


def test_lists_and_numbers() -> None:
    settings = Settings.from_environment(
        {
            f"{P}WORKER_IMAGE": "w:1",
            f"{P}NAMESPACES": "a, b,",
            f"{P}ALLOW_CIDRS": "10.0.0.0/8,fd00::/8",
            f"{P}WORKERS": "256",
        }
    )
    assert settings.namespaces == ("a", "b")
    assert settings.allow_cidrs == ("10.0.0.0/8", "fd00::/8")
    assert settings.workers == 256


def test_an_empty_list_is_the_default() -> None:
    given = {f"{P}WORKER_IMAGE": "w:1", f"{P}NAMESPACES": "", f"{P}ALLOW_CIDRS": ""}
    assert Settings.from_environment(given).namespaces == ()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("WORKER_IMAGE", "", "name the image"),
        ("WORKER_IMAGE_PULL_POLICY", "Sometimes", "write Always, IfNotPresent or Never"),
        ("WORKERS", "0", "from 1 to 256"),
        ("WORKERS", "257", "from 1 to 256"),
        ("WORKERS", "many", "write a whole number"),
        ("HEALTH_PORT", "65536", "from 0 to 65535"),
        ("ALLOW_CIDRS", "10.0.0.1/8", "write for example"),
        ("NAMESPACE", "x", "is not a setting"),
        ("NAMESPACES", "team-*", "no namespace is called"),
        ("NAMESPACES", "a b", "no namespace is called"),
        ("NAMESPACES", ",", "name some or leave it empty"),
        ("LEASE_NAMESPACE", "", "no namespace is called"),
        ("IDENTITY", "", "name this replica or leave it out"),
        ("DEFAULT_DESTINATION", '{"volume": {"claimName": "d"}, "discard": {}}', "one member"),
        ("DEFAULT_DESTINATION", '{"volume": {}}', "volume.claimName: Field required"),
        ("POD_SCHEDULING", "{", "EOF.*write nodeSelector, tolerations and priorityClassName"),
        ("POD_SCHEDULING", '{"hostNetwork": true}', "hostNetwork: Extra inputs"),
        ("POD_SCHEDULING", '{"nodeSelector": {"a": 1}}', "nodeSelector.a: Input should be"),
        (
            "POD_SCHEDULING",
            '{"nodeSelector": {"a": "b c"}}',
            "nodeSelector.a: no label has this value",
        ),
        (
            "POD_SCHEDULING",
            '{"nodeSelector": {"a b": ""}}',
            "nodeSelector.a b.*: no label has this name",
        ),
        ("POD_SCHEDULING", '{"priorityClassName": "A"}', "priorityClassName: no priority class"),
        ("POD_SCHEDULING", '{"tolerations": [{}]}', "tolerations.0: without a key.* is Exists"),
        (
            "POD_SCHEDULING",
            '{"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}',
            "tolerations.0: with the operator Exists there is no value",
        ),
        (
            "POD_SCHEDULING",
            '{"tolerations": [{"key": "a", "tolerationSeconds": 5}]}',
            "tolerations.0: tolerationSeconds goes with the effect NoExecute",
        ),
        ("PROXY", "http://proxy:0", "write http://host:port"),
        ("PROXY", "http://proxy:65536", "write http://host:port"),
        ("PROXY", "https://proxy:443", "write http://host:port"),
    ],
)
def test_bad_values_say_what_to_write(name: str, value: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Settings.from_environment({f"{P}WORKER_IMAGE": "w:1", f"{P}{name}": value})


def test_the_password_of_a_proxy_is_refused_and_not_repeated() -> None:
    proxy = "http://somebody:secret@proxy:3128"
    with pytest.raises(ValueError, match="no user name or password") as refusal:
        Settings.from_environment({f"{P}WORKER_IMAGE": "w:1", f"{P}PROXY": proxy})
    assert "secret" not in str(refusal.value)


def test_help_names_every_setting() -> None:
    text = help_text()
    for name in ("WORKER_IMAGE", "NAMESPACES", "ALLOW_CIDRS", "WORKERS", "HEALTH_PORT"):
        assert f"{P}{name}" in text
    assert "[32]" in text
    assert "(required) []" in text
