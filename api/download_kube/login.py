"""Where the API server is and who we are: kopf's login, for its requests and for ours.

In a Pod that is the service account. Elsewhere it is the kubeconfig, which kopf reads by itself as
long as it holds a token or a certificate; for login plugins (``exec``, OIDC) kopf asks the official
client, which is installed beside the operator on a developer's machine and in none of the images.
"""

import logging
import os
from dataclasses import replace

import kopf
from yarl import URL

log = logging.getLogger(__name__)


class NoClusterError(kopf.PermanentError):
    """There are no credentials for a cluster, or they cannot be used."""


def login() -> kopf.ConnectionInfo:
    """Log in with the Pod's service account, or with the kubeconfig where there is none.

    Raises:
        NoClusterError: neither exists, or the one that exists cannot be used.
    """
    try:
        account = _find_account()
        if account is not None and account.server:
            account.as_ssl_context()  # raises if its certificates cannot be loaded
            return account
    except Exception as error:  # kopf does not translate errors in the files
        raise NoClusterError(
            f"the service account or kubeconfig cannot be read: {error!r}"
        ) from error
    raise NoClusterError("there is no service account, and no kubeconfig that names a server")


def _find_account() -> kopf.ConnectionInfo | None:
    settings = kopf.OperatorSettings()
    account = kopf.login_with_service_account(settings=settings)
    if account is not None:
        return _with_address(account)
    account = kopf.login_with_kubeconfig(settings=settings)
    if account is None or _has_credentials(account):
        return account
    return kopf.login_via_client(logger=log, settings=settings) or account


def _has_credentials(account: kopf.ConnectionInfo) -> bool:
    return bool(
        account.token or account.username or account.certificate_path or account.certificate_data
    )


def _with_address(account: kopf.ConnectionInfo) -> kopf.ConnectionInfo:
    """Replace the API server's DNS name by its address: the cluster's DNS may be down."""
    host, port = (os.environ.get(f"KUBERNETES_SERVICE_{part}") for part in ("HOST", "PORT"))
    if not host or not port:
        return account
    return replace(account, server=str(URL.build(scheme="https", host=host, port=int(port))))
