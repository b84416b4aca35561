"""The page on the control port: what the accounts hold, and what was received."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from pathlib import Path
from urllib.parse import unquote

from directories.sandbox.accounts import Account, Tenant
from directories.sandbox.http import Request, Response
from directories.sandbox.requestlog import Entry
from directories.sandbox.world import World

MAX_ACCOUNTS = 200
"""Accounts of a tenant that are listed."""

MAX_REQUESTS = 40
"""Requests that are listed."""

REFRESH_SECONDS = 2

_NAMES = {"google": "Google Workspace", "microsoft": "Microsoft Entra ID"}
_STYLE = Path(__file__).with_name("style.css").read_bytes()
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def answer(world: World, request: Request) -> Response:
    """Answer ``/`` and ``/style.css``; a POST to ``/`` tries a password."""
    if request.method == "GET" and request.path == "/style.css":
        return Response(200, _STYLE, content_type="text/css; charset=UTF-8")
    if request.path != "/" or request.method not in ("GET", "POST"):
        return Response(404, b"Not found", content_type="text/plain")
    verdict = ""
    if request.method == "POST":
        if request.headers.get("origin", "null") not in _own_origins(request):
            return Response(403, b"wrong origin", content_type="text/plain")
        verdict = _try(world, request)
    is_live = any(name == "live" for name, _ in request.parameters())
    body = _render(world, verdict, is_live=is_live).encode()
    return Response(200, body, dict(_HEADERS), "text/html; charset=UTF-8")


def _own_origins(request: Request) -> tuple[str, str]:
    # A browser says "null" under Referrer-Policy no-referrer; clients without one say nothing.
    return (f"http://{request.headers.get('host', '')}", "null")


def _try(world: World, request: Request) -> str:
    try:
        form = request.form()
        provider, _, key = form.get("account", "").partition(":")
        _, account = world.find(provider, key)
    except (ValueError, LookupError):
        return '<p><span class="badge warn">Choose an account first.</span></p>'
    name = escape(account.address)
    if account.password is not None and world.keeper.matches(
        account.password, form.get("password", "")
    ):
        note = " but the account is suspended" if account.is_suspended else ""
        return f'<p role="status"><span class="badge good">Yes</span> It opens {name}{note}.</p>'
    return f'<p role="status"><span class="badge bad">No</span> It does not open {name}.</p>'


def _moment(at: float | None) -> str:
    return "-" if at is None else datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")


def _render(world: World, verdict: str, *, is_live: bool) -> str:
    refresh = f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">' if is_live else ""
    switch = '<a href="/">Stop refreshing</a>' if is_live else '<a href="/?live">Keep it live</a>'
    tenants = [(p, t) for p in ("google", "microsoft") for t in world.of_provider(p)]
    parts = [
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<title>Directory sandbox</title>{refresh}<link rel="stylesheet" href="/style.css">',
        "</head><body><header><h1>Directory sandbox</h1>",
        "<p>Google and Microsoft, emulated on this machine. Times are UTC.</p>",
        f"{switch}</header><main>",
    ]
    parts += [_tenant(provider, tenant) for provider, tenant in tenants]
    if not tenants:
        parts.append('<section><p class="quiet">No directory has been added yet.</p></section>')
    else:
        parts.append(_form(tenants, verdict))
    parts.append(_requests(world.requests.latest(MAX_REQUESTS)))
    parts.append("</main></body></html>")
    return "".join(parts)


def _tenant(provider: str, tenant: Tenant) -> str:
    accounts = list(tenant.accounts.values())
    rows = "".join(_row(account) for account in accounts[:MAX_ACCOUNTS])
    more = len(accounts) - MAX_ACCOUNTS
    rest = f'<p class="quiet">and {more} more accounts</p>' if more > 0 else ""
    return (
        f'<section><div class="head"><h2>{_NAMES[provider]}</h2>'
        f'<span class="quiet">{escape(", ".join(tenant.domains))} · '
        f"{escape(tenant.tenant_id)}</span></div>"
        '<div class="scroll"><table><thead><tr><th scope="col">Account</th>'
        '<th scope="col">Matches the portal</th><th scope="col" class="number">Passwords set</th>'
        '<th scope="col" class="number">Last write</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{rest}</section>"
    )


def _row(account: Account) -> str:
    return (
        f'<tr><td><span class="address">{escape(account.address)}</span> '
        f"{_badges(account)}</td><td>{_match(account)}</td>"
        f'<td class="number">{account.password_writes}</td>'
        f'<td class="number">{_moment(account.last_write)}</td></tr>'
    )


def _match(account: Account) -> str:
    if account.password is None:
        return '<span class="badge">never set</span>'
    if account.verdict is None:
        return '<span class="badge">set (try it below)</span>'
    if account.verdict:
        return '<span class="badge good">yes</span>'
    return '<span class="badge bad">no</span>'


def _badges(account: Account) -> str:
    attributes = account.attributes
    badges = []
    if account.is_suspended:
        badges.append("suspended")
    if attributes.get("isAdmin"):
        badges.append("super admin")
    elif attributes.get("isDelegatedAdmin"):
        badges.append("delegated admin")
    badges += list(account.roles) + list(account.role_assignable_groups)
    if attributes.get("onPremisesSyncEnabled"):
        badges.append("synced")
    if account.must_change_password:
        badges.append("must change")
    return " ".join(f'<span class="badge warn">{escape(badge)}</span>' for badge in badges)


def _form(tenants: list[tuple[str, Tenant]], verdict: str) -> str:
    groups = []
    for provider, tenant in tenants:
        options = "".join(
            f'<option value="{provider}:{escape(account.external_id)}">'
            f"{escape(account.address)}</option>"
            for account in list(tenant.accounts.values())[:MAX_ACCOUNTS]
        )
        label = f"{_NAMES[provider]} · {tenant.domains[0]}"
        groups.append(f'<optgroup label="{escape(label)}">{options}</optgroup>')
    return (
        "<section><h2>Would this password open the account?</h2>"
        f'{verdict}<form method="post" action="/"><label>Account'
        f'<select name="account">{"".join(groups)}</select></label>'
        '<label>Password<input name="password" type="password" autocomplete="off" required>'
        "</label><button>Try it</button></form></section>"
    )


def _requests(entries: list[Entry]) -> str:
    if not entries:
        nothing = "Nothing has been received yet."
        return f'<section><h2>Latest requests</h2><p class="quiet">{nothing}</p></section>'
    rows = "".join(
        f'<tr><td class="number">{_moment(entry.at)}</td><td class="wide">{entry.provider}</td>'
        f'<td>{escape(entry.method)}</td><td class="path">{escape(unquote(entry.target))}</td>'
        f'<td class="number">{_status(entry)}</td></tr>'
        for entry in entries
    )
    return (
        '<section><h2>Latest requests</h2><div class="scroll"><table><thead><tr>'
        '<th scope="col" class="number">Time</th><th scope="col" class="wide">Provider</th>'
        '<th scope="col">Method</th><th scope="col">Path</th>'
        '<th scope="col" class="number">Status</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _status(entry: Entry) -> str:
    if entry.status is None:
        return f'<span class="badge bad">{escape(entry.fault or "none")}</span>'
    kind = "good" if entry.status < 300 else "bad"
    return f'<span class="badge {kind}">{entry.status}</span>'
