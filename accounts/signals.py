"""What accounts tells the apps above it: past facts, never a clear password."""

from django.dispatch import Signal

portal_login = Signal()
"""Somebody proved a password: ``user``, ``login_event``, ``sealed`` (an unsaved SealedPassword).

``only`` is the id of the one binding the person meant, or None for all that is due.  Sent inside
the transaction that writes the event; what a receiver writes belongs to it.
"""

record_changed = Signal()
"""Users were changed: ``user_ids``.  Announces; ``passwordsync.due`` decides from facts."""

people_activated = Signal()
"""Users became active: ``user_ids``; new ones have their activation links already."""

links_issued = Signal()
"""Links to set a password wait to be mailed: ``links``, with user loaded."""

password_set = Signal()
"""A new password counts in the portal: ``login_event``, with user; ``password_version``."""

addresses_changed = Signal()
"""A person's e-mail or alternate e-mail was changed: ``user``, ``old_addresses`` (all of them)."""
