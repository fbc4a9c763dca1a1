"""Nothing connects to what is not public, in an internet where every address would answer."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import network_namespace
from tests.support.attempts import RUN
from tests.support.network_namespace import SILENT, Internet, Seen

PUBLIC = "93.184.216.34"
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
    """An address of NAT64's prefix for local use, with *inner* where RFC 6052 has it."""
    number = 0x64FF9B0001 << 88
    packed = [int(each) for each in inner.split(".")]
    at = length // 8
    for each in packed:
        at += at == 8  # bits 64 to 71 are always zero
        number |= each << (120 - at * 8)
        at += 1
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
def net() -> Iterator[Internet]:
    with network_namespace.running() as running:
        yield running


def refused(seen: Seen, reached: tuple[str, ...] = ()) -> None:
    assert seen.code in (2, 10, 20), seen
    assert [each.split()[0] for each in seen.reached] == list(reached), seen


@pytest.mark.parametrize("host", [PUBLIC, "[2606:4700::1]", f"[::ffff:{PUBLIC}]", "public.test"])
def test_public_addresses_are_reached(net: Internet, host: str) -> None:
    """Without this, all that follows would prove nothing."""
    seen = net.fetch(f"http://{host}/", zone={"public.test": [[PUBLIC]]})
    assert seen.code == 0, seen
    assert len(seen.reached) == 1


def test_the_others_would_answer_too(net: Internet) -> None:
    for host in ("127.1", "10.0.0.1", "169.254.169.254", "[fd00:ec2::254]", "[64:ff9b:1::1]"):
        assert net.fetch(f"http://{host}/", "--allow=0.0.0.0/0", "--allow=::/0").code == 0


@pytest.mark.parametrize("host", [*SPELLINGS, *NAT64])
def test_no_spelling_connects(net: Internet, host: str) -> None:
    refused(net.fetch(f"http://{host}/"))


@pytest.mark.parametrize("url", TRICKS)
def test_no_trick_connects(net: Internet, url: str) -> None:
    refused(net.fetch(url))


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
def test_no_redirect_connects(net: Internet, location: str) -> None:
    seen = net.fetch(f"http://{PUBLIC}/to?{location}", zone={"inner.test": [["10.0.0.1"]]})
    assert {each.split()[0] for each in seen.reached} == {PUBLIC}, seen


@pytest.mark.parametrize(
    "inner", [*INNER, "::1", "fd00:ec2::254", "64:ff9b::a00:1", "2002:a00:1::"]
)
def test_no_name_connects(net: Internet, inner: str) -> None:
    refused(net.fetch("http://inner.test/", zone={"inner.test": [[inner]]}))


def test_a_name_with_several_addresses_leads_to_the_public_one(net: Internet) -> None:
    several = ["10.0.0.1", "fd00::1", PUBLIC, "127.0.0.1"]
    seen = net.fetch("http://several.test/", zone={"several.test": [several]})
    assert (seen.code, seen.reached) == (0, [f"{PUBLIC} 80"])


def test_a_name_that_changes_its_answer_leads_nowhere_else(net: Internet) -> None:
    """Public when it is looked at, private when it is gone to: at every redirect anew."""
    for turns in ([[PUBLIC], ["10.0.0.1"]], [["10.0.0.1"], [PUBLIC]], [[PUBLIC], [], ["10.0.0.1"]]):
        url = "http://turns.test/to?http://turns.test/to?http://turns.test/"
        seen = net.fetch(url, zone={"turns.test": turns})
        assert {each.split()[0] for each in seen.reached} <= {PUBLIC}, seen


def test_a_look_up_without_an_answer_holds_nobody_up(net: Internet, tmp_path: Path) -> None:
    fetch = (sys.executable, "-m", "download_worker", "fetch", "-o", str(tmp_path / "x"))
    command = ("timeout", "--preserve-status", "2", *fetch, f"http://{SILENT}.test/")
    began = time.monotonic()
    seen = net.run(*command, environment={"RES_OPTIONS": "timeout:20"})
    assert (seen.code, time.monotonic() - began < 10) == (143, True), seen


@pytest.mark.parametrize(
    "name", ["http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
)
def test_proxies_of_the_environment_are_not_asked(net: Internet, name: str) -> None:
    for proxy in ("http://10.0.0.1:3128", "socks5h://10.0.0.1:3128"):
        seen = net.fetch(f"http://{PUBLIC}/", environment={name: proxy, "NO_PROXY": ""})
        assert seen.reached == [f"{PUBLIC} 80"], seen
        refused(net.fetch("http://10.0.0.2/", environment={name: f"http://{PUBLIC}:3128"}))


def test_files_of_curl_are_not_read(net: Internet, tmp_path: Path) -> None:
    (tmp_path / ".curlrc").write_text("proxy = http://10.0.0.1:3128\n")
    (tmp_path / ".netrc").write_text(f"machine {PUBLIC} login me password hush\n")
    places = {"HOME": str(tmp_path), "CURL_HOME": str(tmp_path), "NETRC": str(tmp_path / ".netrc")}
    assert net.fetch(f"http://{PUBLIC}/", environment=places).reached == [f"{PUBLIC} 80"]


def test_other_services_that_a_server_offers_are_not_tried(net: Internet) -> None:
    """The server of these tests names a private one in Alt-Svc; the second request stays."""
    seen = net.fetch(f"http://{PUBLIC}/to?/to?/")
    assert (seen.code, seen.reached) == (0, [f"{PUBLIC} 80"])


def attempt(
    net: Internet,
    tmp_path: Path,
    spec: dict[str, Any],
    zone: network_namespace.Zone,
    page: str = "",
    allow: str = "",
) -> tuple[Seen, dict[str, Any]]:
    """Run an attempt as a Pod does."""
    request = {
        "method": "GET", "headers": [], "compressed": False, "connectTimeoutSeconds": 5,
        "stallTimeoutSeconds": 30, "maxRedirects": 5,
    }  # fmt: skip
    whole = {
        "namespace": "team",
        "name": "nightly",
        "url": f"http://{PUBLIC}/page",
        "format": "raw",
        "request": request,
        "verify": {"minBytes": 0, "maxBytes": 10_000_000, "contentTypes": []},
        "onlyIfChanged": False,
        "keepLast": None,
        "destination": {"discard": {}},
        **spec,
    }
    report = tmp_path / "report"
    seen = net.run(
        *(sys.executable, "-c", RUN, str(tmp_path), str(report)),
        zone=zone,
        pages={"/page": page} if page else None,
        environment={
            "DOWNLOAD_SPEC": json.dumps(whole),
            "DOWNLOAD_JOB": "nightly-29923320",
            "DOWNLOAD_RUN": "5b1c9b1e",
            "AWS_ACCESS_KEY_ID": "k",
            "AWS_SECRET_ACCESS_KEY": "s",
            "DOWNLOAD_WORKER_ALLOW_CIDRS": allow,
        },
    )
    return seen, json.loads(report.read_text())


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "2852039166", "[::ffff:a00:1]", "inner.test", "turns.test"]
)
@pytest.mark.parametrize("key", ["x", "{scheduled}"])
def test_no_endpoint_of_a_bucket_connects(
    net: Internet, tmp_path: Path, host: str, key: str
) -> None:
    """A name may change its answer between our look and the client's, whatever that asks first."""
    s3 = {
        "bucket": "own",
        "key": key,
        "endpoint": f"http://{host}",
        "region": "eu-west-1",
        "credentialsSecretRef": {"name": "keys"},
    }
    zone = {"inner.test": [["10.0.0.1"]], "turns.test": [[PUBLIC], ["10.0.0.1"]]}
    seen, result = attempt(net, tmp_path, {"destination": {"s3": s3}}, zone)
    assert {each.split()[0] for each in seen.reached} == {PUBLIC}, seen
    assert result["reason"] == "AddressRefused", result


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


def test_nothing_that_a_page_asks_for_connects(net: Internet, tmp_path: Path) -> None:
    """Neither by an address nor by a name, also not one that changes its answer."""
    seen, result = attempt(net, tmp_path, {"format": "pdf"}, TURNS, FULL_PAGE)
    assert {each.split()[0] for each in seen.reached} == {PUBLIC}, seen
    assert result.get("sha256"), (result, seen.out)


def test_the_same_page_connects_where_that_is_allowed(net: Internet, tmp_path: Path) -> None:
    ranges = "10.0.0.0/8,::1/128"
    seen, _ = attempt(net, tmp_path, {"format": "pdf"}, TURNS, FULL_PAGE, allow=ranges)
    assert {each.split()[0] for each in seen.reached} == {PUBLIC, "10.0.0.1", "::1"}, seen
