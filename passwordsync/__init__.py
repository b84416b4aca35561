"""Bringing passwords to directories: what is due, the job table that is the queue, the drain."""
