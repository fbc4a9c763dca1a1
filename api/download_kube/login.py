"""Where the API server is, and who we are to it: kopf's login, for its requests and for ours."""

import logging
import os
from dataclasses import replace

import kopf
from yarl import URL

log = logging.getLogger(__name__)


class NoClusterError(Exception):
    """Nothing says how to reach a cluster, or what does is no good."""


def login() -> kopf.ConnectionInfo:
    """Log in as the Pod's service account, or by the kubeconfig where there is none.

    Raises:
        NoClusterError: neither is there, or what is there is no good.
    """
    try:
        found = _found()
        if found is not None and found.server:
            found.as_ssl_context()  # raises what is wrong with its certificates
            return found
    except Exception as error:  # kopf lets whatever is wrong with the files pass
        what = "the service account or kubeconfig cannot be read"
        raise NoClusterError(f"{what}: {error!r}") from error
    raise NoClusterError("there is no service account, and no kubeconfig that names a server")


def _found() -> kopf.ConnectionInfo | None:
    settings = kopf.OperatorSettings()
    account = kopf.login_with_service_account(settings=settings)
    if account is not None:
        return _by_address(account)
    read = kopf.login_with_kubeconfig(settings=settings)
    if (
        read is None
        or read.token
        or read.username
        or read.certificate_path
        or read.certificate_data
    ):
        return read
    # A plugin of the user's says who he is. That takes the official client, which no Pod loads.
    return kopf.login_via_client(logger=log, settings=settings) or read


def _by_address(account: kopf.ConnectionInfo) -> kopf.ConnectionInfo:
    """Ask no DNS for the API server: that of the cluster may be what is down."""
    host, port = (os.environ.get(f"KUBERNETES_SERVICE_{name}") for name in ("HOST", "PORT"))
    if not host or not port:
        return account
    return replace(account, server=str(URL.build(scheme="https", host=host, port=int(port))))
