"""The page about rights."""

import pytest

from tools.generate.reference.rbac import render

ROLE = """---
# Source: x
kind: ClusterRole
metadata:
  name: reader
rules:
  # To read
  # everything.
  - apiGroups: [batch]
    resources: [jobs]
    verbs: [get, list]
  # To hold the Lease.
  - apiGroups: [""]
    resources: [leases]
    resourceNames: [mine]
    verbs: [update]
"""


def test_rule_has_its_comment_as_reason() -> None:
    text = render({"Defaults": ROLE})

    assert "### ClusterRole `reader`" in text
    assert "| batch | `jobs` | get, list | To read everything. |" in text
    assert "| core | `leases` named `mine` | update | To hold the Lease. |" in text


def test_role_for_people_says_which_role_of_kubernetes_has_it() -> None:
    label = '  labels: {rbac.authorization.k8s.io/aggregate-to-view: "true"}\n'

    text = render({"Defaults": ROLE.replace("  name: reader\n", f"  name: reader\n{label}")})

    assert "For people. Kubernetes' role `view` has it." in text
    assert "Bound in all namespaces" not in text


def test_role_beside_the_api_servers_endpoints_says_where_it_is_bound() -> None:
    role = ROLE.replace("ClusterRole", "Role").replace("  name", "  namespace: default\n  name")

    assert "Bound in the namespace `default`" in render({"Defaults": role})


def test_role_that_does_not_change_is_shown_once() -> None:
    text = render({"Defaults": ROLE, "Other": ROLE})

    assert text.count("### ClusterRole") == 1


def test_rule_without_a_comment_is_refused() -> None:
    with pytest.raises(ValueError, match=r"jobs.* needs a comment"):
        render({"Defaults": ROLE.replace("  # To read\n  # everything.\n", "")})


def test_other_objects_are_no_roles() -> None:
    assert "###" not in render({"Defaults": "---\nkind: Service\nmetadata: {name: x}\n"})
