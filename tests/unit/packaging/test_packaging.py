"""The images, the chart and the manifests agree."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml

from download_api.settings import Settings as ApiSettings
from download_operator.pod_egress import Allowance
from download_operator.settings import read_settings as read_operator_settings
from download_schedule.model import Format
from tests.support.chart import helm, one, rendered
from tools import images
from tools.generate.manifests import CHART, CHART_CRD, CRD, INSTALL, REPOSITORY, stale
from tools.generate.requirements import broken

VERSION = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]


def test_generated_files_are_up_to_date() -> None:
    assert stale() == []
    assert broken() == []
    assert (REPOSITORY / CRD).read_bytes() == (REPOSITORY / CHART_CRD).read_bytes()


def test_chart_images_and_manifests_have_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == VERSION
    text = (REPOSITORY / INSTALL).read_text()
    for target in images.TARGETS:
        assert images.reference(target) in text


def test_readme_command_takes_every_image_from_the_registry() -> None:
    (command,) = re.findall(
        r"^(sed .*) \| kubectl", (REPOSITORY / "README.md").read_text(), re.MULTILINE
    )
    done = subprocess.run(
        ["bash", "-c", command], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    named = re.findall(r"(?:image|value): (\S+:0\.\S+)", done.stdout)
    assert set(named) == {f"REGISTRY/{images.reference(target)}" for target in images.TARGETS}
    (allowed,) = re.findall(r"container\.image in (\[.+\])", done.stdout)
    workers = ("worker", "worker-pdf")
    assert json.loads(allowed) == [f"REGISTRY/{images.reference(target)}" for target in workers]


def test_schema_has_every_value_and_refuses_others() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    for part, members in values.items():
        assert set(members) == set(schema[part]["properties"])
    done = helm("template", "x", str(CHART), "--set=operator.replica=2")
    assert done.returncode
    assert "replica" in done.stderr


@pytest.mark.parametrize(
    "values",
    [
        ["--set=operator.namespaces={a,a}"],
        [f"--set=api.content.volumes[{number}].claimName=a" for number in range(2)],
    ],
)
def test_duplicates_are_refused(values: list[str]) -> None:
    done = helm("template", "x", str(CHART), *values)
    assert done.returncode
    assert "are equal" in done.stderr


def test_missing_repository_is_refused() -> None:
    done = helm("template", "x", str(CHART), "--set=image.repository=null")
    assert done.returncode
    assert "missing property 'repository'" in done.stderr


def test_readme_lists_every_value() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    listed = re.findall(r"^\| `([a-zA-Z.]+)` \|", (CHART / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(value_names(values))


def value_names(values: dict[str, Any]) -> list[str]:
    names = []
    for name, value in values.items():
        nested = isinstance(value, dict) and value and name != "resources"
        names += [f"{name}.{inner}" for inner in value_names(value)] if nested else [name]
    return names


def test_chart_can_be_a_conditional_dependency(tmp_path: Path) -> None:
    (tmp_path / "charts").mkdir()
    shutil.copytree(CHART, tmp_path / "charts" / CHART.name)
    dependency = {"name": CHART.name, "version": VERSION, "condition": f"{CHART.name}.enabled"}
    parent = {"apiVersion": "v2", "name": "x", "version": "1.0.0", "dependencies": [dependency]}
    (tmp_path / "Chart.yaml").write_text(json.dumps(parent))
    for enabled in ("true", "false"):
        done = helm("template", "x", str(tmp_path), f"--set={CHART.name}.enabled={enabled}")
        assert done.returncode == 0, done.stderr
        assert ("kind: Deployment" in done.stdout) == (enabled == "true")


def test_chart_passes_helm_lint() -> None:
    done = helm("lint", str(CHART), "--strict")
    assert done.returncode == 0, done.stdout


def test_pods_are_restricted() -> None:
    for item in rendered():
        if item["kind"] != "Deployment":
            continue
        pod = item["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["enableServiceLinks"] is False
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("part", ["operator", "api"])
def test_values_choose_the_nodes_of_a_pod(part: str) -> None:
    values = {
        "nodeSelector": {"example.com/on": "true"},
        "tolerations": [{"key": "egress", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
        "priorityClassName": "on",
    }
    settings = [f"{part}.{name}={json.dumps(value)}" for name, value in values.items()]
    items = rendered(*settings, flag="--set-json")
    names = {"operator": "download-operator", "api": "download-operator-api"}
    pods = {p: one(items, "Deployment", n)["spec"]["template"]["spec"] for p, n in names.items()}
    assert values.items() <= pods.pop(part).items()
    (other,) = pods.values()
    assert not values.keys() & other.keys()


@pytest.mark.parametrize("part", ["operator", "api"])
@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("nodeSelector.disk=1", "got number, want string"),
        ("tolerations[0].effect=Never", "must be one of 'NoSchedule'"),
        ("tolerations[0].keys=a", "'keys' not allowed"),
        ("affinity.nodeAfinity.x=a", "'nodeAfinity' not allowed"),
        ("priorityClassName=1", "got number, want string"),
    ],
)
def test_invalid_scheduling_is_refused(part: str, value: str, sentence: str) -> None:
    done = helm("template", "x", str(CHART), f"--set={part}.{value}")
    assert done.returncode
    assert sentence in done.stderr


def test_disruption_budget_exists_with_two_replicas() -> None:
    assert "PodDisruptionBudget" not in {item["kind"] for item in rendered()}
    items = rendered("operator.replicas=2")
    budget = one(items, "PodDisruptionBudget", "download-operator")["spec"]
    deployment = one(items, "Deployment", "download-operator")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == deployment["selector"]


def test_pod_monitor_selects_the_ports_of_both_pods() -> None:
    assert "monitoring.coreos.com/v1" not in {item["apiVersion"] for item in rendered()}
    items = rendered("metrics.podMonitor.enabled=true")
    spec = one(items, "PodMonitor", "download-operator")["spec"]
    ports = {endpoint["port"] for endpoint in spec["podMetricsEndpoints"]}
    for name in ("download-operator", "download-operator-api"):
        pod = one(items, "Deployment", name)["spec"]["template"]
        assert spec["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
        (container,) = pod["spec"]["containers"]
        assert len(ports & {port["name"] for port in container["ports"]}) == 1


def test_operator_can_neither_read_secrets_nor_change_schedules() -> None:
    rules = one(rendered(), "ClusterRole", "download-operator")["rules"]
    granted = {(r, v) for rule in rules for r in rule["resources"] for v in rule["verbs"]}
    assert not any(resource == "secrets" or verb == "*" for resource, verb in granted)
    assert {resource for resource, verb in granted if verb == "delete"} == {"jobs"}
    assert ("downloadschedules", "update") not in granted


def bound(items: list[dict[str, Any]], name: str) -> set[str]:
    """Return the namespaces in which a role is bound; `*` for all."""
    return {
        item["metadata"].get("namespace", "*")
        for item in items
        if item["kind"].endswith("RoleBinding") and item["metadata"]["name"] == name
    }


@pytest.mark.parametrize(
    ("values", "of_operator", "of_api"),
    [
        ([], {"*"}, {"*"}),
        (["operator.namespaces={a,b}"], {"a", "b"}, {"a", "b"}),
        (["operator.namespaces={a,b}", "api.namespaces={b}"], {"a", "b"}, {"b"}),
        (["api.namespaces={b}"], {"*"}, {"b"}),
        (["operator.namespaces={a}", "api.enabled=false"], {"a"}, set()),
    ],
)
def test_operator_and_api_have_rights_where_they_serve(
    values: list[str], of_operator: set[str], of_api: set[str]
) -> None:
    items = rendered(*values)
    assert bound(items, "download-operator") == of_operator
    assert bound(items, "download-operator-api") == of_api
    assert bound(items, "download-operator-api-reviews") == ({"*"} if of_api else set())
    if of_api:
        settings = read_api_settings(environment_of("download-operator-api", *values))
        assert set(settings.namespaces) == of_api - {"*"}


def environment_of(deployment: str, *values: str) -> dict[str, str]:
    """Return the environment variables of a Deployment's container."""
    item = one(rendered(*values), "Deployment", deployment)
    (container,) = item["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable["value"] for variable in container["env"]}


@pytest.mark.parametrize(
    ("values", "namespace"),
    [
        ([], "default"),
        (["operator.namespaces={team,place}"], "place"),
        (["operator.namespaces={team,other}"], "team"),
        (["operator.namespaces={team,other}", "api.namespaces={other}"], "other"),
        (["operator.systemNamespaces={kube-system,place}"], "place"),
        (["operator.namespaces={team}", "api.namespace=mine"], "mine"),
    ],
)
def test_api_creates_schedules_in_a_namespace_that_is_served(
    values: list[str], namespace: str
) -> None:
    settings = read_api_settings(environment_of("download-operator-api", *values))
    assert settings.namespace == namespace
    assert namespace == "mine" or not settings.served.refusal(namespace)


@pytest.mark.parametrize(
    ("values", "refused", "served"),
    [
        ([], ["place", "kube-system"], ["team", "default"]),
        (["operator.systemNamespaces={place}"], ["kube-system"], ["team", "place"]),
        (["operator.namespaces={kube-system}"], [], ["kube-system"]),
    ],
)
def test_operator_and_api_refuse_schedules_in_the_same_namespaces(
    values: list[str], refused: list[str], served: list[str]
) -> None:
    with patch.dict(os.environ, environment_of("download-operator", *values)):
        operator = read_operator_settings().served
    assert operator == read_api_settings(environment_of("download-operator-api", *values)).served
    assert all(operator.refusal(namespace) for namespace in refused)
    assert not any(operator.refusal(namespace) for namespace in served)


def test_notes_show_commands_for_these_values() -> None:
    values = ["--set=operator.namespaces={team}", "--set=api.service.port=80"]
    done = helm("install", "x", str(CHART), "--dry-run=client", "--namespace=place", *values)
    assert done.returncode == 0, done.stderr
    notes = done.stdout.partition("NOTES:")[2]
    assert "kubectl apply --namespace team -f -" in notes
    assert "8080:80 &" in notes
    assert "http://localhost:8080/schedules" in notes
    assert "kubectl create token ACCOUNT --audience=download-operator" in notes


def test_values_of_the_operator_become_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [
        "operator.defaultDestination.volume.claimName=downloads",
        "operator.pdfImage=example.com/worker-pdf:1",
        "operator.proxy=http://proxy.example:3128",
        "operator.caConfigMap=authorities",
        "operator.logFormat=json",
        "operator.allowCidrs={10.0.0.0/8}",
        "operator.allow[0].cidr=192.168.0.0/16",
        "operator.allow[0].namespaces={team-a}",
        "operator.allow[0].ports={443}",
        "operator.denyCidrs={11.0.0.0/8,2600:1f14::/32}",
        "operator.allowPorts={81,65535}",
        "image.pullSecrets={registry,mirror}",
        "downloads.nodeSelector.pool=egress",
        "downloads.tolerations[0].operator=Exists",
        "downloads.resources.text.limits.memory=2Gi",
        "downloads.runAsUser=1000660000",
        "downloads.fsGroup=",
        "operator.freePaths=true",
    ]
    deployment = one(rendered(*values), "Deployment", "download-operator")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    for variable in container["env"]:
        monkeypatch.setenv(variable["name"], variable["value"])
    settings = read_operator_settings()
    assert settings.default_destination.volume
    assert settings.default_destination.volume.claim_name == "downloads"
    assert settings.pdf_image == "example.com/worker-pdf:1"
    assert settings.proxy == "http://proxy.example:3128"
    assert settings.ca_config_map == "authorities"
    assert (settings.log_format, settings.allow_cidrs) == ("json", ("10.0.0.0/8",))
    (allowance,) = settings.allow
    assert allowance == Allowance(cidr="192.168.0.0/16", namespaces=("team-a",), ports=(443,))
    assert settings.deny_cidrs == ("11.0.0.0/8", "2600:1f14::/32")
    assert settings.allow_ports == (81, 65535)
    assert settings.worker_image_pull_secrets == ("registry", "mirror")
    assert settings.pod_scheduling.members() == {
        "nodeSelector": {"pool": "egress"},
        "tolerations": [{"operator": "Exists"}],
    }
    assert settings.pod_resources[Format.TEXT].limits["memory"] == "2Gi"
    assert (settings.pod_run_as_user, settings.pod_fs_group) == (1000660000, None)
    assert settings.free_paths


def test_operator_reads_namespaces_only_if_an_allowance_selects_some() -> None:
    by_name = ["operator.allow[0].cidr=10.0.0.0/8", "operator.allow[0].namespaces={team-a}"]
    by_label = [by_name[0], "operator.allow[0].namespaceSelector.matchLabels.team=data"]
    for values, is_granted in (([], False), (by_name, False), (by_label, True)):
        for more in ([], ["operator.namespaces={a,b}"]):
            kinds = {
                item["kind"]
                for item in rendered(*values, *more)
                if item["metadata"]["name"] == "download-operator-namespaces"
            }
            assert kinds == ({"ClusterRole", "ClusterRoleBinding"} if is_granted else set())


def test_operator_may_read_the_api_servers_endpoints_and_no_others() -> None:
    items = rendered("operator.namespaces={a,b}", namespace="default")
    role = one(items, "Role", "download-operator-egress")
    assert role["metadata"]["namespace"] == "default"
    (rule,) = role["rules"]
    assert (rule["resources"], rule["resourceNames"]) == (["endpointslices"], ["kubernetes"])
    assert rule["verbs"] == ["get"]
    binding = one(items, "RoleBinding", "download-operator-egress")
    assert binding["roleRef"]["name"] == "download-operator-egress"


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("allow[0].cidr=10.0.0.1", "does not match pattern"),
        ("allow[0].namespaces={a}", "missing property 'cidr'"),
        ("allow[0].ports={0}", "minimum"),
        ("allow[0].port=443", "'port' not allowed"),
        ("denyCidrs={all}", "does not match pattern"),
        ("allowPorts={65536}", "maximum"),
    ],
)
def test_invalid_egress_is_refused(value: str, sentence: str) -> None:
    done = helm("template", "x", str(CHART), f"--set=operator.{value}")
    assert done.returncode
    assert sentence in done.stderr


def test_existing_secret_needs_no_right_to_secrets() -> None:
    items = rendered("api.auth=key", "api.existingSecret=mine")
    roles = {i["metadata"]["name"] for i in items if i["kind"] == "Role"}
    assert roles == {"download-operator", "download-operator-egress"}
    assert "Secret" not in {item["kind"] for item in items}
    pod = one(items, "Deployment", "download-operator-api")["spec"]["template"]["spec"]
    assert "initContainers" not in pod
    assert {"secretName": "mine"} in [v.get("secret") for v in pod["volumes"]]


def test_secret_of_the_key_has_no_data_that_an_upgrade_could_restore() -> None:
    assert "Secret" not in {item["kind"] for item in rendered()}
    items = rendered("api.auth=key")
    secret = one(items, "Secret", "download-operator-api-key")
    assert secret["type"] == "Opaque"
    assert not {"data", "stringData", "immutable"} & secret.keys()
    (rule,) = one(items, "Role", "download-operator-api-key")["rules"]
    assert rule["resourceNames"] == ["download-operator-api-key"]
    assert rule["verbs"] == ["get", "update"]


@pytest.mark.parametrize(
    ("values", "file", "reviews"),
    [
        (["api.auth=key"], "/key/api-key", False),
        ([], None, True),
        (["api.existingSecret=mine"], "/key/keys.json", True),
    ],
)
def test_authentication_has_the_key_file_and_rights_that_it_needs(
    values: list[str], file: str | None, reviews: bool
) -> None:
    items = rendered(*values)
    rules = [
        rule
        for item in items
        if item["kind"] == "ClusterRole"
        and item["metadata"]["name"].startswith("download-operator-api")
        for rule in item["rules"]
    ]
    granted = {resource for rule in rules for resource in rule["resources"]}
    assert ({"tokenreviews", "subjectaccessreviews"} <= granted) == reviews
    assert "secrets" not in granted
    pod = one(items, "Deployment", "download-operator-api")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    environment = {item["name"]: item["value"] for item in container["env"]}
    assert environment.get("DOWNLOAD_API_KEY_FILE") == file
    assert ("initContainers" in pod) == (file == "/key/api-key")
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}
    assert ("key" in mounted) == (file is not None)


def read_api_settings(environment: dict[str, str]) -> ApiSettings:
    with patch.dict(os.environ, environment):
        return ApiSettings.from_environment()


def test_trusted_proxies_become_a_setting_of_the_api() -> None:
    deployment = one(
        rendered("api.trustedProxies={10.0.0.0/8,fd00::/8}"), "Deployment", "download-operator-api"
    )
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    environment = {item["name"]: item["value"] for item in container["env"]}
    assert read_api_settings(environment).trusted_proxies == ("10.0.0.0/8", "fd00::/8")


@pytest.mark.parametrize("limit", [0, 1_000_000])
def test_rate_limit_becomes_a_setting_of_the_api(limit: int) -> None:
    deployment = one(rendered(f"api.rateLimit={limit}"), "Deployment", "download-operator-api")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    environment = {item["name"]: item["value"] for item in container["env"]}
    assert read_api_settings(environment).rate_limit == limit


def test_claims_to_serve_are_mounted_into_the_api() -> None:
    values = [f"api.content.volumes[{n}].claimName={name}" for n, name in enumerate("ab")]
    deployment = one(rendered(*values), "Deployment", "download-operator-api")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    environment = {item["name"]: item["value"] for item in container["env"]}
    served = read_api_settings(environment).content_volumes
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    claims = {volume["name"]: volume.get("persistentVolumeClaim") for volume in pod["volumes"]}
    assert [(claim.namespace, claim.name) for claim in served] == [("place", "a"), ("place", "b")]
    for claim in served:
        mount = mounts[str(claim.folder)]
        assert mount["readOnly"]
        assert claims[mount["name"]] == {"claimName": claim.name, "readOnly": True}


def test_api_and_crd_can_be_left_out() -> None:
    kinds = {i["kind"] for i in rendered("api.enabled=false", "crd.install=false")}
    assert "CustomResourceDefinition" not in kinds
    assert "Service" not in kinds


def test_crd_stays_when_the_chart_is_uninstalled() -> None:
    crd = one(rendered(), "CustomResourceDefinition", "downloadschedules.downloads.dev")
    assert crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


@pytest.mark.parametrize("target", [*images.TARGETS, *images.OPTIONAL])
def test_image_runs_its_own_process_as_nobody(target: str) -> None:
    stages = re.split(r"^FROM ", (REPOSITORY / "Dockerfile").read_text(), flags=re.MULTILINE)
    (stage,) = (text for text in stages if text.partition("\n")[0].endswith(f" AS {target}"))
    assert f'ENTRYPOINT ["python3", "-m", "download_{target.partition("-")[0]}"]' in stage
    assert "USER 65532:65532" in stage


def test_demo_builds_no_image_with_a_browser() -> None:
    assert "worker-pdf" not in images.TARGETS


def dry_run(*arguments: str) -> str:
    command = ["make", "--dry-run", *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return done.stdout


def test_another_python_gets_another_environment(tmp_path: Path) -> None:
    other = tmp_path / "python3"
    other.write_text("#!/bin/sh\necho Python 3.99.0\n")
    other.chmod(0o755)
    assert f"{other} -m venv --clear .venv" in dry_run("lint", f"PYTHON={other}")


def test_no_file_names_a_registry_or_this_machine() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.split()
    forbidden = re.compile(r"pypi\.|pythonhosted|proxy\.golang|deb\.debian|/ro" + "ot/|/wo" + "rk/")
    for name in listed:
        path = REPOSITORY / name
        if path.is_file() and path != Path(__file__):
            assert not forbidden.search(path.read_text(errors="replace")), name


def test_names_that_look_like_other_yaml_types_stay_text() -> None:
    values = {
        "image.pullSecrets[0]": "1e3",
        "operator.namespaces[0]": "on",
        "metrics.labels.name": "off",
        "api.existingSecret": "007",
        "api.content.volumes[0].claimName": "12",
    }
    settings = [f"--set-string={name}={value}" for name, value in values.items()]
    settings += ["--set=crd.install=false", "--set=metrics.podMonitor.enabled=true"]
    done = helm("template", "123", str(CHART), "--namespace=no", *settings)
    assert done.returncode == 0, done.stderr
    items = [item for item in yaml.safe_load_all(done.stdout) if item]
    names = [name for item in items for name in names_in(item)]
    assert {"no", "on", "off", "123", "1e3", "007", "12"} <= set(names)
    assert all(isinstance(name, str) for name in names)


def names_in(value: Any) -> list[Any]:
    """Return the names in a manifest, at any depth."""
    keys = {"namespace", "name", "secretName", "claimName", "app.kubernetes.io/instance"}
    if isinstance(value, list):
        return [name for item in value for name in names_in(item)]
    if not isinstance(value, dict):
        return []
    inner = [name for member in value.values() for name in names_in(member)]
    return inner + [member for key, member in value.items() if key in keys]
