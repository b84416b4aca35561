"""What passwordsync tells the apps above: past facts, inside the transaction that made them."""

from django.dispatch import Signal

jobs_finished = Signal()
"""Jobs came to an end: ``jobs``, with binding, user and directory loaded."""

drift_found = Signal()
"""Passwords were changed in a directory by somebody else: ``bindings``, with user and directory."""

passwords_late = Signal()
"""Directories could not be given a new password in time, and still have the old one:
``bindings``, with user and directory loaded.  The next login sends it."""
