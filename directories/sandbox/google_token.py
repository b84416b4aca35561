"""Google's token endpoint for service accounts with domain-wide delegation."""

from __future__ import annotations

from directories.sandbox.accounts import GoogleCustomer
from directories.sandbox.http import Request, Response
from directories.sandbox.tokens import (
    TOKEN_SECONDS,
    Assertion,
    Grant,
    read_assertion,
    service_account_key,
)
from directories.sandbox.world import World

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCE = "https://oauth2.googleapis.com/token"
"""google-auth keeps this audience even where the key file names another token_uri."""

_SKEW_SECONDS = 300.0


def _refuse(status: int, error: str, description: str) -> Response:
    return Response.of_json({"error": error, "error_description": description}, status)


def _unauthorized(description: str) -> Response:
    return _refuse(401, "unauthorized_client", description)


def answer_token(world: World, request: Request) -> Response:
    """Exchange a signed assertion for a bearer token (PROVIDERS.md 1.3, 4.2)."""
    try:
        form = request.form()
    except ValueError:
        form = {}
    if form.get("grant_type") != GRANT_TYPE:
        return _refuse(400, "unsupported_grant_type", "Invalid grant_type")
    try:
        assertion = read_assertion(form.get("assertion", ""))
    except (ValueError, RecursionError):
        return _refuse(400, "invalid_grant", "Bad Request")
    customer = _customer(world, assertion)
    if customer is None:
        return _refuse(400, "invalid_grant", "Invalid grant: account not found")
    is_signed = assertion.header.get("alg") == "RS256" and assertion.is_signed_by(
        service_account_key().public_key()
    )
    if not is_signed or assertion.header.get("kid") != customer.private_key_id:
        return _refuse(400, "invalid_grant", "Invalid JWT Signature.")
    return _grant(world, customer, assertion)


def _customer(world: World, assertion: Assertion) -> GoogleCustomer | None:
    issuer = assertion.claims.get("iss")
    for customer in world.customers.values():
        if customer.client_email == issuer:
            return customer
    return None


def _grant(world: World, customer: GoogleCustomer, assertion: Assertion) -> Response:
    now = world.clock.now()
    machine_now = now - world.clock.offset_seconds
    if not assertion.is_timely(now, machine_now, skew_seconds=_SKEW_SECONDS):
        return _refuse(
            400,
            "invalid_grant",
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable "
            "timeframe. Check your iat and exp values in the JWT claim.",
        )
    if assertion.claims.get("aud") not in (AUDIENCE, world.origins["google"] + "/token"):
        return _refuse(400, "invalid_grant", "Invalid JWT: Failed audience check.")
    subject = assertion.claims.get("sub")
    scopes = str(assertion.claims.get("scope", "")).split()
    if not scopes:
        return _refuse(400, "invalid_scope", "Empty or missing scope not allowed.")
    if not isinstance(subject, str) or not set(scopes) <= customer.scopes:
        return _unauthorized(
            "Client is unauthorized to retrieve access tokens using this method, or client not "
            "authorized for any of the scopes requested."
        )
    account = customer.account(subject)
    if account is None or "@" not in subject or account.attributes["suspended"]:
        return _refuse(400, "invalid_grant", "Invalid email or User ID")
    grant = Grant(customer.tenant_id, now + TOKEN_SECONDS, account.external_id, frozenset(scopes))
    token = world.tokens.issue(grant, prefix="ya29.c.", now=now)
    return Response.of_json(
        {"access_token": token, "expires_in": TOKEN_SECONDS, "token_type": "Bearer"}
    )
