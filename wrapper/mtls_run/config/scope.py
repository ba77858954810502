"""The hosts, ports and paths that an identity is for."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from mtls_run.net import hostname

HTTPS_PORT = 443
_HIGHEST_PORT = 65535
_WILDCARD = "*."
# A server that decodes twice would see a separator or a dot (CWE-174).
_ENCODED_TWICE = re.compile(rb"%(?:2[ef5]|5c)", re.IGNORECASE)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ENCODED_SEPARATOR = re.compile(r"%(?:2f|5c)", re.IGNORECASE)
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class HostPattern:
    """A host and a port. `name` is in lower case and ASCII, without a dot at its end.

    A name that begins with `*.` stands for each name with exactly one label in that place.
    """

    name: str
    port: int = HTTPS_PORT

    def __str__(self) -> str:
        """Return the pattern as a configuration writes it."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == HTTPS_PORT else f"{name}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> HostPattern:
        """Return the pattern for HOST, HOST:PORT or [IPV6]:PORT; raises ValueError, saying why."""
        host, port = split_authority(text)
        rest = host.removeprefix(_WILDCARD)
        if "*" in rest:
            raise ValueError("'*' can stand only for the first label, as in '*.corp.example'")
        name = normalized_host(rest)
        if rest == host:
            return cls(name, port)
        if hostname.is_address(name):
            raise ValueError("'*.' cannot stand before an address")
        return cls(_WILDCARD + name, port)

    @property
    def suffix(self) -> str:
        """Return the name without its wildcard."""
        return self.name[len(_WILDCARD) :] if self.is_wildcard else self.name

    @property
    def is_wildcard(self) -> bool:
        """Tell whether the first label is a wildcard."""
        return self.name.startswith(_WILDCARD)

    def matches(self, host: str, port: int) -> bool:
        """Tell whether this host, as `normalized_host` returns it, and port are meant."""
        if port != self.port:
            return False
        if not self.is_wildcard:
            return host == self.name
        label, _, rest = host.partition(".")
        return bool(label) and rest == self.suffix


@dataclass(frozen=True)
class Scope:
    """The hosts, and the beginnings of paths on them (none: all paths)."""

    hosts: tuple[HostPattern, ...]
    paths: tuple[str, ...] = ()

    def matches(self, host: str, port: int) -> int | None:
        """Return how precisely a pattern names the host, more for a closer one; None for none.

        `host` is in the form of `normalized_host`.
        """
        found = [one for one in self.hosts if one.matches(host, port)]
        return max((1 if one.is_wildcard else 2 for one in found), default=None)

    def matches_path(self, target: str) -> int | None:
        """Return the length of the longest prefix that the path begins with; None for none.

        Without `paths`, it is 0 for every target. Raises ValueError, with the reason, for a path
        that servers understand in different ways.
        """
        if not self.paths:
            return 0
        path = plain_path(target)
        return max((len(one) for one in self.paths if _is_below(path, one)), default=None)


def is_prefix(text: str) -> bool:
    """Tell whether a configuration may name this path: it has one meaning to every server."""
    try:
        return text.isprintable() and plain_path(text) == text
    except ValueError:
        return False


def _is_below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix if prefix.endswith("/") else f"{prefix}/")


def split_authority(text: str, default: int = HTTPS_PORT) -> tuple[str, int]:
    """Return the host, without brackets, and the port; raises ValueError, saying why."""
    if "/" in text:
        raise ValueError("write a host and a port alone, without a scheme or a path")
    if "@" in text:
        raise ValueError("a user name cannot stand before a host")
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")) or ":" not in host:
            raise ValueError("an IPv6 address is written as '[::1]' or '[::1]:8443'")
        given = rest[1:] if rest else None
    else:
        host, colon, rest = text.partition(":")
        if ":" in rest:
            raise ValueError("an IPv6 address stands in brackets, as in '[::1]:8443'")
        given = rest if colon else None
    if not host:
        raise ValueError("the host is missing")
    return host, default if given is None else _port(given)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) <= _HIGHEST_PORT):
        raise ValueError(f"'{text}' is not a port from 1 to {_HIGHEST_PORT}")
    return int(text)


def normalized_host(host: str) -> str:
    """Return the host in lower case and ASCII, without a dot at its end.

    An address is in its shortest form. Raises ValueError, saying why, for what is no host.
    """
    if hostname.is_address(host):
        return ipaddress.ip_address(host).compressed
    if host.replace(".", "").isdigit():
        raise ValueError("it is not a complete address")
    return hostname.to_ascii(host).lower().removesuffix(".")


def plain_path(target: str) -> str:
    """Return the decoded path of a request's target, without its query.

    Raises ValueError for a path that servers read in different ways: with `..`, an empty segment,
    an encoded separator, or an escape inside an escape.
    """
    path = target.partition("?")[0]
    if not path.startswith("/") or "#" in path or "\\" in path:
        raise ValueError("it is not an absolute path")
    if _BAD_ESCAPE.search(path):
        raise ValueError("it has a '%' that is no escape")
    if _ENCODED_SEPARATOR.search(path):
        raise ValueError("it has an encoded slash or backslash")
    decoded = unquote_to_bytes(path)
    if _ENCODED_TWICE.search(decoded):
        raise ValueError("it is encoded twice")
    if _CONTROL.search(decoded):
        raise ValueError("it has a control character")
    text = decoded.decode("utf-8", "surrogateescape")
    segments = text.split("/")[1:]
    if "" in segments[:-1]:
        raise ValueError("it has an empty segment")
    # Tomcat drops what follows a semicolon before it looks for dots.
    if any(one.partition(";")[0] in (".", "..") for one in segments):
        raise ValueError("it has a segment '.' or '..'")
    return text
