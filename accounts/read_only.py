"""Rows that are an audit: they are added by the product and never changed or deleted."""

from __future__ import annotations

from typing import Any, Generic, NoReturn, TypeVar

from django.db import models

Row = TypeVar("Row", bound=models.Model)


class AuditError(TypeError):
    """Somebody tried to change or delete what is kept as an audit."""


class ReadOnlyQuerySet(models.QuerySet[Row]):
    def update(self, **kwargs: Any) -> NoReturn:
        raise AuditError(f"{self.model._meta.verbose_name_plural} are never changed")

    def delete(self) -> NoReturn:
        raise AuditError(f"{self.model._meta.verbose_name_plural} are never deleted")


class ReadOnlyManager(models.Manager[Row], Generic[Row]):
    def get_queryset(self) -> ReadOnlyQuerySet[Row]:
        return ReadOnlyQuerySet(self.model, using=self._db)
