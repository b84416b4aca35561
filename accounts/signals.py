"""What accounts tells the apps above it: past facts, never a clear password."""

from django.dispatch import Signal

portal_login = Signal()
"""Somebody proved a password: ``user``, ``login_event``, ``sealed`` (an unsaved SealedPassword).

Sent inside the transaction that writes the event; what a receiver writes belongs to it.
"""

record_changed = Signal()
"""Users were changed: ``user_ids``.  Announces; ``passwordsync.due`` decides from facts."""
