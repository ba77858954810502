"""URLs as they may be shown: with the user's name, without the password."""

from __future__ import annotations

import re

MASK = "***"


def without_passwords(word: str) -> str:
    """Return a word, or a variable's value, with no password in any URL in it.

    A value may have several URLs: pip splits it at white space, uv at commas too. A proxy may be
    named without a scheme.
    """
    if "@" not in word:
        return word
    return "".join(_part_without_password(part) for part in re.split(r"(\s+)", word))


def _part_without_password(part: str) -> str:
    if "://" not in part:
        return re.sub(r"([^/@:=]+:)(?![/\\]).+@", rf"\g<1>{MASK}@", part)
    head, *rest = part.split("://")
    return "://".join([head, *(without_password(f"x://{url}")[4:] for url in rest)])


def without_password(url: str) -> str:
    """Return the URL as it may be shown: with the user's name, without the password.

    A name without a password is most often a token and is hidden too, as pip does (26.3).
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    end = min((rest.find(mark) for mark in "/?#" if mark in rest), default=len(rest))
    userinfo, at, _ = rest[:end].rpartition("@")
    if not at and "@" in rest and not _is_host(rest[:end]):
        userinfo = rest[: rest.rindex("@")]  # the password has a `/` that should be `%2F`
    elif not at:
        return url
    user, colon, _ = userinfo.partition(":")
    shown = f"{user}:{MASK}" if colon else MASK
    return f"{scheme}{separator}{shown}{rest[len(userinfo) :]}"


def _is_host(authority: str) -> bool:
    """Tell whether this is HOST or HOST:PORT, and not the start of USER:PASSWORD."""
    _, colon, port = authority.rpartition(":")
    return not colon or authority.endswith("]") or port.isdigit() or not port
