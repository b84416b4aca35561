"""The rules for a person's password, for the pages where they choose one."""

from __future__ import annotations

from django import template

from accounts.models import User
from directories.password_rules import Rule, rules_for

register = template.Library()


@register.simple_tag
def password_rules(user: User) -> list[Rule]:
    return rules_for(user)
