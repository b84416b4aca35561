"""What can go wrong between us and a directory, as one tree.

    ConnectorError
    ├── DirectoryUnavailableError      not reached, or it answered 5xx before doing anything
    ├── ThrottledError                 it asks us to slow down
    ├── UnclearOutcomeError            sent, and no answer that tells whether it was applied
    ├── DirectoryRefusedError          nobody can be served until an operator acts
    ├── PermissionDeniedError          one 403 that means either the set-up or this one account
    ├── PasswordRejectedError          the person chooses another password
    ├── AttributeRejectedError         values are refused, the password may still go
    │   └── AddressRejectedError       the account cannot be renamed so
    └── AccountError                   an operator acts on this one account
        ├── AccountNotFoundError
        ├── AccountAmbiguousError
        ├── AccountMismatchError       the address is only an alias, or of a foreign domain
        ├── AccountSyncedError         mastered on-premises: the password is set there
        ├── AccountFederatedError      another system signs this domain in
        └── AccountPrivilegedError

Every error is raised ``from None``: an SDK exception holds the request, and so the password.
They hold plain values only, so they can be pickled, logged and stored.
"""

from __future__ import annotations

from collections.abc import Iterable


class ConnectorError(Exception):
    """A directory did not do what was asked.

    ``message`` is written for an operator: what happened and what to do; it never holds
    a password, a token or an account's address.  ``request_id`` is the provider's own id of
    the request, or "" where it gave none.
    """

    code = "error"

    def __init__(
        self, message: str, *, request_id: str = "", retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds

    def __reduce__(self) -> tuple[object, ...]:
        values = (type(self), self.message, self.request_id, self.retry_after_seconds)
        return (_rebuild, values, self.__dict__)


class CredentialsError(ValueError):
    """Uploaded credentials cannot be used; the text says what to do, and holds no secret."""


def _rebuild(
    kind: type[ConnectorError], message: str, request_id: str, retry_after_seconds: float | None
) -> ConnectorError:
    return kind(message, request_id=request_id, retry_after_seconds=retry_after_seconds)


class DirectoryUnavailableError(ConnectorError):
    """Nothing was applied; the same request may be sent again later."""

    code = "unavailable"


class ThrottledError(ConnectorError):
    """Nothing was applied; ``retry_after_seconds`` is the directory's wish, or None."""

    code = "throttled"


class UnclearOutcomeError(ConnectorError):
    """The request was sent and may have been applied: settle this before sending another."""

    code = "unclear"


class DirectoryRefusedError(ConnectorError):
    """The credentials, the delegation or the tenant is refused: the directory pauses."""

    code = "directory_refused"


class PermissionDeniedError(ConnectorError):
    """A 403 that may be about our set-up or about this one account; the provider does not say."""

    code = "permission_denied"


class PasswordRejectedError(ConnectorError):
    """The directory's own rules refuse this password: only the person can mend that."""

    code = "password_rejected"


class AttributeRejectedError(ConnectorError):
    """The directory refuses a value other than the password.

    ``names`` are the fields over there, empty where it does not say which.
    """

    code = "attribute_rejected"

    def __init__(
        self,
        message: str,
        *,
        names: Iterable[str] = (),
        request_id: str = "",
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, request_id=request_id, retry_after_seconds=retry_after_seconds)
        self.names = tuple(names)


class AddressRejectedError(AttributeRejectedError):
    """The account cannot be renamed to this address."""

    code = "address_rejected"


class AccountError(ConnectorError):
    """This one account cannot be served until an operator acts."""

    code = "account"


class AccountNotFoundError(AccountError):
    """No such account over there."""

    code = "account_not_found"


class AccountAmbiguousError(AccountError):
    """Several accounts could be meant."""

    code = "account_ambiguous"


class AccountMismatchError(AccountError):
    """An account was found, but not by its primary address in a domain verified there."""

    code = "account_mismatch"


class AccountSyncedError(AccountError):
    """The account is mastered in an on-premises directory."""

    code = "account_synced"


class AccountFederatedError(AccountError):
    """The account's domain signs in elsewhere, a password set here would open nothing."""

    code = "account_federated"


class AccountPrivilegedError(AccountError):
    """The account holds an administrative role over there."""

    code = "account_privileged"
