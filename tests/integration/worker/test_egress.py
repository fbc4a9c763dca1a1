"""Nothing connects to a private address, in a network where every address would respond."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from download_schedule.attempt.variables import ALLOW_CIDRS_VARIABLE, DENY_CIDRS_VARIABLE
from tests.support import network_namespace
from tests.support.attempts import REQUEST, RUN_PROGRAM, VERIFY, pod_environment
from tests.support.network_namespace import SILENT, NetworkNamespace, Observation

PUBLIC = "93.184.216.34"
S3 = {"bucket": "own", "key": "x", "region": "eu-west-1", "credentialsSecretRef": {"name": "keys"}}
INNER = ("10.0.0.1", "127.0.0.1", "169.254.169.254", "100.100.100.200", "192.168.1.1")
SPELLINGS = [
    *("127.0.0.1", "127.0.0.1.", "127.1", "127.0.1", "0", "0.0.0.0", "2130706433", "017700000001"),
    *("0x7f000001", "0x7f.1", "0177.1", "0x7f.0.0.0x1", "127.000.000.001", "0300.0250.1.1"),
    *("2852039166", "0xA9FEA9FE", "0251.0376.0251.0376", "169.254.43518", "0xa9.0xfe.0xa9fe"),
    *("%31%32%37.0.0.1", "127%2e0%2e0%2e1"),
    "\uff11\uff12\uff17.0.0.1",
    *("127\u30020\u30020\u30021", "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460"),
    *("localhost", "LOCALHOST", "localhost.", "x.localhost", "ip6-localhost"),
    *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "100.127.255.255"),
    *("0.1.2.3", "169.254.170.2", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1"),
    *("198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1"),
    *("255.255.255.255", "168.63.129.16", "100.100.100.200", "192.31.196.1", "192.175.48.1"),
    *("[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[::127.0.0.1]", "[::ffff:127.0.0.1]"),
    *("[::ffff:a00:1]", "[::ffff:a9fe:a9fe]"),
    *("[0:0:0:0:0:ffff:7f00:1]", "[::ffff:0:10.0.0.1]", "[64:ff9b::10.0.0.1]", "[64:ff9b::7f00:1]"),
    *("[2002:7f00:1::]", "[2002:a9fe:a9fe::1]", "[2001::1]", "[2001:0:a00:1:0:0:f5ff:fffe]"),
    *("[2606:4700::5efe:10.0.0.1]", "[2606:4700::200:5efe:a9fe:a9fe]", "[fe80::5efe:1.1.1.1]"),
    *("[fe80::1]", "[fe80::1%25lo]", "[fe80::1%25eth0]", "[fe80::1%251]", "[fec0::1]", "[feff::1]"),
    *("[fc00::1]", "[fd00:ec2::254]", "[fd20:ce::254]", "[fdff::1]", "[ff02::1]", "[ff0e::1]"),
    *("[100::1]", "[100:0:0:1::1]", "[2001:db8::1]", "[2001:2::1]", "[2001:10::1]", "[3fff::1]"),
    *("[2620:4f:8000::1]", "[5f00::1]", "[4000::1]", "[1::1]", "[2001:20::1]", "[e000::1]"),
]  # fmt: skip


def within_local_prefix(inner: str, length: int) -> str:
    """Return an address of NAT64's prefix for local use, with *inner* where RFC 6052 puts it."""
    number = 0x64FF9B0001 << 80
    position = length // 8
    for byte in map(int, inner.split(".")):
        position += position == 8  # bits 64 to 71 are always zero
        number |= byte << (120 - position * 8)
        position += 1
    words = (f"{number >> shift & 0xFFFF:x}" for shift in range(112, -1, -16))
    return f"[{':'.join(words)}]"


NAT64 = [within_local_prefix(inner, length) for inner in INNER for length in (48, 56, 64, 96)]
TRICKS = [
    "http://127.0.0.1#@93.184.216.34/",
    "http://127.0.0.1?@93.184.216.34/",
    r"http://127.0.0.1\.93.184.216.34/",
    r"http:\\127.0.0.1\x",
    "http:127.0.0.1/",
    "http:/127.0.0.1/",
    "http:///127.0.0.1/",
    "http://127.0.0.1:80:93.184.216.34/",
    "http://127.0.0.1%00.93.184.216.34/",
    "http://127.0.0.1\t.example/",
    "http://[::1]93.184.216.34/",
    "http://[::ffff:127.0.0.1%25]/",
    "HTTP://127.0.0.1/",
    "//127.0.0.1/",
    "127.0.0.1/",
    "https://127.0.0.1/",
    "ftp://127.0.0.1/x",
    "gopher://127.0.0.1/x",
    "dict://127.0.0.1/x",
    "file:///etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "ldap://127.0.0.1/x",
    "smb://127.0.0.1/x",
    "tftp://127.0.0.1/x",
    "telnet://127.0.0.1:80",
    "rtsp://127.0.0.1:80/",
    "ws://127.0.0.1/",
    "scp://127.0.0.1/x",
    "unix:///var/run/docker.sock",
    "http+unix://%2fvar%2frun%2fdocker.sock/",
]


@pytest.fixture(scope="module")
def net() -> Iterator[NetworkNamespace]:
    with network_namespace.run_namespace() as namespace:
        yield namespace


def assert_refused(observed: Observation) -> None:
    assert observed.code in (2, 10, 20), observed
    assert observed.reached == [], observed


@pytest.mark.parametrize("host", [PUBLIC, "[2606:4700::1]", f"[::ffff:{PUBLIC}]", "public.test"])
def test_public_address_is_reached(net: NetworkNamespace, host: str) -> None:
    """Without this, the tests below would prove nothing."""
    observed = net.fetch(f"http://{host}/", zone={"public.test": [[PUBLIC]]})
    assert observed.code == 0, observed
    assert len(observed.reached) == 1


def test_every_other_address_would_respond_too(net: NetworkNamespace) -> None:
    for host in ("127.1", "10.0.0.1", "169.254.169.254", "[fd00:ec2::254]", "[64:ff9b:1::1]"):
        assert net.fetch(f"http://{host}/", "--allow=0.0.0.0/0", "--allow=::/0").code == 0


@pytest.mark.parametrize("host", [*SPELLINGS, *NAT64])
def test_no_spelling_of_a_private_address_connects(net: NetworkNamespace, host: str) -> None:
    assert_refused(net.fetch(f"http://{host}/"))


@pytest.mark.parametrize("url", TRICKS)
def test_no_malformed_url_connects(net: NetworkNamespace, url: str) -> None:
    assert_refused(net.fetch(url))


@pytest.mark.parametrize(
    "location",
    [
        *(f"http://{host}/" for host in ("10.0.0.1", "127.1", "2852039166", "[::1]", "inner.test")),
        *("http://[64:ff9b:1::a00:1]/", "http://[::ffff:169.254.169.254]/", "//10.0.0.1/"),
        *("https://10.0.0.1/", "ftp://10.0.0.1/", "file:///etc/passwd", "gopher://10.0.0.1/"),
        *(r"\\10.0.0.1\x", "http://x@10.0.0.1/", f"http://{PUBLIC}@10.0.0.1/", "HTTP://10.1/"),
        f"http://{PUBLIC}/to?http://{PUBLIC}/to?http://10.0.0.1/",
    ],
)
def test_no_redirect_to_a_private_address_connects(net: NetworkNamespace, location: str) -> None:
    observed = net.fetch(f"http://{PUBLIC}/to?{location}", zone={"inner.test": [["10.0.0.1"]]})
    assert observed.addresses == {PUBLIC}, observed


@pytest.mark.parametrize(
    "inner", [*INNER, "::1", "fd00:ec2::254", "64:ff9b::a00:1", "2002:a00:1::"]
)
def test_no_name_of_a_private_address_connects(net: NetworkNamespace, inner: str) -> None:
    assert_refused(net.fetch("http://inner.test/", zone={"inner.test": [[inner]]}))


def test_address_of_a_name_inside_is_not_disclosed(net: NetworkNamespace) -> None:
    inner = "10.11.12.13"
    observed = net.fetch("http://inner.test/", zone={"inner.test": [[inner]]})
    assert "inner.test is not a public address" in observed.err + observed.out
    assert inner not in observed.err + observed.out
    by_redirect = net.fetch(
        f"http://{PUBLIC}/to?http://inner.test/", zone={"inner.test": [[inner]]}
    )
    assert "inner.test is not a public address" in by_redirect.err + by_redirect.out
    assert inner not in by_redirect.err + by_redirect.out


@pytest.mark.parametrize(
    "url", ["http://{}:21/", "https://{}:70/", "http://{}:80/to?http://{}:21/"]
)
@pytest.mark.parametrize("host", [PUBLIC, "[2606:4700::1]", "public.test"])
def test_closed_port_is_not_connected_to(net: NetworkNamespace, url: str, host: str) -> None:
    observed = net.fetch(url.format(host, host), zone={"public.test": [[PUBLIC]]})
    assert observed.code == 10, observed
    assert "PortRefused" in observed.out
    assert "cannot be reached at port" in observed.out
    assert {connection.split()[1] for connection in observed.reached} <= {"80"}


def test_range_that_is_open_at_a_port_is_closed_at_others(net: NetworkNamespace) -> None:
    allow = ("--allow=10.0.0.0/8:21", "--allow=10.0.0.0/8:3128")
    for port, code in ((21, 0), (3128, 0), (80, 10), (8333, 10), (70, 10)):
        observed = net.fetch(f"http://10.0.0.1:{port}/", *allow)
        assert (observed.code, len(observed.reached)) == (code, int(code == 0)), observed


def test_name_with_several_addresses_leads_to_the_public_one(net: NetworkNamespace) -> None:
    several = ["10.0.0.1", "fd00::1", PUBLIC, "127.0.0.1"]
    observed = net.fetch("http://several.test/", zone={"several.test": [several]})
    assert (observed.code, observed.reached) == (0, [f"{PUBLIC} 80"])


def test_name_that_changes_its_address_connects_to_public_ones_only(net: NetworkNamespace) -> None:
    """Public when it is judged and private when it is connected to, at every redirect again."""
    for turns in ([[PUBLIC], ["10.0.0.1"]], [["10.0.0.1"], [PUBLIC]], [[PUBLIC], [], ["10.0.0.1"]]):
        url = "http://turns.test/to?http://turns.test/to?http://turns.test/"
        observed = net.fetch(url, zone={"turns.test": turns})
        assert observed.addresses <= {PUBLIC}, observed


def test_sigterm_ends_the_wait_for_a_look_up(net: NetworkNamespace, tmp_path: Path) -> None:
    fetch = (sys.executable, "-m", "download_worker", "fetch", "-o", str(tmp_path / "x"))
    command = ("timeout", "--preserve-status", "2", *fetch, f"http://{SILENT}.test/")
    began = time.monotonic()
    observed = net.run(*command, environment={"RES_OPTIONS": "timeout:20"})
    assert (observed.code, time.monotonic() - began < 10) == (143, True), observed


@pytest.mark.parametrize(
    "name", ["http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
)
def test_proxies_of_the_environment_are_not_used(net: NetworkNamespace, name: str) -> None:
    for proxy in ("http://10.0.0.1:3128", "socks5h://10.0.0.1:3128"):
        observed = net.fetch(f"http://{PUBLIC}/", environment={name: proxy, "NO_PROXY": ""})
        assert observed.reached == [f"{PUBLIC} 80"], observed
        assert_refused(net.fetch("http://10.0.0.2/", environment={name: f"http://{PUBLIC}:3128"}))


def test_curl_configuration_files_are_not_read(net: NetworkNamespace, tmp_path: Path) -> None:
    (tmp_path / ".curlrc").write_text("proxy = http://10.0.0.1:3128\n")
    (tmp_path / ".netrc").write_text(f"machine {PUBLIC} login me password hush\n")
    paths = {"HOME": str(tmp_path), "CURL_HOME": str(tmp_path), "NETRC": str(tmp_path / ".netrc")}
    assert net.fetch(f"http://{PUBLIC}/", environment=paths).reached == [f"{PUBLIC} 80"]


def test_alternative_services_of_a_server_are_not_used(net: NetworkNamespace) -> None:
    """The server names a private one in Alt-Svc, and the second request does not go there."""
    observed = net.fetch(f"http://{PUBLIC}/to?/to?/")
    assert (observed.code, observed.reached) == (0, [f"{PUBLIC} 80"])


def attempt(
    net: NetworkNamespace,
    tmp_path: Path,
    zone: network_namespace.Zone,
    page: str = "",
    allow: str = "",
    deny: str = "",
    **members: Any,
) -> tuple[Observation, dict[str, Any]]:
    """Run an attempt as a Pod does; return what it did and its result document."""
    termination_log = tmp_path / "termination-log"
    task = {
        "url": f"http://{PUBLIC}/page",
        "request": {**REQUEST, "connectTimeoutSeconds": 5},
        "verify": {**VERIFY, "maxBytes": 10_000_000},
        **members,
    }
    credentials = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    observed = net.run(
        *("-c", RUN_PROGRAM, str(tmp_path), str(termination_log)),
        zone=zone,
        pages={"/page": page} if page else None,
        environment={
            **pod_environment(**task),
            **credentials,
            ALLOW_CIDRS_VARIABLE: allow,
            DENY_CIDRS_VARIABLE: deny,
        },
    )
    return observed, json.loads(termination_log.read_text())


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "2852039166", "[::ffff:a00:1]", "inner.test", "turns.test"]
)
@pytest.mark.parametrize("key", ["x", "{scheduled}"])
def test_no_s3_endpoint_at_a_private_address_connects(
    net: NetworkNamespace, tmp_path: Path, host: str, key: str
) -> None:
    """A name may change its address between our look-up and the client's."""
    s3 = {**S3, "key": key, "endpoint": f"http://{host}"}
    zone = {"inner.test": [["10.0.0.1"]], "turns.test": [[PUBLIC], ["10.0.0.1"]]}
    observed, result = attempt(net, tmp_path, zone, destination={"s3": s3})
    assert observed.addresses == {PUBLIC}, observed
    assert result["reason"] == "AddressRefused", result


@pytest.mark.parametrize("allow", ["", "10.0.0.0/8"])
@pytest.mark.parametrize(
    "members",
    [
        {"destination": {"s3": {**S3, "endpoint": "http://inner.test:9999"}}},
        {"destination": {"s3": {**S3, "endpoint": "https://inner.test:80"}}},
        {"format": "pdf"},
        {"url": "http://inner.test:9999/"},
    ],
    ids=["s3-down", "s3-tls", "pdf", "url"],
)
def test_no_message_and_no_log_line_discloses_the_address_of_a_name(
    net: NetworkNamespace, tmp_path: Path, members: dict[str, Any], allow: str
) -> None:
    """Whether the name is refused or its server fails. Tenants read both."""
    inner = "10.11.12.13"
    page = "<!doctype html><script>location = 'http://inner.test:9999/'</script>"
    zone = {"inner.test": [[inner]]}
    observed, result = attempt(net, tmp_path, zone, page, allow, **members)
    assert result["reason"], result
    assert inner not in result["message"] + observed.out + observed.err


WAYS = """
<img src=WHERE/img><iframe src=WHERE/frame></iframe><script src=WHERE/js></script>
<link rel=stylesheet href=WHERE/css><link rel=preconnect href=WHERE>
<link rel=dns-prefetch href=WHERE><link rel=prefetch href=WHERE/p>
<object data=WHERE/o></object><video src=WHERE/v></video>
<img src="http://PUBLIC/to?WHERE/redirected">
<script>
fetch('WHERE/f').catch(() => 0);
navigator.sendBeacon('WHERE/b');
new EventSource('WHERE/e');
new WebSocket('WHERE/w'.replace('http', 'ws'));
new Worker(URL.createObjectURL(new Blob(["fetch('WHERE/k')"])));
</script>
"""
CALL = """<script>
const call = new RTCPeerConnection({iceServers: [
  {urls: 'turn:10.0.0.1:3128?transport=tcp', username: 'u', credential: 'c'}]});
call.createDataChannel('x');
call.createOffer().then(offer => call.setLocalDescription(offer));
</script>"""
INNER_HOSTS = ("10.0.0.1", "inner.test", "turns.test", "[::1]", "0")
TURNS = {"inner.test": [["10.0.0.1"]], "turns.test": [[PUBLIC], ["10.0.0.1"]]}
FULL_PAGE = (
    "<!doctype html><title>x</title><h1>There</h1>"
    + CALL
    + "".join(
        WAYS.replace("WHERE", f"http://{host}").replace("PUBLIC", PUBLIC) for host in INNER_HOSTS
    )
)


def test_nothing_in_a_page_connects_to_a_private_address(
    net: NetworkNamespace, tmp_path: Path
) -> None:
    """Neither by an address nor by a name, even one that changes its address."""
    observed, result = attempt(net, tmp_path, TURNS, FULL_PAGE, format="pdf")
    assert observed.addresses == {PUBLIC}, observed
    assert result.get("sha256"), (result, observed.out)


def test_same_page_connects_where_the_operator_allows_it(
    net: NetworkNamespace, tmp_path: Path
) -> None:
    ranges = "10.0.0.0/8,::1/128"
    observed, _ = attempt(net, tmp_path, TURNS, FULL_PAGE, ranges, format="pdf")
    assert observed.addresses == {PUBLIC, "10.0.0.1", "::1"}, observed


EVERYTHING = "0.0.0.0/0,::/0"
WITHIN_10_1 = [
    *("10.1.2.3", "0x0a.1.515", "167838211", "[::ffff:10.1.2.3]", "[::ffff:a01:203]"),
    *("[64:ff9b::10.1.2.3]", "[2002:a01:203::1]", "[2606:4700::5efe:10.1.2.3]", "[::10.1.2.3]"),
    *("[::ffff:0:10.1.2.3]", "[2001:0:a01:203::]", "[2001::f5fe:fdfc]"),
    *(within_local_prefix("10.1.2.3", length) for length in (48, 56, 64, 96)),
]


@pytest.mark.parametrize("host", WITHIN_10_1)
def test_no_spelling_of_a_denied_address_connects(
    net: NetworkNamespace, tmp_path: Path, host: str
) -> None:
    """The range is denied, and everything is allowed."""
    url = f"http://{host}/"
    observed, result = attempt(net, tmp_path, {}, allow=EVERYTHING, deny="10.1.0.0/16", url=url)
    assert (observed.code, observed.reached, result["reason"]) == (10, [], "AddressRefused")
    observed, _ = attempt(net, tmp_path, {}, allow=EVERYTHING, deny="10.2.0.0/16", url=url)
    assert (observed.code, len(observed.reached)) == (0, 1), observed


def test_denied_public_address_is_not_connected_to(net: NetworkNamespace, tmp_path: Path) -> None:
    """By its number, by a name, by a redirect, and by a name that changes its address."""
    other = "8.8.8.8"
    zone = {"own.test": [[other]], "turns.test": [[PUBLIC], [other]]}
    for url in (
        f"http://{other}/",
        "http://own.test/",
        f"http://{PUBLIC}/to?http://own.test/",
        "http://turns.test/to?http://turns.test/",
    ):
        observed, result = attempt(net, tmp_path, zone, deny="8.8.8.0/24", url=url)
        assert observed.addresses <= {PUBLIC}, observed
        assert result["reason"] == "AddressRefused", result
        assert other in url or other not in result["message"] + observed.out


def test_denied_address_is_reached_neither_by_a_page_nor_by_s3(
    net: NetworkNamespace, tmp_path: Path
) -> None:
    deny = "10.0.0.0/24,::1/128"
    observed, _ = attempt(net, tmp_path, TURNS, FULL_PAGE, EVERYTHING, deny, format="pdf")
    assert "10.0.0.1" not in observed.addresses, observed
    assert "::1" not in observed.addresses, observed
    destination = {"destination": {"s3": {**S3, "endpoint": "http://turns.test"}}}
    observed, result = attempt(net, tmp_path, TURNS, "", EVERYTHING, deny, **destination)
    assert observed.addresses == {PUBLIC}, observed
    assert result["reason"] == "AddressRefused", result
