"""The environment variables that configure the operator, and what is said about a bad value."""

import json
from collections.abc import Callable

import pytest

from download_operator.pod_egress import Allowance, EgressRules
from download_operator.settings import Settings, help_text, read_settings
from download_schedule.namespaces import ServedNamespaces

P = "DOWNLOAD_OPERATOR_"

Read = Callable[..., Settings]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    """Read the settings with these variables set, and the one that is required."""

    def read_with(**variables: str) -> Settings:
        for name, value in {"WORKER_IMAGE": "w:1", **variables}.items():
            monkeypatch.setenv(P + name, value)
        return read_settings()

    return read_with


def test_only_the_image_is_required(read: Read) -> None:
    settings = read()

    assert settings == Settings(worker_image="w:1")
    assert settings.workers == 32


def test_missing_image_is_refused() -> None:
    with pytest.raises(ValueError, match="WORKER_IMAGE is missing: write the name of"):
        read_settings()


def test_lists_and_numbers_are_read(read: Read) -> None:
    settings = read(
        NAMESPACES="a, b,",
        SYSTEM_NAMESPACES="place,kube-system",
        RELEASE_NAMESPACE="place",
        ALLOW_CIDRS="10.0.0.0/8,fd00::/8",
        WORKERS="256",
    )

    assert settings.namespaces == ("a", "b")
    assert settings.served == ServedNamespaces(("a", "b"), "place", ("place", "kube-system"))
    assert settings.allow_cidrs == ("10.0.0.0/8", "fd00::/8")
    assert settings.workers == 256


def test_ids_of_downloads_may_be_left_to_the_cluster(read: Read) -> None:
    settings = read(POD_RUN_AS_USER="", POD_FS_GROUP=str(2**31 - 1), FREE_PATHS="true")

    assert (settings.pod_run_as_user, settings.pod_fs_group) == (None, 2**31 - 1)
    assert settings.free_paths


def test_egress_is_read(read: Read) -> None:
    settings = read(
        ALLOW_CIDRS="10.0.0.0/8",
        ALLOW='[{"cidr": "192.168.0.0/16", "namespaces": ["team-a"], "ports": [443]}]',
        DENY_CIDRS="11.0.0.0/8, fd00::/8",
        ALLOW_PORTS="81, 65535",
    )

    allowance = Allowance(cidr="192.168.0.0/16", namespaces=("team-a",), ports=(443,))
    assert settings.egress == EgressRules(
        ("10.0.0.0/8",), (allowance,), ("11.0.0.0/8", "fd00::/8"), (81, 65535)
    )


CIDRS = [f"ffff:{number:x}::/32" for number in range(1001)]
PORTS = list(range(1, 1001))


def test_as_many_ranges_are_read_as_fit_into_a_variable(read: Read) -> None:
    settings = read(
        ALLOW_CIDRS=",".join(CIDRS[:1000]),
        ALLOW=json.dumps([{"cidr": "ffff:ffff:ffff:ffff::/64", "ports": PORTS}]),
        DENY_CIDRS=",".join(CIDRS[:1000]),
        ALLOW_PORTS=",".join(map(str, PORTS)),
    )

    variables = settings.egress.for_namespace("a", {}).variables()

    assert len(settings.deny_cidrs) == 1000
    assert max(map(len, variables.values())) < 100_000


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("ALLOW_CIDRS", ",".join(CIDRS), "at most 1000 items"),
        ("DENY_CIDRS", ",".join(CIDRS), "at most 1000 items"),
        ("ALLOW_PORTS", ",".join(map(str, [*PORTS, 1001])), "at most 1000 items"),
        (
            "ALLOW",
            json.dumps([{"cidr": "::/0", "ports": PORTS}, {"cidr": "10.0.0.0/8"}]),
            "has 1001 ranges, and 1000 are possible: write a list",
        ),
    ],
)
def test_more_ranges_are_refused(read: Read, name: str, value: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{P}{name}.*{sentence}"):
        read(**{name: value})


def test_json_is_read(read: Read) -> None:
    settings = read(
        DEFAULT_DESTINATION='{"volume": {"claimName": "d"}}',
        POD_SCHEDULING='{"priorityClassName": "low"}',
    )

    assert settings.default_destination.volume
    assert settings.default_destination.volume.claim_name == "d"
    assert settings.pod_scheduling.members() == {"priorityClassName": "low"}


@pytest.mark.parametrize(
    "name",
    [
        "NAMESPACES",
        "SYSTEM_NAMESPACES",
        "RELEASE_NAMESPACE",
        "ALLOW_CIDRS",
        "ALLOW",
        "DENY_CIDRS",
        "ALLOW_PORTS",
        "DEFAULT_DESTINATION",
        "POD_SCHEDULING",
        "POD_RESOURCES",
        "PROXY",
    ],
)
def test_empty_value_is_the_default(read: Read, name: str) -> None:
    assert read(**{name: ""}) == Settings(worker_image="w:1")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("WORKER_IMAGE", "", "is empty: write the name of the worker's image"),
        ("WORKER_IMAGE_PULL_POLICY", "Sometimes", "write Always, IfNotPresent or Never"),
        ("WORKERS", "0", "'0': write a whole number from 1 to 256"),
        ("WORKERS", "257", "from 1 to 256"),
        ("WORKERS", "many", "'many': write a whole number"),
        ("WORKERS", "", "'': write a whole number"),
        ("HEALTH_PORT", "65536", "from 0 to 65535"),
        ("LOG_FORMAT", "xml", "'xml': write text or json"),
        ("FREE_PATHS", "maybe", "is 'maybe': write true or false"),
        ("POD_RUN_AS_USER", "0", "'0': write a whole number from 1 to 2147483647, or nothing"),
        ("POD_RUN_AS_USER", "root", "'root': write a whole number"),
        ("POD_FS_GROUP", "2147483648", "'2147483648': write a whole number"),
        ("ALLOW_CIDRS", "10.0.0.1/8", r"has '10.0.0.1/8' \(.*host bits.*\): write for example"),
        ("DENY_CIDRS", "all", r"has 'all' \(.*\): write for example 11.0.0.0/8"),
        ("ALLOW", "[", "is not JSON .*: write a list of ranges as JSON"),
        ("ALLOW", "{}", "Input should be a valid (tuple|list)"),
        ("ALLOW", "[{}]", "0.cidr: Field required"),
        ("ALLOW", '[{"cidr": "10.0.0.1/8"}]', r"has '10.0.0.1/8' \(.*host bits.*\): write a list"),
        ("ALLOW", '[{"cidr": "::/0", "namespaces": []}]', "0: namespaces is empty; name one, or"),
        ("ALLOW", '[{"cidr": "::/0", "ports": [0]}]', "0.ports.0: Input should be greater"),
        ("ALLOW_PORTS", "0", "0: Input should be greater than or equal to 1: write numbers from"),
        ("ALLOW_PORTS", "81,http", "1: Input should be a valid integer.*: write numbers from 1"),
        ("ALLOW_PORTS", ",", "a list without an entry"),
        ("NAMESPACE", "x", "is not a setting"),
        ("NAMESPACES", "team-*", "'team-\\*', which is not the name of a namespace"),
        ("NAMESPACES", "a b", "not the name of a namespace"),
        ("NAMESPACES", ",", "a list without an entry: write .* nothing for all namespaces"),
        ("SYSTEM_NAMESPACES", "kube-*", "'kube-\\*', which is not the name of a namespace"),
        ("LEASE_NAMESPACE", "", "not the name of a namespace"),
        ("IDENTITY", "", "write a name for this replica, or remove the variable"),
        ("DEFAULT_DESTINATION", '{"volume": {"claimName": "d"}, "discard": {}}', "one member"),
        ("DEFAULT_DESTINATION", '{"volume": {}}', "volume.claimName: Field required"),
        ("DEFAULT_DESTINATION", "[]", "Input should be a valid dictionary"),
        ("POD_SCHEDULING", "{", "is not JSON .*EOF.*: write nodeSelector, tolerations and"),
        ("POD_SCHEDULING", '{"hostNetwork": true}', "hostNetwork: Extra inputs"),
        ("POD_SCHEDULING", '{"nodeSelector": {"a": 1}}', "nodeSelector.a: Input should be"),
        ("POD_SCHEDULING", '{"nodeSelector": {"a": "b c"}}', "nodeSelector.a: not a label value"),
        ("POD_SCHEDULING", '{"nodeSelector": {"a b": ""}}', "nodeSelector.a b.*: not a label name"),
        ("POD_SCHEDULING", '{"priorityClassName": "A"}', "priorityClassName: not the name of a"),
        ("POD_SCHEDULING", '{"tolerations": [{}]}', "tolerations.0: .* needs the operator Exists"),
        (
            "POD_SCHEDULING",
            '{"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}',
            "tolerations.0: a toleration with the operator Exists must not have a value",
        ),
        (
            "POD_SCHEDULING",
            '{"tolerations": [{"key": "a", "tolerationSeconds": 5}]}',
            "tolerations.0: tolerationSeconds is only allowed with the effect NoExecute",
        ),
        ("POD_RESOURCES", '{"xml": {}}', "xml.*: Input should be 'raw'"),
        ("POD_RESOURCES", '{"raw": {"limit": {}}}', "raw.limit: Extra inputs"),
        ("POD_RESOURCES", '{"raw": {"limits": {"gpu": "1"}}}', "raw.limits.gpu.*: Input should be"),
        (
            "POD_RESOURCES",
            '{"raw": {"limits": {"memory": "1 GB"}}}',
            "not a quantity, such as 512Mi",
        ),
        ("POD_RESOURCES", '{"raw": {"limits": {"memory": 5}}}', "should be a valid string"),
        (
            "POD_RESOURCES",
            '{"pdf": {"limits": {"memory": "64Mi"}}}',
            "for pdf requests 384Mi of memory, more than its limit of 64Mi: write requests and",
        ),
        ("PROXY", "http://proxy:0", "write http://host:port"),
        ("PROXY", "http://proxy:65536", "write http://host:port"),
        ("PROXY", "https://proxy:443", "write http://host:port"),
    ],
)
def test_refusal_of_a_bad_value_says_what_to_write(
    read: Read, name: str, value: str, sentence: str
) -> None:
    with pytest.raises(ValueError, match=f"^{P}{name}.*{sentence}"):
        read(**{name: value})


def test_password_of_a_proxy_is_refused_and_not_repeated(read: Read) -> None:
    with pytest.raises(ValueError, match="a user name or password") as refusal:
        read(PROXY="http://somebody:secret@proxy:3128")

    assert "secret" not in str(refusal.value)


def test_help_names_every_setting_with_its_default() -> None:
    lines = help_text().splitlines()

    assert [line.split()[0] for line in lines] == [
        P + name.upper() for name in Settings.model_fields
    ]
    assert any("1 to 256 [32]" in line for line in lines)
    assert "(required) []" in lines[0]
