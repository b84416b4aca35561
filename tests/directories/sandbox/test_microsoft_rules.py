"""What Graph and Entra refuse, the sandbox refuses."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from directories.sandbox.client import Sandbox

from .conftest import CANARY, GRAPH_SCOPE, Answer, GraphSide, call, graph_token

DENIED = "Insufficient privileges to complete the operation."


def next_path(link: str) -> str:
    parts = urlsplit(link)
    return f"{parts.path.removeprefix('/v1.0')}?{parts.query}"


@pytest.mark.parametrize(
    "password",
    [
        "Short-1",
        "Long-1" * 50,
        "alllowercase",
        "lower and UPPER"[:5] + "only",
        "Grüße-aus-1",
        "My-grace-2024",
        "P@ssw0rd",
        "Tab\there-99",
    ],
)
def test_password_against_the_rules_is_refused(graph: GraphSide, password: str) -> None:
    answer = graph.set_password(password)

    assert (answer.status, answer.reason) == (400, "Request_BadRequest")
    assert "complexity" in answer.body["error"]["message"]
    assert not graph.account()["has_password"]


def test_password_write_moves_both_times_also_for_the_same_one(graph: GraphSide) -> None:
    graph.set_password(CANARY)
    first = graph.account()["attributes"]
    graph.sandbox.advance(60)

    graph.set_password(CANARY)

    second = graph.account()["attributes"]
    assert second["lastPasswordChangeDateTime"] > first["lastPasswordChangeDateTime"]
    assert second["signInSessionsValidFromDateTime"] > first["signInSessionsValidFromDateTime"]
    assert graph.account()["password_writes"] == 2


def test_patch_without_the_force_flag_leaves_a_forced_change(graph: GraphSide) -> None:
    assert graph.patch(passwordProfile={"password": CANARY}).status == 204
    assert graph.account()["must_change_password"]


@pytest.mark.parametrize(
    "body",
    [
        {"bogus": 1},
        {"lastPasswordChangeDateTime": "2026-01-01T00:00:00Z"},
        {"id": "x"},
        {"proxyAddresses": []},
        {"givenName": ""},
        {"givenName": 5},
        {"givenName": "x" * 65},
        {"displayName": None},
        {"accountEnabled": "true"},
        {"usageLocation": "Norway"},
        {"employeeId": "x" * 17},
        {"businessPhones": ["1", "2"]},
        {"userPrincipalName": "grace@elsewhere.example"},
        {"passwordProfile": {"password": 12345678}},
        {"passwordProfile": {"password": CANARY, "bogus": 1}},
        {"passwordProfile": None},
        {"@odata.type": "#microsoft.graph.group"},
    ],
)
def test_bad_body_is_refused_and_nothing_is_applied(graph: GraphSide, body: dict[str, Any]) -> None:
    before = graph.account()

    assert graph.patch(surname="New", **body).status == 400
    assert graph.account() == before


def test_null_clears_a_property(graph: GraphSide) -> None:
    graph.patch(jobTitle="Admiral")

    assert graph.patch(jobTitle=None).status == 204
    assert graph.account()["attributes"]["jobTitle"] is None


def denied(answer: Answer) -> bool:
    error = answer.body["error"]
    return (answer.status, error["code"], error["message"]) == (
        403,
        "Authorization_RequestDenied",
        DENIED,
    )


@pytest.mark.parametrize(
    "account",
    [
        {"roles": ["Global Administrator"]},
        {"roles": ["A custom role"]},
        {"role_assignable_groups": ["Tier 0"]},
    ],
)
def test_privileged_target_is_denied(graph: GraphSide, account: dict[str, Any]) -> None:
    chief = graph.sandbox.add_entra_user("chief@example.com", **account)

    assert denied(graph.set_password(CANARY, chief))
    assert graph.patch(chief, jobTitle="Chief").status == 204


def test_low_role_may_be_reset(graph: GraphSide) -> None:
    low = graph.sandbox.add_entra_user("low@example.com", roles=["Helpdesk Administrator"])

    assert graph.set_password(CANARY, low).status == 204


def test_application_without_role_or_permission_is_denied(graph: GraphSide) -> None:
    graph.sandbox.change_entra_tenant(graph.tenant_id, app_can_write_passwords=False)
    without_role = graph.set_password(CANARY)
    graph.sandbox.change_entra_tenant(
        graph.tenant_id, app_can_write_passwords=True, permissions=["User.Read.All"]
    )

    assert denied(without_role)
    assert denied(graph.set_password(CANARY))


def test_password_permission_reads_the_basic_profile_only(graph: GraphSide) -> None:
    graph.sandbox.change_entra_tenant(
        graph.tenant_id, permissions=["User-PasswordProfile.ReadWrite.All"]
    )
    path = f"/users/{graph.user_id}"

    assert graph.set_password(CANARY).status == 204
    assert graph("GET", path).body["displayName"] == "Grace Hopper"
    assert denied(graph("GET", f"{path}?$select=lastPasswordChangeDateTime"))
    assert denied(graph("GET", "/organization"))
    assert denied(graph("GET", "/domains"))
    assert denied(graph("GET", "/auditLogs/directoryAudits"))


def test_synced_account_is_refused(graph: GraphSide) -> None:
    synced = graph.sandbox.add_entra_user("sync@example.com", synced=True)

    answer = graph.set_password(CANARY, synced)

    assert answer.status == 400
    assert "on-premises mastered" in answer.body["error"]["message"]


def test_federated_account_is_refused(graph: GraphSide) -> None:
    federated = graph.sandbox.add_entra_user("f@login.example.com")

    assert graph.set_password(CANARY, federated).status == 400


def test_unknown_user_is_not_found_by_mail_or_id(graph: GraphSide) -> None:
    graph.sandbox.add_entra_user("a@example.com", mail="a.b@example.com")

    answer = graph("GET", "/users/a.b%40example.com")

    assert (answer.status, answer.reason) == (404, "Request_ResourceNotFound")


def test_default_select_and_errors_carry_the_ids(graph: GraphSide) -> None:
    answer = graph("GET", "/users/grace%40example.com")
    missing = graph("GET", "/users/nobody")

    assert len(answer.body) == 12
    assert "accountEnabled" not in answer.body
    assert answer.headers["request-id"]
    assert missing.body["error"]["innerError"]["request-id"] == missing.headers["request-id"]


def test_client_request_id_is_echoed(graph: GraphSide) -> None:
    headers = {"Authorization": f"Bearer {graph.token}", "client-request-id": "my-own"}

    answer = call(graph.sandbox.graph, "GET", f"/v1.0/users/{graph.user_id}", None, headers)

    assert answer.headers["client-request-id"] == "my-own"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/bogus", 400),
        ("GET", "/users/x/bogus", 400),
        ("DELETE", "/users/x", 404),
        ("DELETE", "/users", 405),
        ("GET", "/directory/deletedItems", 400),
        ("GET", "/directory/deletedItems/microsoft.graph.user?$bogus=1", 400),
        ("POST", "/directory/deletedItems/x/restore", 404),
        ("POST", "/users", 405),
        ("GET", "/users?$bogus=1", 400),
        ("GET", "/users?bogus=1", 400),
        ("GET", "/users?$select=bogus", 400),
        ("GET", "/users?$top=1000", 400),
        ("GET", "/users?$top=0", 400),
        ("GET", "/users?$skiptoken=bogus", 400),
        ("GET", "/users?$filter=city%20eq%20'x'", 400),
        ("GET", "/users?$filter=mail%20eq%20x%20y", 400),
        ("GET", "/users?$filter=mail%20ge%20'x'", 400),
        ("GET", "/users/delta?$deltatoken=bogus", 400),
        ("GET", "/organization?$select=bogus", 400),
    ],
)
def test_unknown_things_are_refused(graph: GraphSide, method: str, path: str, status: int) -> None:
    assert graph(method, path).status == status


def find(graph: GraphSide, condition: str) -> list[str]:
    answer = graph("GET", f"/users?$filter={quote(condition)}&$select=userPrincipalName")
    assert answer.status == 200, answer.content
    return [user["userPrincipalName"] for user in answer.body["value"]]


def test_filter_finds_by_name_mail_and_alias(graph: GraphSide) -> None:
    graph.sandbox.add_entra_user("o'neil@example.com", proxy_addresses=["smtp:ann@example.com"])

    assert find(graph, "userPrincipalName eq 'O''Neil@example.com'") == ["o'neil@example.com"]
    assert find(graph, "proxyAddresses/any(p:p eq 'smtp:ann@example.com')") == [
        "o'neil@example.com"
    ]
    both = "userPrincipalName eq 'o''neil@example.com' or mail eq 'grace@example.com'"
    assert set(find(graph, both)) == {"o'neil@example.com", "grace@example.com"}
    assert find(graph, "mail eq 'nobody@example.com'") == []


def test_organization_and_domains(graph: GraphSide) -> None:
    organization = graph("GET", "/organization?$select=id,verifiedDomains").body["value"][0]
    domains = {each["id"]: each for each in graph("GET", "/domains").body["value"]}

    assert organization["id"] == graph.tenant_id
    assert {each["name"] for each in organization["verifiedDomains"]} == set(domains)
    assert domains["login.example.com"]["authenticationType"] == "Federated"
    assert domains["example.com"]["isDefault"]


def test_memberships_name_roles_and_groups(graph: GraphSide) -> None:
    user = graph.sandbox.add_entra_user(
        "x@example.com", roles=["Reports Reader"], role_assignable_groups=["T0"], groups=["All"]
    )

    items = graph("GET", f"/users/{user}/transitiveMemberOf").body["value"]

    assert [(i["@odata.type"].rpartition(".")[2], i["displayName"]) for i in items] == [
        ("directoryRole", "Reports Reader"),
        ("group", "T0"),
        ("group", "All"),
    ]
    assert [i.get("isAssignableToRole") for i in items] == [None, True, None]


def test_memberships_are_bare_without_the_permission_to_read_them(graph: GraphSide) -> None:
    user = graph.sandbox.add_entra_user("x@example.com", role_assignable_groups=["T0"])
    graph.sandbox.change_entra_tenant(graph.tenant_id, permissions=["User.Read.All"])

    (item,) = graph("GET", f"/users/{user}/transitiveMemberOf").body["value"]

    assert item["displayName"] is None
    assert "isAssignableToRole" not in item


def test_delta_tells_what_changed_and_who_is_gone(graph: GraphSide) -> None:
    gone = graph.sandbox.add_entra_user("gone@example.com")
    gone_for_good = graph.sandbox.add_entra_user("good@example.com")
    start = graph("GET", "/users/delta?$deltatoken=latest&$select=jobTitle").body
    graph.patch(jobTitle="Admiral")
    graph.sandbox.remove_account("microsoft", gone)
    graph.sandbox.remove_account("microsoft", gone_for_good, for_good=True)

    found = graph("GET", next_path(start["@odata.deltaLink"])).body["value"]

    assert start["value"] == []
    assert [item["id"] for item in found] == [graph.user_id, gone, gone_for_good]
    assert [item["@removed"]["reason"] for item in found[1:]] == ["changed", "deleted"]


def test_delta_token_lives_seven_days(graph: GraphSide) -> None:
    link = graph("GET", "/users/delta").body["@odata.deltaLink"]
    graph.sandbox.advance(8 * 86_400)
    graph.token = graph_token(graph.sandbox, graph.credentials).body["access_token"]

    assert graph("GET", next_path(link)).status == 410


def deleted(graph: GraphSide) -> list[dict[str, Any]]:
    answer = graph("GET", "/directory/deletedItems/microsoft.graph.user?$select=id,displayName")
    found: list[dict[str, Any]] = answer.body["value"]
    return found


def test_deleted_user_is_listed_as_such_and_comes_back_with_the_same_id(graph: GraphSide) -> None:
    graph.set_password(CANARY)

    removed = graph("DELETE", f"/users/{graph.user_id}")
    gone = graph("GET", f"/users/{graph.user_id}").status
    listed = deleted(graph)
    restored = graph("POST", f"/directory/deletedItems/{graph.user_id}/restore")

    assert (removed.status, gone, restored.status) == (204, 404, 200)
    assert [item["id"] for item in listed] == [restored.body["id"]] == [graph.user_id]
    assert deleted(graph) == []
    assert graph.sandbox.opens("microsoft", "grace@example.com", CANARY)


def test_deleted_user_cannot_come_back_after_thirty_days_nor_to_a_taken_address(
    graph: GraphSide,
) -> None:
    restore = f"/directory/deletedItems/{graph.user_id}/restore"
    graph("DELETE", f"/users/{graph.user_id}")
    graph.sandbox.add_entra_user("grace@example.com")
    taken = graph("POST", restore).status
    graph.sandbox.advance(31 * 86_400)
    graph.token = graph_token(graph.sandbox, graph.credentials).body["access_token"]

    assert (taken, graph("POST", restore).status) == (400, 404)
    assert deleted(graph) == []


def test_deleting_and_seeing_who_is_deleted_need_their_permissions(graph: GraphSide) -> None:
    chief = graph.sandbox.add_entra_user("chief@example.com", roles=["Global Administrator"])
    privileged = graph("DELETE", f"/users/{chief}")
    graph.sandbox.change_entra_tenant(graph.tenant_id, permissions=["User.ReadBasic.All"])

    assert denied(privileged)
    assert denied(graph("DELETE", f"/users/{graph.user_id}"))
    assert denied(graph("GET", "/directory/deletedItems/microsoft.graph.user?$select=id"))
    assert denied(graph("POST", f"/directory/deletedItems/{graph.user_id}/restore"))


@pytest.mark.parametrize(
    ("by", "activity", "actor"),
    [
        ("user", "Change user password", "grace@example.com"),
        ("admin", "Reset user password", "helpdesk@example.com"),
    ],
)
def test_audit_names_who_changed_a_password(
    graph: GraphSide, by: Any, activity: str, actor: str
) -> None:
    graph.sandbox.change_password_there("microsoft", graph.user_id, CANARY, by=by)
    condition = quote(
        "category eq 'UserManagement' and activityDateTime ge 2026-01-01T00:00:00Z and "
        f"targetResources/any(t:t/id eq '{graph.user_id}')"
    )

    items = graph("GET", f"/auditLogs/directoryAudits?$filter={condition}").body["value"]

    assert activity in {item["activityDisplayName"] for item in items}
    assert {item["initiatedBy"]["user"]["userPrincipalName"] for item in items} == {actor}


def test_audit_names_the_application_for_our_own_writes(graph: GraphSide) -> None:
    graph.set_password(CANARY)

    items = graph("GET", "/auditLogs/directoryAudits?$top=1").body["value"]

    assert items[0]["initiatedBy"]["app"]["servicePrincipalId"]


@pytest.mark.parametrize(
    ("changes", "status", "number"),
    [
        ({"client_secret": "wrong"}, 401, 7000215),
        ({"client_secret": ""}, 401, 7000218),
        ({"client_id": "00000000-0000-0000-0000-000000000000"}, 400, 700016),
        ({"scope": "https://graph.microsoft.com/User.Read"}, 400, 1002012),
        ({"scope": "https://elsewhere.example/.default"}, 400, 500011),
        ({"grant_type": "password"}, 400, 70003),
        ({"client_assertion": "a.b.c"}, 401, 700027),
    ],
)
def test_bad_token_request_is_refused(
    graph: GraphSide, changes: dict[str, str], status: int, number: int
) -> None:
    answer = graph_token(graph.sandbox, graph.credentials, **changes)

    assert answer.status == status
    assert answer.body["error_codes"] == [number]


def test_unknown_tenant_gets_no_token(sandbox: Sandbox) -> None:
    credentials = {"tenant_id": "nowhere.example", "client_id": "x"}

    answer = graph_token(sandbox, credentials)

    assert (answer.status, answer.body["error"]) == (400, "invalid_tenant")


def test_expired_secret_is_refused(graph: GraphSide) -> None:
    graph.sandbox.change_entra_tenant(graph.tenant_id, is_secret_expired=True)

    assert graph_token(graph.sandbox, graph.credentials).body["error_codes"] == [7000222]


def test_token_of_one_tenant_is_no_good_in_another(graph: GraphSide) -> None:
    graph.sandbox.add_entra_tenant(domains=["other.example"])
    other = graph.sandbox.add_entra_user("eve@other.example")

    assert graph("GET", f"/users/{other}").status == 404


def test_expired_revoked_and_missing_tokens_are_refused(graph: GraphSide) -> None:
    path = f"/users/{graph.user_id}"
    graph.sandbox.revoke_tokens()
    revoked = graph("GET", path)
    graph.token = graph_token(graph.sandbox, graph.credentials).body["access_token"]
    graph.sandbox.advance(3600)

    assert (revoked.status, revoked.reason) == (401, "InvalidAuthenticationToken")
    assert graph("GET", path).status == 401
    assert call(graph.sandbox.graph, "GET", f"/v1.0{path}").status == 401


def test_token_for_the_own_resource_is_given(graph: GraphSide) -> None:
    scope = f"{graph.sandbox.graph}/.default"

    assert graph_token(graph.sandbox, graph.credentials, scope=scope).status == 200
    assert GRAPH_SCOPE.endswith("/.default")
