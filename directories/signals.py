"""What directories tell the apps above: past facts, inside the transaction that made them."""

from django.dispatch import Signal

directory_added = Signal()
"""A directory was added: ``directory``."""

bindings_created = Signal()
"""People were bound: ``bindings``, with user and directory loaded."""

bindings_ended = Signal()
"""People were unbound: ``bindings``."""

directory_wants_worker = Signal()
"""A check, or a look for accounts, waits for a worker: ``directory_id``."""
