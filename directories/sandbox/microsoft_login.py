"""Microsoft's sign-in service: tokens for applications, over TLS."""

from __future__ import annotations

import hmac
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from directories.sandbox.accounts import EntraTenant
from directories.sandbox.clock import graph_time
from directories.sandbox.http import Request, Response
from directories.sandbox.tokens import (
    TOKEN_SECONDS,
    Grant,
    encode_base64url,
    read_assertion,
)
from directories.sandbox.world import World

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SKEW_SECONDS = 300.0


class _RefusedError(Exception):
    def __init__(self, status: int, error: str, number: int, text: str) -> None:
        super().__init__(error)
        self.status, self.error, self.number, self.text = status, error, number, text


class MicrosoftLogin:
    """Everything on the login port."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __call__(self, request: Request) -> Response:
        segments = request.segments()
        tenant_name, path = segments[0], segments[1:]
        try:
            if path == ["v2.0", ".well-known", "openid-configuration"]:
                return self._configuration(request, self._tenant(tenant_name))
            if path == ["oauth2", "v2.0", "token"] and request.method == "POST":
                return self._token(request, self._tenant(tenant_name))
        except _RefusedError as refusal:
            return self._refuse(refusal)
        return Response(404, b"", content_type="text/html")

    def _tenant(self, name: str) -> EntraTenant:
        for tenant in self._world.tenants.values():
            if name.lower() in (tenant.tenant_id, *tenant.domains):
                return tenant
        raise _RefusedError(
            400,
            "invalid_tenant" if "." in name else "invalid_request",
            90002,
            f"Tenant '{name}' not found. Check to make sure you have the correct tenant ID and "
            "are signing into the correct cloud.",
        )

    def _configuration(self, request: Request, tenant: EntraTenant) -> Response:
        if request.method != "GET":
            return Response(405, b"", content_type="text/html")
        base = f"{self._world.origins['login']}/{tenant.tenant_id}"
        return Response.of_json(
            {
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": [
                    "client_secret_post",
                    "private_key_jwt",
                    "client_secret_basic",
                ],
                "jwks_uri": f"{base}/discovery/v2.0/keys",
                "response_modes_supported": ["query", "fragment", "form_post"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "response_types_supported": ["code", "id_token", "code id_token"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
                "tenant_region_scope": "EU",
                "cloud_instance_name": "microsoftonline.com",
                "msgraph_host": "graph.microsoft.com",
            }
        )

    def _token(self, request: Request, tenant: EntraTenant) -> Response:
        try:
            form = request.form()
        except ValueError:
            form = {}
        if form.get("grant_type") != "client_credentials":
            raise _RefusedError(
                400,
                "unsupported_grant_type",
                70003,
                f"The app requested an unsupported grant type '{form.get('grant_type', '')}'.",
            )
        client_id = form.get("client_id", "")
        if client_id != tenant.client_id:
            raise _RefusedError(
                400,
                "unauthorized_client",
                700016,
                f"Application with identifier '{client_id}' was not found in the directory "
                f"'{tenant.display_name}'. This can happen if the application has not been "
                "installed by the administrator of the tenant or consented to by any user in the "
                "tenant. You may have sent your authentication request to the wrong tenant.",
            )
        self._authenticate(form, tenant)
        self._check_scope(form.get("scope", ""))
        now = self._world.clock.now()
        grant = Grant(tenant.tenant_id, now + TOKEN_SECONDS)
        token = self._world.tokens.issue(grant, prefix="eyJ0eXAi.", now=now)
        return Response.of_json(
            {
                "token_type": "Bearer",
                "expires_in": TOKEN_SECONDS,
                "ext_expires_in": TOKEN_SECONDS,
                "access_token": token,
            }
        )

    def _check_scope(self, scope: str) -> None:
        # azure-identity asks for offline_access and the like only where a user signs in.
        allowed = ("https://graph.microsoft.com", self._world.origins["graph"])
        resource = scope.removesuffix("/.default")
        if not scope.endswith("/.default"):
            raise _RefusedError(
                400,
                "invalid_scope",
                1002012,
                f"The provided value for scope {scope} is not valid. Client credential flows must "
                "have a scope value with /.default suffixed to the resource identifier "
                "(application ID URI).",
            )
        if resource.rstrip("/") not in allowed:
            raise _RefusedError(
                400,
                "invalid_resource",
                500011,
                f"The resource principal named {resource} was not found in the tenant.",
            )

    def _authenticate(self, form: dict[str, str], tenant: EntraTenant) -> None:
        if "client_assertion" in form:
            self._check_assertion(form, tenant)
            return
        secret = form.get("client_secret", "")
        if not secret:
            raise _RefusedError(
                401,
                "invalid_client",
                7000218,
                "The request body must contain the following parameter: 'client_assertion' or "
                "'client_secret'.",
            )
        given = self._world.keeper.digest(secret)
        if not tenant.secret_digest or not hmac.compare_digest(given, tenant.secret_digest):
            raise _RefusedError(
                401,
                "invalid_client",
                7000215,
                "Invalid client secret provided. Ensure the secret being sent in the request is "
                "the client secret value, not the client secret ID, for a secret added to app "
                f"'{tenant.client_id}'.",
            )
        if tenant.is_secret_expired:
            raise _RefusedError(
                401,
                "invalid_client",
                7000222,
                f"The provided client secret keys for app '{tenant.client_id}' are expired.",
            )

    def _check_assertion(self, form: dict[str, str], tenant: EntraTenant) -> None:
        refusal = _RefusedError(
            401,
            "invalid_client",
            700027,
            "The certificate with identifier used to sign the client assertion is not registered "
            "on application, or the signature is not valid.",
        )
        if form.get("client_assertion_type") != ASSERTION_TYPE or tenant.certificate is None:
            raise refusal
        try:
            assertion = read_assertion(form["client_assertion"])
        except (ValueError, RecursionError):
            raise refusal from None
        certificate: x509.Certificate = tenant.certificate
        sha1 = encode_base64url(certificate.fingerprint(hashes.SHA1()))
        sha256 = encode_base64url(certificate.fingerprint(hashes.SHA256()))
        # azure-identity leaves the padding on, which Entra takes.
        named = [str(assertion.header.get(name, "")).rstrip("=") for name in ("x5t", "x5t#S256")]
        is_named = named[0] == sha1 or named[1] == sha256
        key = certificate.public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        if not is_named or not assertion.is_signed_by(key):
            raise refusal
        claims = assertion.claims
        base = self._world.origins["login"]
        names = (tenant.tenant_id, *tenant.domains)
        audiences = [f"{base}/{name}/oauth2/v2.0/token" for name in names]
        audiences += [f"{base}/{name}/v2.0" for name in names]
        if claims.get("iss") != tenant.client_id or claims.get("sub") != tenant.client_id:
            raise refusal
        if claims.get("aud") not in audiences:
            raise _RefusedError(
                401, "invalid_client", 700023, "Client assertion audience claim does not match."
            )
        now = self._world.clock.now()
        machine_now = now - self._world.clock.offset_seconds
        claims.setdefault("iat", claims.get("nbf"))
        if not assertion.is_timely(now, machine_now, skew_seconds=_SKEW_SECONDS):
            raise _RefusedError(
                401,
                "invalid_client",
                700024,
                "Client assertion is not within its valid time range.",
            )

    def _refuse(self, refusal: _RefusedError) -> Response:
        trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
        moment = graph_time(self._world.clock.now()).replace("T", " ")
        return Response.of_json(
            {
                "error": refusal.error,
                "error_description": f"AADSTS{refusal.number}: {refusal.text} Trace ID: {trace} "
                f"Correlation ID: {correlation} Timestamp: {moment}",
                "error_codes": [refusal.number],
                "timestamp": moment,
                "trace_id": trace,
                "correlation_id": correlation,
                "error_uri": f"https://login.microsoftonline.com/error?code={refusal.number}",
            },
            refusal.status,
        )
