"""Making tenants and accounts, as a test or a demonstration asks for them."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable
from typing import Any

from directories.sandbox import google_users, microsoft_users
from directories.sandbox.accounts import (
    Account,
    EntraTenant,
    GoogleCustomer,
    Tenant,
    new_google_id,
    new_graph_id,
)
from directories.sandbox.certificates import (
    certificate_pem,
    key_pem,
    make_application_certificate,
)
from directories.sandbox.google import DEFAULT_SCOPES
from directories.sandbox.google_users import new_etag
from directories.sandbox.microsoft import DEFAULT_PERMISSIONS
from directories.sandbox.tokens import application_key, service_account_key
from directories.sandbox.world import World

_ACCOUNT_AGE_SECONDS = 30 * 86_400
"""Accounts were made so long before they are seeded."""


def add_google_customer(
    world: World,
    *,
    customer_id: str | None = None,
    domains: Iterable[str] = ("example.com",),
    admin_email: str | None = None,
    scopes: Iterable[str] | None = None,
    is_admin_super: bool = True,
    org_units: Iterable[str] = ("/",),
) -> dict[str, Any]:
    """Add a customer with its administrator; return the service account's key file."""
    names = tuple(domain.lower() for domain in domains)
    customer_id = customer_id or f"C0{secrets.token_hex(3)}x"
    if customer_id in world.customers:
        raise ValueError("this customer exists")
    if not names:
        raise ValueError("a customer needs a domain")
    project = f"latchkey-{secrets.token_hex(3)}"
    customer = GoogleCustomer(
        customer_id,
        names,
        admin_email=(admin_email or f"admin@{names[0]}").lower(),
        client_email=f"sync@{project}.iam.gserviceaccount.com",
        client_id=new_google_id(),
        private_key_id=secrets.token_hex(20),
        scopes=frozenset(DEFAULT_SCOPES if scopes is None else scopes),
        org_units=frozenset({"/", *org_units}),
    )
    world.customers[customer_id] = customer
    add_google_user(
        world,
        address=customer.admin_email,
        customer_id=customer_id,
        given_name="Ada",
        family_name="Admin",
        is_admin=is_admin_super,
        is_delegated_admin=not is_admin_super,
    )
    return {
        "type": "service_account",
        "project_id": project,
        "private_key_id": customer.private_key_id,
        "private_key": key_pem(service_account_key()).decode(),
        "client_email": customer.client_email,
        "client_id": customer.client_id,
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": world.origins["google"] + "/token",
        "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
        "client_x509_cert_url": "https://www.googleapis.com/robot/v1/metadata/x509/"
        + customer.client_email.replace("@", "%40"),
        "universe_domain": "googleapis.com",
    }


def _choose(tenants: dict[str, Any], tenant_id: str | None, address: str) -> Any:
    """Find the tenant by id, else by the address's domain, else the only one."""
    if tenant_id is not None:
        if tenant_id not in tenants:
            raise ValueError("no such tenant")
        return tenants[tenant_id]
    fitting = [tenant for tenant in tenants.values() if tenant.has_domain(address)]
    if len(fitting) != 1:
        raise ValueError("not exactly one tenant has this address's domain: name one")
    return fitting[0]


def _check_free(tenant: Tenant, addresses: Iterable[str], external_id: str | None) -> None:
    if external_id is not None and external_id in tenant.accounts:
        raise ValueError("an account with this id exists")
    for address in addresses:
        if not tenant.has_domain(address):
            raise ValueError("the address is not in a domain of this tenant")
        if address.lower() in tenant.by_address:
            raise ValueError("an account with this address exists")


def add_google_user(
    world: World,
    *,
    address: str,
    customer_id: str | None = None,
    external_id: str | None = None,
    given_name: str = "Grace",
    family_name: str = "Hopper",
    is_admin: bool = False,
    is_delegated_admin: bool = False,
    aliases: Iterable[str] = (),
    suspended: bool = False,
    attributes: dict[str, Any] | None = None,
) -> str:
    customer: GoogleCustomer = _choose(world.customers, customer_id, address)
    aliases = [alias.lower() for alias in aliases]
    address = address.lower()
    _check_free(customer, [address, *aliases], external_id)
    now = world.clock.now()
    account = google_users.new_user(
        customer, address, external_id or new_google_id(), now - _ACCOUNT_AGE_SECONDS
    )
    name = {"givenName": given_name, "familyName": family_name}
    name["fullName"] = f"{given_name} {family_name}".strip()
    account.attributes.update(
        {
            "name": name,
            "aliases": aliases,
            "isAdmin": is_admin,
            "isDelegatedAdmin": is_delegated_admin,
            **(attributes or {}),
        }
    )
    change_google_account(account, suspended=suspended)
    customer.add(account)
    return account.external_id


def change_google_account(
    account: Account,
    *,
    suspended: bool | None = None,
    is_admin: bool | None = None,
    is_delegated_admin: bool | None = None,
    attributes: dict[str, Any] | None = None,
) -> None:
    values = {"suspended": suspended, "isAdmin": is_admin, "isDelegatedAdmin": is_delegated_admin}
    account.attributes.update({n: v for n, v in values.items() if v is not None})
    account.attributes.update(attributes or {})
    account.attributes["etag"] = new_etag()
    if account.attributes["suspended"]:
        account.attributes.setdefault("suspensionReason", "ADMIN")
    else:
        account.attributes.pop("suspensionReason", None)


def add_entra_tenant(
    world: World,
    *,
    tenant_id: str | None = None,
    domains: Iterable[str] = ("example.com",),
    federated_domains: Iterable[str] = (),
    with_certificate: bool = False,
    **settings: Any,
) -> dict[str, str]:
    """Add a tenant with a registered application; return the application's credentials."""
    federated = frozenset(domain.lower() for domain in federated_domains)
    names = tuple(dict.fromkeys([*(d.lower() for d in domains), *sorted(federated)]))
    tenant_id = (tenant_id or str(uuid.uuid4())).lower()
    if tenant_id in world.tenants:
        raise ValueError("this tenant exists")
    if not names:
        raise ValueError("a tenant needs a domain")
    tenant = EntraTenant(
        tenant_id,
        names,
        federated_domains=federated,
        client_id=str(uuid.uuid4()),
        service_principal_id=str(uuid.uuid4()),
        permissions=frozenset(DEFAULT_PERMISSIONS),
    )
    credentials = {"tenant_id": tenant_id, "client_id": tenant.client_id}
    if with_certificate:
        key = application_key()
        tenant.certificate = make_application_certificate(key, f"latchkey {tenant_id}")
        pem = key_pem(key) + certificate_pem(tenant.certificate)
        credentials["certificate"] = pem.decode()
    else:
        secret = f"{secrets.token_urlsafe(3)}8Q~{secrets.token_urlsafe(25)}"
        tenant.secret_digest = world.keeper.digest(secret)
        credentials["client_secret"] = secret
    change_entra_tenant(tenant, **settings)
    world.tenants[tenant_id] = tenant
    return credentials


def change_entra_tenant(tenant: EntraTenant, **settings: Any) -> None:
    """Change settings; those that are not known raise."""
    known = {
        *("app_can_write_passwords", "delta_tracks_password", "display_name"),
        *("federated_domains", "is_secret_expired", "permissions"),
    }
    for name, value in settings.items():
        if name not in known:
            raise ValueError(f"unknown setting {name}")
        setattr(tenant, name, frozenset(value) if isinstance(value, list | tuple) else value)


def change_google_customer(customer: GoogleCustomer, **settings: Any) -> None:
    """Change settings: scopes, org_units, api_enabled."""
    for name, value in settings.items():
        if name not in {"api_enabled", "org_units", "scopes"}:
            raise ValueError(f"unknown setting {name}")
        setattr(customer, name, frozenset(value) if isinstance(value, list | tuple) else value)


def add_entra_user(
    world: World,
    *,
    address: str,
    tenant_id: str | None = None,
    external_id: str | None = None,
    given_name: str = "Grace",
    family_name: str = "Hopper",
    display_name: str | None = None,
    mail: str | None = None,
    proxy_addresses: Iterable[str] = (),
    is_guest: bool = False,
    attributes: dict[str, Any] | None = None,
    **changes: Any,
) -> str:
    """Add a user; ``changes`` are those of ``change_entra_account``."""
    tenant: EntraTenant = _choose(world.tenants, tenant_id, address)
    _check_free(tenant, [address], external_id)
    now = world.clock.now()
    account = microsoft_users.new_user(
        address, external_id or new_graph_id(), now - _ACCOUNT_AGE_SECONDS
    )
    proxies = list(proxy_addresses)
    if mail is not None and not proxies:
        proxies = [f"SMTP:{mail}"]
    account.attributes.update(
        {
            "givenName": given_name,
            "surname": family_name,
            "displayName": display_name or f"{given_name} {family_name}".strip(),
            "mail": mail,
            "proxyAddresses": [p if ":" in p else f"smtp:{p}" for p in proxies],
            "userType": "Guest" if is_guest else "Member",
            **(attributes or {}),
        }
    )
    change_entra_account(account, **changes)
    tenant.add(account)
    return account.external_id


def change_entra_account(
    account: Account,
    *,
    suspended: bool | None = None,
    synced: bool | None = None,
    roles: Iterable[str] | None = None,
    role_assignable_groups: Iterable[str] | None = None,
    groups: Iterable[str] | None = None,
    attributes: dict[str, Any] | None = None,
) -> None:
    if suspended is not None:
        account.attributes["accountEnabled"] = not suspended
    if synced is not None:
        account.attributes["onPremisesSyncEnabled"] = synced or None
    if roles is not None:
        account.roles = tuple(roles)
    if role_assignable_groups is not None:
        account.role_assignable_groups = tuple(role_assignable_groups)
    if groups is not None:
        account.groups = tuple(groups)
    account.attributes.update(attributes or {})
