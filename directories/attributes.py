"""What a directory receives of a person's record.

A directory's ``mapping`` says which of our attributes goes to which field over there.  A value
never set here is never sent, so that nothing over there is wiped; "" is sent only for what was sent
before and is gone.  What is not mapped is neither compared nor sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from django.db.models import Field as ModelField

from accounts.models import User
from directories.connectors import CONNECTORS
from directories.connectors.fields import Field, Step
from directories.models import Binding, Directory

ATTRIBUTES: Final = (
    "given_name",
    "family_name",
    "display_name",
    "job_title",
    "department",
    "cost_center",
    "division",
    "employee_id",
    "employee_type",
    "company",
    "office_location",
    "manager",
    "work_phone",
    "mobile_phone",
    "street",
    "city",
    "region",
    "postal_code",
    "country",
    "preferred_language",
    "email",
)
"""Attributes that may be mapped."""


def label(attribute: str) -> str:
    """Get the name of an attribute as people see it."""
    field = cast("ModelField[Any, Any]", User._meta.get_field(attribute))
    return str(field.verbose_name)


def targets(kind: str, attribute: str) -> list[str]:
    """Name the fields over there that an attribute may go to, its usual one first."""
    fields = CONNECTORS[kind].fields
    home = [name for name, field in fields.items() if field.home_of == attribute]
    if any(fields[name].is_reserved for name in home):
        return home
    return home + [name for name in fields if name not in home and not fields[name].is_reserved]


def load_managers(bindings: Iterable[Binding]) -> None:
    """Load the accounts of people's managers where they are mapped, in one query at most."""
    wanting = [
        binding
        for binding in bindings
        if "manager" in binding.directory.mapping and binding.user.manager_id is not None
    ]
    if not wanting:
        return
    found: dict[tuple[int, int | None], Binding] = {
        (binding.directory_id, binding.user_id): binding
        for binding in Binding.objects.filter(
            Binding.LIVE,
            directory__in={binding.directory_id for binding in wanting},
            user__in={binding.user.manager_id for binding in wanting},
        )
    }
    for binding in wanting:
        binding.manager_binding = found.get((binding.directory_id, binding.user.manager_id))


def values_of(binding: Binding) -> dict[str, str]:
    """Get the value that each mapped field should have, "" for none.

    A manager without an account is left out: nobody can be named, and nobody is taken away.
    """
    fields, values = _fields(binding), {}
    for attribute, name in binding.directory.mapping.items():
        if attribute != "manager":
            values[name] = str(getattr(binding.user, attribute))
        elif binding.user.manager_id is None:
            values[name] = ""
        else:
            if not hasattr(binding, "manager_binding"):
                load_managers([binding])
            manager = binding.manager_binding
            if account := manager and getattr(manager, fields[name].manager_by):
                values[name] = str(account)
    return values


def changed(binding: Binding, known: Mapping[str, str]) -> list[str]:
    """Name the mapped attributes whose value is another than the one known, by field."""
    values = values_of(binding)
    return [
        attribute
        for attribute, name in binding.directory.mapping.items()
        if name in values and values[name] != _known(binding, known, name)
    ]


def _known(binding: Binding, known: Mapping[str, str], name: str) -> str:
    if name not in known and _fields(binding)[name].step is Step.ADDRESS:
        # It was found by this one.
        return binding.external_address.lower()
    return known.get(name, "")


def lacking(binding: Binding) -> list[str]:
    """Name the attributes that the account lacks; not those whose very value it has refused."""
    values, mapping = values_of(binding), binding.directory.mapping
    return [
        attribute
        for attribute in changed(binding, binding.pushed_attributes)
        if binding.refused_attributes.get(mapping[attribute]) != values[mapping[attribute]]
    ]


def to_push(binding: Binding, *, has_password: bool) -> dict[str, str]:
    """Get the fields of the next request: with the password, or of the first step that lacks any.

    What goes with the password is sent whole: every value that is set, and "" for what we sent
    before and is gone.  Of the other steps only what changed is sent.
    """
    fields, values = _fields(binding), values_of(binding)
    lacks = [binding.directory.mapping[attribute] for attribute in lacking(binding)]
    steps = {fields[name].step for name in lacks}
    if not (has_password or Step.TOGETHER in steps):
        step = min(steps, key=lambda step: step.value, default=Step.TOGETHER)
        return {name: values[name] for name in lacks if fields[name].step is step}
    return {
        name: value
        for name, value in values.items()
        if fields[name].step is Step.TOGETHER
        and (value or binding.pushed_attributes.get(name))
        and binding.refused_attributes.get(name) != value
    }


def after(known: Mapping[str, str], sent: Mapping[str, str]) -> dict[str, str]:
    """Get what an account holds of us after a push; what was not sent is kept."""
    kept = {name: value for name, value in known.items() if name not in sent}
    return kept | {name: value for name, value in sent.items() if value}


def new_address(directory: Directory, sent: Mapping[str, str]) -> str:
    """Get the address that a push has given an account, "" for none."""
    fields = CONNECTORS[directory.kind].fields
    return next((value for name, value in sent.items() if fields[name].step is Step.ADDRESS), "")


def _fields(binding: Binding) -> Mapping[str, Field]:
    return CONNECTORS[binding.directory.kind].fields
