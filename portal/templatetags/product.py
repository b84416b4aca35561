"""The product's name and colour, for every page, the error pages included."""

from __future__ import annotations

import hashlib

from django import template
from django.conf import settings
from django.urls import reverse

from portal import colours

register = template.Library()


@register.simple_tag
def product_name() -> str:
    return str(settings.PRODUCT_NAME)


@register.simple_tag
def theme_url() -> str:
    """Get the address of the theme, with a fingerprint, so that browsers may keep it."""
    css = colours.style_sheet(settings.PRODUCT_COLOUR)
    return f"{reverse('theme')}?{hashlib.sha256(css.encode()).hexdigest()[:12]}"
