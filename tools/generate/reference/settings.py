"""docs/reference/settings.md, from the processes' `--help`. Pure."""

import re
from collections.abc import Iterable
from typing import Final

from tools.generate.reference.constants import Constant
from tools.generate.reference.markdown import code, page, sentence, table

CHART_VALUES: Final = {
    "DOWNLOAD_OPERATOR_WORKER_IMAGE": "image.repository",
    "DOWNLOAD_OPERATOR_WORKER_IMAGE_PULL_POLICY": "image.pullPolicy",
    "DOWNLOAD_OPERATOR_WORKER_IMAGE_PULL_SECRETS": "image.pullSecrets",
    "DOWNLOAD_OPERATOR_PDF_IMAGE": "operator.pdfImage",
    "DOWNLOAD_OPERATOR_DEFAULT_DESTINATION": "operator.defaultDestination",
    "DOWNLOAD_OPERATOR_POD_SCHEDULING": "downloads",
    "DOWNLOAD_OPERATOR_POD_RESOURCES": "downloads.resources",
    "DOWNLOAD_OPERATOR_PROXY": "operator.proxy",
    "DOWNLOAD_OPERATOR_CA_CONFIG_MAP": "operator.caConfigMap",
    "DOWNLOAD_OPERATOR_LOG_FORMAT": "operator.logFormat",
    "DOWNLOAD_OPERATOR_NAMESPACES": "operator.namespaces",
    "DOWNLOAD_OPERATOR_SYSTEM_NAMESPACES": "operator.systemNamespaces",
    "DOWNLOAD_OPERATOR_ALLOW_CIDRS": "operator.allowCidrs",
    "DOWNLOAD_OPERATOR_ALLOW": "operator.allow",
    "DOWNLOAD_OPERATOR_DENY_CIDRS": "operator.denyCidrs",
    "DOWNLOAD_OPERATOR_ALLOW_PORTS": "operator.allowPorts",
    "DOWNLOAD_OPERATOR_WORKERS": "operator.workers",
    "DOWNLOAD_API_AUTH": "api.auth",
    "DOWNLOAD_API_KEY_FILE": "api.existingSecret",
    "DOWNLOAD_API_AUDIENCE": "api.audience",
    "DOWNLOAD_API_RATE_LIMIT": "api.rateLimit",
    "DOWNLOAD_API_NAMESPACE": "api.namespace",
    "DOWNLOAD_API_NAMESPACES": "api.namespaces",
    "DOWNLOAD_API_SYSTEM_NAMESPACES": "operator.systemNamespaces",
    "DOWNLOAD_API_KEY_SECRET_NAMESPACES": "api.keySecretNamespaces",
    "DOWNLOAD_API_TRUSTED_PROXIES": "api.trustedProxies",
    "DOWNLOAD_API_CONTENT_VOLUMES": "api.content.volumes",
}
"""The value of the chart that sets a variable; `kubectl set env` sets the others."""
_COMPUTED: Final = {
    "DOWNLOAD_OPERATOR_LEASE_NAMESPACE": "the Pod's own namespace",
    "DOWNLOAD_OPERATOR_IDENTITY": "host name and process id",
}
"""Defaults that depend on where the process runs."""
_LINE: Final = re.compile(r"^ +(DOWNLOAD_[A-Z_]+) +(.*?)(?: \[(.*)\])?$", re.MULTILINE)
"""A setting in the help: variable, meaning, default."""

_INTRODUCTION: Final = """
The processes take their settings from environment variables, each process with a prefix of its
own. The chart sets most of them; `kubectl set env` sets the others. An unknown variable with the
prefix stops the process at its start. `KUBECONFIG` or the Pod's service account says which
cluster.
"""
_WORKER: Final = """
The operator sets these variables in each download's Pod. They are not settings of yours, but you
see them with `kubectl describe pod`.
"""


def render(operator_help: str, api_help: str, constants: Iterable[Constant]) -> str:
    """Return the page.

    Args:
        operator_help: what `python -m download_operator --help` prints.
        api_help: the same of the API.
        constants: of the contract with an attempt; those called `*_VARIABLE` are variables.
    """
    variables = [
        (code(constant.value), sentence(constant.docstring))
        for constant in constants
        if constant.name.endswith("_VARIABLE")
    ]
    worker = ["## Worker", _WORKER, table(("Variable", "Meaning"), variables)] if variables else []
    return page(
        "Settings",
        _INTRODUCTION,
        "## Operator",
        _table(operator_help),
        "## HTTP API",
        _table(api_help),
        *worker,
    )


def _table(help_text: str) -> str:
    rows = [
        (code(name), sentence(meaning), _default(name, default), code(CHART_VALUES.get(name, "")))
        for name, meaning, default in _LINE.findall(help_text)
    ]
    return table(("Variable", "Meaning", "Default", "Chart value"), rows)


def _default(name: str, default: str) -> str:
    return _COMPUTED.get(name) or code(default)
