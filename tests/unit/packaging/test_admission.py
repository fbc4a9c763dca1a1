"""The admission policies and the roles for people, as the chart renders them."""

import json
import re
from typing import Any

import pytest
import yaml

from download_api.auth.referenced_objects import DIRECTING_MEMBERS
from download_operator.manifests.pod import CA_PATH
from download_schedule import rules
from download_schedule.attempt import variables as pod_variables
from tests.support.chart import POLICIES, one, rendered
from tools.generate.manifests import CHART

VALIDATING = "ValidatingAdmissionPolicy"


def policy(name: str, *values: str) -> dict[str, Any]:
    """The spec of one policy."""
    spec: dict[str, Any] = one(rendered(*values), VALIDATING, f"download-operator-{name}")["spec"]
    return spec


def conditions(name: str, *values: str) -> dict[str, str]:
    spec = policy(name, *values)
    return {item["name"]: " ".join(item["expression"].split()) for item in spec["matchConditions"]}


def test_each_policy_is_enforced() -> None:
    items = rendered()
    for name in POLICIES:
        assert one(items, VALIDATING, name)["spec"]["failurePolicy"] == "Fail"
        binding = one(items, f"{VALIDATING}Binding", name)["spec"]
        assert binding == {"policyName": name, "validationActions": ["Deny"]}
    assert sum(item["kind"].startswith(VALIDATING) for item in items) == 2 * len(POLICIES)


def test_policies_can_be_left_out() -> None:
    items = rendered("admissionPolicy.enabled=false")
    assert not [item for item in items if item["kind"].startswith(VALIDATING)]


def test_policies_name_the_accounts_of_the_pods() -> None:
    items = rendered()
    for deployment, name, condition in (
        ("download-operator", "bounds", "by-the-operator"),
        ("download-operator", "ownership", "by-the-operator"),
        ("download-operator", "labels", "not-by-a-controller"),
        ("download-operator-api", "references", "not-by-the-http-api"),
    ):
        pod = one(items, "Deployment", deployment)["spec"]["template"]["spec"]
        account = f'"system:serviceaccount:place:{pod["serviceAccountName"]}"'
        assert account in conditions(name)[condition]
        assert one(items, "ServiceAccount", pod["serviceAccountName"])


@pytest.mark.parametrize("values", [["api.auth=key"], ["api.enabled=false"]])
def test_account_of_an_api_that_asks_for_nobody_is_not_exempt(values: list[str]) -> None:
    assert "not-by-the-http-api" not in conditions("references", *values)


def test_key_may_use_secrets_of_listed_namespaces_alone() -> None:
    def secrets(*values: str) -> str:
        variables = {
            item["name"]: item["expression"] for item in policy("references", *values)["variables"]
        }
        return " ".join(variables["secrets0"].split())

    listed = "api.keySecretNamespaces={team,other}"
    exemption = (
        'request.userInfo.username == "system:serviceaccount:place:download-operator-api"'
        ' && request.namespace in ["team","other"] ? [] : '
    )
    everybody = secrets("api.auth=key")
    assert secrets("api.auth=key", listed) == exemption + everybody
    assert secrets(listed) == everybody
    assert secrets("api.auth=key", listed, "api.enabled=false") == everybody


def test_policy_and_api_ask_on_a_change_of_the_same_members() -> None:
    condition = conditions("references")["directs-content"]
    assert set(re.findall(r"oldObject\.spec\.\??(\w+)", condition)) == set(DIRECTING_MEMBERS)


def test_policy_asks_for_as_many_secrets_as_a_schedule_may_use() -> None:
    texts = [item["expression"] for item in policy("references")["validations"]]
    assert sum('resource("secrets")' in text for text in texts) == rules.MAX_SECRETS
    assert f"size(variables.secrets{rules.MAX_SECRETS}) == 0" in texts


def test_no_expression_asks_more_often_than_kubernetes_allows() -> None:
    for item in policy("references")["validations"]:
        assert item["expression"].count(".check(") <= 2


@pytest.mark.parametrize(
    ("values", "images"),
    [
        ([], ["download-operator/worker:0.1.0", "download-operator/worker-pdf:0.1.0"]),
        (["image.repository=r/x", "image.tag=v2"], ["r/x/worker:v2", "r/x/worker-pdf:v2"]),
        (
            ["operator.pdfImage=mine/pdf:3"],
            [
                "download-operator/worker:0.1.0",
                "download-operator/worker-pdf:0.1.0",
                "mine/pdf:3",
            ],
        ),
    ],
)
def test_operator_may_run_the_images_of_the_chart(values: list[str], images: list[str]) -> None:
    text = json.dumps(policy("bounds", *values)["validations"])
    (allowed,) = re.findall(r"container\.image in (\[.*?\])", text)
    assert json.loads(allowed.replace('\\"', '"')) == images


def test_operator_may_use_pull_secrets_and_priority_of_the_chart() -> None:
    values = ["image.pullSecrets={registry}", "downloads.priorityClassName=system-x"]
    text = " ".join(item["expression"] for item in policy("bounds", *values)["validations"])
    assert 's.name in ["registry"]' in text
    assert 'priorityClassName == "system-x"' in text


@pytest.mark.parametrize(
    ("values", "exceptions"),
    [
        ([], []),
        (["operator.systemNamespaces={kube-tools}"], ["kube-tools"]),
        (["operator.namespaces={team,kube-tools}"], ["team", "kube-tools"]),
    ],
)
def test_operator_may_make_downloads_in_the_system_namespaces_that_it_serves(
    values: list[str], exceptions: list[str]
) -> None:
    (expression, *_) = (item["expression"] for item in policy("bounds", *values)["validations"])
    assert 'request.namespace == "place"' in expression
    assert json.loads(expression.rpartition(" in ")[2]) == exceptions


def test_operator_may_set_what_the_worker_reads_and_nothing_else() -> None:
    text = " ".join(item["expression"] for item in policy("bounds")["validations"])
    variables = {value for name, value in vars(pod_variables).items() if name.endswith("_VARIABLE")}
    (named,) = re.findall(r"e\.name in (\[.*?\])", text)
    assert set(json.loads(named)) == {v for v in variables if not v.startswith("DOWNLOAD_")}
    (places,) = re.findall(r"m\.mountPath in (\[.*?\])", text)
    assert json.loads(places) == [pod_variables.DATA_PATH, CA_PATH]


@pytest.mark.parametrize(
    ("name", "aggregate", "verbs"),
    [
        ("editor", "edit", {"get", "list", "watch", "create", "update", "patch", "delete"}),
        ("viewer", "view", {"get", "list", "watch"}),
    ],
)
def test_roles_for_people_are_about_schedules_alone(
    name: str, aggregate: str, verbs: set[str]
) -> None:
    role = one(rendered(), "ClusterRole", f"downloads-{name}")
    label = f"rbac.authorization.k8s.io/aggregate-to-{aggregate}"
    assert role["metadata"]["labels"][label] == "true"
    assert {group for rule in role["rules"] for group in rule["apiGroups"]} == {"downloads.dev"}
    assert set(role["rules"][0]["verbs"]) == verbs
    granted = {resource for rule in role["rules"] for resource in rule["resources"]}
    assert "downloadschedules/status" not in granted
    assert "*" not in granted


def test_policies_are_on_by_default() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert values["admissionPolicy"] == {"enabled": True}
