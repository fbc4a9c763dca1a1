"""What the API's key, its Secret and its account are worth, to who has one of them."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.admission_stage import (
    API,
    OTHER,
    PLACE,
    SHARED,
    TEAM,
    Stage,
    admission_stage,
    with_claim,
    with_secrets,
)
from tests.support.api_process import KEY, api_servers
from tests.support.callers import API_ACCOUNT, kubeconfig_of
from tests.support.schedules import schedule
from tools.cluster.kubectl import Kubectl, wait_for

SECRET = "download-operator-api-key"
TOKEN_TYPE = "kubernetes.io/service-account-token"
VALUES = ("api.auth=key", f"api.keySecretNamespaces={{{TEAM}}}")
NEW = {
    "name": "Report",
    "url": "https://evil.example/",
    "cron_expression": "@daily",
    "format": "raw",
}
CLOUD = {"secret_headers": {"X-A": {"name": "cloud-credentials", "key": "token"}}}
BUCKET = {
    "destination": {"s3": {"bucket": "reports", "credentials_secret_ref": {"name": "bucket"}}}
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with admission_stage(tmp_path_factory.mktemp("stage")) as created:
        created.install(*VALUES)
        _wait_for_the_policy_of_the_key(created)
        yield created


def with_secret(namespace: str) -> dict[str, Any]:
    """Return a schedule of a namespace that uses a Secret there."""
    manifest = schedule("new", **with_secrets("db"))
    manifest["metadata"]["namespace"] = namespace
    return manifest


def _wait_for_the_policy_of_the_key(stage: Stage) -> None:
    def is_in_force() -> bool:
        here, elsewhere = (stage.refusal_to_create(API, with_secret(n)) for n in (TEAM, OTHER))
        return bool(elsewhere) and not here

    wait_for("the policy of an API with a key", is_in_force, timeout=60)


@pytest.fixture(scope="module")
def thief(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Who has the key of the API, which runs with the account and the settings of the chart."""
    folder = tmp_path_factory.mktemp("api")
    kubeconfig = kubeconfig_of(stage.team.within(PLACE), API_ACCOUNT, folder)
    with api_servers(kubeconfig, folder) as start:
        yield start(auth="key", key=KEY, release_namespace=PLACE, key_secret_namespaces=TEAM)


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["detail"]["error"]


@pytest.mark.parametrize("references", [CLOUD, BUCKET])
def test_key_is_worth_no_secret(thief: httpx.Client, references: dict[str, Any]) -> None:
    status, sentence = refusal(
        thief.post("/schedules", json={**NEW, **references, "namespace": OTHER})
    )
    assert status == 403
    assert "api-key may not get secrets" in sentence
    assert "add the namespace to api.keySecretNamespaces" in sentence


def test_key_moves_no_secret_of_somebody_else(stage: Stage, thief: httpx.Client) -> None:
    stage.team.within(OTHER).apply(schedule("theirs", **with_secrets("db")))
    path = f"/schedules/{OTHER}.theirs"
    moved = {"url": "https://evil.example/"}
    assert refusal(thief.patch(path, json=moved))[0] == 403
    assert refusal(thief.put(path, json=NEW | CLOUD))[0] == 403
    assert thief.patch(path, json={"cron_expression": "@weekly"}).status_code == 200


def test_key_is_worth_the_secrets_of_a_listed_namespace(thief: httpx.Client) -> None:
    created = thief.post("/schedules", json={**NEW, **CLOUD, "namespace": TEAM})
    assert created.status_code == 201, created.text
    thief.delete(created.headers["Location"])


def test_key_uses_a_claim_only_with_a_right_of_the_account(
    stage: Stage, thief: httpx.Client
) -> None:
    """The policy asks. In a listed namespace, too."""
    kept = {"destination": {"volume": {"claim_name": "data"}}, "namespace": TEAM}
    status, sentence = refusal(thief.post("/schedules", json=NEW | kept))
    assert status == 403
    assert "may not use persistentvolumeclaims data" in sentence
    subject = f"--serviceaccount={PLACE}:{API_ACCOUNT}"
    stage.team("create", "rolebinding", "api-data", "--role=use-data", subject)
    wait_for("the right", lambda: not stage.refusal_to_create(API, schedule("new", **SHARED)))
    created = thief.post("/schedules", json=NEW | kept)
    assert created.status_code == 201, created.text
    thief.delete(created.headers["Location"])
    stage.team("delete", "rolebinding", "api-data")


def test_policy_asks_the_account_of_the_api_without_the_api(stage: Stage) -> None:
    """Its token alone is worth no more than the key."""
    assert "may not get secrets db" in stage.refusal_to_create(API, with_secret(OTHER))
    assert not stage.refusal_to_create(API, with_secret(TEAM))
    claim = stage.refusal_to_create(API, schedule("new", **with_claim("data")))
    assert "may not use persistentvolumeclaims data" in claim


@pytest.mark.parametrize("namespace", [PLACE, "kube-system", "kube-public"])
def test_api_refuses_schedules_in_system_namespaces(thief: httpx.Client, namespace: str) -> None:
    status, sentence = refusal(thief.post("/schedules", json={**NEW, "namespace": namespace}))
    assert status == 422
    assert sentence.startswith(f"namespace: schedules in the namespace {namespace} of ")
    assert "use another namespace, or" in sentence


@pytest.mark.parametrize("namespace", [PLACE, "kube-system"])
def test_operator_runs_no_schedule_in_system_namespaces(
    stage: Stage, thief: httpx.Client, namespace: str
) -> None:
    """With kubectl, who may write schedules beside the key could have it sent to them."""
    kubectl = stage.team.within(namespace)
    header = {"secretKeyRef": {"name": SECRET, "key": "api-key"}}
    headers = [{"name": "X-K", "valueFrom": header}]
    kubectl.apply(schedule("thief", schedule="* * * * *", request={"headers": headers}))
    kubectl("annotate", "dls/thief", "downloads.dev/run-requested=now")
    kubectl("wait", "--for=condition=Ready=False", "dls/thief", "--timeout=60s")
    (ready,) = kubectl.get("dls", "thief")["status"]["conditions"]
    assert ready["reason"] == "NamespaceRefused"
    assert "add it to operator.systemNamespaces of the chart" in ready["message"]
    assert not kubectl.list("cronjobs")
    assert not kubectl.list("jobs")
    status, sentence = refusal(thief.post(f"/schedules/{namespace}.thief/run"))
    assert status == 422
    assert "add it to operator.systemNamespaces" in sentence
    kubectl("delete", "dls/thief")


def minted(name: str, **members: Any) -> dict[str, Any]:
    """Return a Secret into which Kubernetes would write a token of the operator's account."""
    note = {"kubernetes.io/service-account.name": "download-operator"}
    metadata = {"name": name, "namespace": PLACE, "annotations": note}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **members}


def test_account_of_the_api_mints_no_token(stage: Stage) -> None:
    place = Stage(stage.team.within(PLACE), stage.kubeconfig)
    assert "cannot create resource" in place.refusal_to_create(API, minted("x", type=TOKEN_TYPE))
    refused = place.refusal_to_replace(API, minted(SECRET, type=TOKEN_TYPE))
    assert "type: Invalid value" in refused
    assert "field is immutable" in refused
    assert "forbidden" in place.refusal_to_replace(API, minted("other"))
    # What it may do: change its own Secret, which stays an ordinary one.
    assert not place.refusal_to_replace(API, minted(SECRET))
    for action in (("get", "secret", "other"), ("get", "secrets"), ("delete", "secret", SECRET)):
        assert "forbidden" in place.refusal(API, *action)


def stored_key(kubectl: Kubectl) -> str:
    data = kubectl.get("secret", SECRET).get("data") or {}
    return base64.b64decode(data.get("api-key", "")).decode()


def write_key(kubectl: Kubectl, key: str) -> None:
    """Write the key as the API's Pod does, with its account: an update of the whole Secret."""
    secret = kubectl.get("secret", SECRET)
    secret["data"] = {"api-key": base64.b64encode(key.encode()).decode()}
    kubectl("replace", "--filename=-", f"--as={API}", stdin=json.dumps(secret))


def test_upgrade_and_uninstallation_leave_the_key(stage: Stage) -> None:
    place = stage.team.within(PLACE)
    assert stored_key(place) == ""
    write_key(place, "the-key")
    stage.install(*VALUES, "api.rateLimit=5")
    assert stored_key(place) == "the-key"
    stage.install()  # asks callers for tokens, and needs no key
    assert stored_key(place) == "the-key"
    stage.install(*VALUES)
    assert stored_key(place) == "the-key"
    _wait_for_the_policy_of_the_key(stage)


def test_key_of_the_first_version_is_kept_as_a_secret_of_ones_own(stage: Stage) -> None:
    """Its Secret was created by the Pod, so that Helm does not take it over."""
    place = stage.team.within(PLACE)
    stage.install()
    place("delete", "secret", SECRET)
    place("create", "secret", "generic", SECRET, "--from-literal=api-key=first")
    with pytest.raises(AssertionError, match="invalid ownership metadata"):
        stage.install(*VALUES)
    stage.install(*VALUES, f"api.existingSecret={SECRET}")
    assert stored_key(place) == "first"
    deployment = place.get("deployment", API_ACCOUNT)["spec"]["template"]["spec"]
    assert {"name": "key", "secret": {"defaultMode": 420, "secretName": SECRET}} in deployment[
        "volumes"
    ]
    question = ("auth", "can-i", "get", f"secrets/{SECRET}", f"--namespace={PLACE}")
    wait_for("the end of the right", lambda: stage.refusal(API, *question))
    stage.install(*VALUES, flag="--take-ownership")
    assert stored_key(place) == "first"
