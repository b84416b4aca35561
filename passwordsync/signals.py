"""What passwordsync tells the apps above: past facts, inside the transaction that made them."""

from django.dispatch import Signal

job_finished = Signal()
"""A job that carried a password came to an end: ``job``, with binding, user, directory loaded."""
