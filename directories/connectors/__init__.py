"""One file for each kind of directory, and the registry that names them.

Importing the registry, or parsing credentials, imports no SDK; only making a connector does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from types import MappingProxyType
from typing import Any, cast

from directories.connectors.base import Connection, Connector, Endpoints
from directories.connectors.fields import Fields
from directories.connectors.password_rules import PasswordRules


@dataclass(frozen=True)
class ProposedBookmark:
    """A link that people in this kind of directory will want; ``icon`` is one of the portal's."""

    label: str
    address: str
    description: str
    icon: str


@dataclass(frozen=True, kw_only=True)
class Quota:
    """So many requests in so many seconds, as the provider publishes it.

    ``shared_by`` names the fields of a directory that are the same where directories share it.
    """

    requests: int
    seconds: int
    shared_by: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ConnectorKind:
    """A kind of directory; ``module`` has ``parse_credentials`` and the class ``connector``."""

    label: str
    module: str
    connector: str
    needs_admin_email: bool
    tells_passwords: bool
    """Whether it says at once when a password last changed."""
    quotas: tuple[Quota, ...]
    """In requests as the connector's ``spent`` counts them."""
    bookmarks: tuple[ProposedBookmark, ...] = ()

    def parse_credentials(self, text: str | bytes, endpoints: Endpoints) -> dict[str, Any]:
        """Check uploaded credentials and keep what is needed; raises CredentialsError."""
        parse = import_module(self.module).parse_credentials
        return cast("dict[str, Any]", parse(text, endpoints))

    @property
    def password_rules(self) -> PasswordRules:
        """What this kind of directory is known to accept as a password."""
        return cast("PasswordRules", import_module(self.module).PASSWORD_RULES)

    @cached_property
    def fields(self) -> Fields:
        """What may be sent, by its name over there."""
        return cast("Fields", import_module(self.module).FIELDS)

    @property
    def default_mapping(self) -> dict[str, str]:
        """What a new directory receives: given, family and display name."""
        home = {field.home_of: name for name, field in self.fields.items()}
        return {name: home[name] for name in ("given_name", "family_name", "display_name")}

    def preview(
        self, attributes: Mapping[str, str], *, has_password: bool, is_clear: bool
    ) -> dict[str, Any]:
        """Show the body that a push would send; the password is masked.

        A list that is merged shows what we add to it.
        """
        make = import_module(self.module).preview
        return cast(
            "dict[str, Any]", make(attributes, has_password=has_password, is_clear=is_clear)
        )

    def connect(self, connection: Connection, endpoints: Endpoints) -> Connector:
        """Make a connector; the first one of a process imports its SDK, some 0.3 s."""
        make = getattr(import_module(self.module), self.connector)
        return cast("Connector", make(connection, endpoints))


CONNECTORS: Mapping[str, ConnectorKind] = MappingProxyType(
    {
        "google_workspace": ConnectorKind(
            label="Google Workspace",
            module="directories.connectors.google_workspace",
            connector="GoogleWorkspaceConnector",
            needs_admin_email=True,
            tells_passwords=False,
            # Per user and Cloud project. Source: developers.google.com/workspace/admin/directory/
            # v1/limits, read 2026-11-23.
            quotas=(Quota(requests=2400, seconds=60, shared_by=("client_id", "admin_email")),),
            bookmarks=(
                ProposedBookmark("Gmail", "https://mail.google.com/", "Mail", "mail"),
                ProposedBookmark("Drive", "https://drive.google.com/", "Files", "files"),
                ProposedBookmark(
                    "Calendar", "https://calendar.google.com/", "Meetings", "calendar"
                ),
            ),
        ),
        "microsoft_entra": ConnectorKind(
            label="Microsoft 365 / Entra ID",
            module="directories.connectors.microsoft_entra",
            connector="MicrosoftEntraConnector",
            needs_admin_email=False,
            tells_passwords=True,
            # Writes, of an application in a tenant, and in all of them. Source:
            # learn.microsoft.com/graph/throttling-limits, read 2026-11-23.
            quotas=(
                Quota(requests=3000, seconds=150, shared_by=("client_id", "tenant_id")),
                Quota(requests=35_000, seconds=300, shared_by=("client_id",)),
            ),
            bookmarks=(
                ProposedBookmark("Outlook", "https://outlook.office.com/", "Mail", "mail"),
                ProposedBookmark("Teams", "https://teams.microsoft.com/", "Chat", "chat"),
                ProposedBookmark(
                    "Office", "https://www.microsoft365.com/", "Documents", "document"
                ),
            ),
        ),
    }
)
