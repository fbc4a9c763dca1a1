"""How requests are counted."""

from download_api.server.request_metrics import Traffic


def test_requests_are_counted_by_the_time_that_they_took() -> None:
    traffic = Traffic()
    for seconds in (0.001, 0.005, 0.02, 99):
        traffic.count("GET", "/schedules", 204, seconds)
    traffic.count("BREW", None, 503, 0.3)
    told = traffic.histogram("seconds", "How long.").splitlines()
    assert told[:2] == ["# HELP seconds How long.", "# TYPE seconds histogram"]
    labels = 'method="GET",route="/schedules",status="2xx"'
    for bound, count in (("0.005", 2), ("0.01", 2), ("0.025", 3), ("10.0", 3), ("+Inf", 4)):
        assert f'seconds_bucket{{{labels},le="{bound}"}} {count}' in told
    assert f"seconds_sum{{{labels}}} 99.026" in told
    assert f"seconds_count{{{labels}}} 4" in told
    assert 'seconds_count{method="other",route="other",status="5xx"} 1' in told
