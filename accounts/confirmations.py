"""Actions of the admin that ask first: a page lists what will happen, a message says what did.

An action sorts the chosen rows into a plan, lets it ask, acts, and reports::

    plan = Plan.of(queryset, judge)
    if page := plan.ask(self, request, action="suspend", ...):
        return page
    plan.report(self, request, done=people.set_state(users=plan.todo, ...), ...)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import models
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from accounts.admin_base import operator_of

Row = TypeVar("Row", bound=models.Model)
Text = str | Promise

LISTED = 100
"""The most rows of a group that the page names."""
TEMPLATE = "admin/confirm_action.html"


@dataclass(frozen=True)
class Skipped:
    """Nothing has to be done for this row."""

    reason: Text


@dataclass(frozen=True)
class Refused:
    """This operator may not do it to this row."""

    reason: Text


@dataclass(frozen=True)
class Plan(Generic[Row]):
    """What an action will do with the rows that were chosen."""

    todo: list[Row] = field(default_factory=list)
    skipped: list[tuple[Row, Text]] = field(default_factory=list)
    refused: list[tuple[Row, Text]] = field(default_factory=list)

    @classmethod
    def of(cls, rows: Iterable[Row], judge: Callable[[Row], Skipped | Refused | None]) -> Plan[Row]:
        """Sort rows by what ``judge`` says about each; None means to act on it."""
        plan = cls()
        for row in rows:
            match judge(row):
                case None:
                    plan.todo.append(row)
                case Skipped(reason):
                    plan.skipped.append((row, reason))
                case Refused(reason):
                    plan.refused.append((row, reason))
        return plan

    def ask(
        self,
        model_admin: ModelAdmin[Any],
        request: HttpRequest,
        *,
        action: str,
        title: Text,
        text: Text,
        button: Text,
        form: forms.Form | None = None,
        about: object = "",
        naming: Callable[[Row], object] = str,
        is_dangerous: bool = False,
    ) -> TemplateResponse | None:
        """Get the page that asks; None once the operator has agreed to this very plan.

        ``naming`` tells two rows of the same name apart.  ``form`` is what has to be chosen before
        there is a plan; ``about`` is what was chosen.  Where it, or the number of rows, is another
        than on the page, the page asks again.
        """
        is_chosen = form is None or form.is_valid()
        answer = f"{about}:{len(self.todo)}"
        given = request.POST.get("confirmed", "")
        if given == answer and self.todo and is_chosen:
            return None
        options = model_admin.model._meta
        list_url = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
        is_on_list = request.method == "POST"
        is_ready = bool(self.todo) and is_chosen
        context = {
            **model_admin.admin_site.each_context(request),
            "opts": options,
            "title": title,
            "text": text,
            "button": button if is_ready else "" if is_chosen else _("Continue"),
            "button_variant": "danger" if is_dangerous and is_ready else "primary",
            "form": form,
            "groups": self._groups(naming, is_chosen=is_chosen),
            "answer": answer,
            "is_changed": given not in ("", answer) and given.partition(":")[0] == str(about),
            "action": action,
            "action_url": request.get_full_path() if is_on_list else list_url,
            "back_url": request.get_full_path() if is_on_list else "../change/",
            "select_across": request.POST.get("select_across") == "1",
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "chosen_ids": request.POST.getlist(ACTION_CHECKBOX_NAME)
            or [row.pk for row in self.rows()],
        }
        return TemplateResponse(request, TEMPLATE, context)

    def rows(self) -> list[Row]:
        """Get all rows that were chosen."""
        return [*self.todo, *(row for row, _reason in (*self.refused, *self.skipped))]

    def _groups(
        self, naming: Callable[[Row], object], *, is_chosen: bool
    ) -> list[dict[str, object]]:
        groups = (
            (_("Will be changed") if is_chosen else _("Chosen"), [(row, "") for row in self.todo]),
            (_("Refused"), self.refused),
            (_("Skipped"), self.skipped),
        )
        return [
            {
                "title": title,
                "total": len(rows),
                "rows": [(naming(row), reason) for row, reason in rows[:LISTED]],
                "more": max(0, len(rows) - LISTED),
            }
            for title, rows in groups
            if rows
        ]

    def report(
        self,
        model_admin: ModelAdmin[Any],
        request: HttpRequest,
        *,
        title: Text,
        done: int,
        log: bool = True,
    ) -> None:
        """Say what was done, skipped and refused, and write it to the admin's log.

        What changed between plan and deed, so that nothing was left to do, counts as skipped.
        """
        skipped = len(self.skipped) + len(self.todo) - done
        failed = len(self.refused)
        messages.add_message(
            request,
            messages.SUCCESS if done and not failed else messages.WARNING,
            _("%(title)s: %(done)d done, %(skipped)d skipped, %(failed)d refused.")
            % {"title": title, "done": done, "skipped": skipped, "failed": failed},
        )
        if log and done:
            LogEntry.objects.log_actions(
                user_id=operator_of(request).pk,
                queryset=self.todo,
                action_flag=CHANGE,
                change_message=str(title),
            )
