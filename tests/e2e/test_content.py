"""The file of a run, served by the API from the claim that the chart mounts into it."""

import urllib.request

import pytest

from tests.e2e.runs import START_SECONDS, ask, wait_for_run
from tests.support.schedules import schedule
from tools.cluster import Cluster
from tools.demo import install
from tools.demo.webserver import content

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.parametrize("stage", ["helm"], indirect=True),
]


def test_file_of_a_run_is_served_from_the_mounted_claim(stage: Cluster) -> None:
    """Schedule and claim are in the API's own namespace: it cannot mount a claim of another.

    It is a system namespace, which has to be allowed.
    """
    kubectl = install.kubectl_of(stage, install.NAMESPACE)
    volume = {"volume": {"claimName": "served"}}
    kubectl.apply(
        install.claim("served"),
        *install.author("ann", install.NAMESPACE),
        schedule("served", url=f"{install.WEB_URL}/files/served", destination=volume),
    )
    install.install_by_helm(
        stage,
        "api.content.volumes[0].claimName=served",
        f"operator.systemNamespaces={{{install.NAMESPACE}}}",
    )
    ask(kubectl, "served", "once")
    run = wait_for_run(kubectl, "served", "once", 2 * START_SECONDS, state="Completed")
    path = f"/schedules/{install.NAMESPACE}.served/history/{run['id']}/content"
    token = {"Authorization": f"Bearer {install.api_token(kubectl, 'ann')}"}
    with install.port_forward(stage, "download-operator-api") as url:
        for headers, expected in (
            (token, content("served")),
            ({**token, "Range": "bytes=1000000-"}, content("served")[1_000_000:]),
        ):
            request = urllib.request.Request(url + path, headers=headers)
            with urllib.request.urlopen(request, timeout=60) as response:
                assert response.read() == expected
    install.install_by_helm(stage)
    kubectl("delete", "dls/served", "pvc/served", "--wait=false")
