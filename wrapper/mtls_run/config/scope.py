"""Which servers an identity is for: hosts with their ports, and the beginnings of URL paths."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

_HTTPS = 443
_LARGEST_PORT = 65535
_WILDCARD = "*."


@dataclass(frozen=True)
class HostPattern:
    """A host and its port.

    `name` is in ASCII and lower case, without a dot at its end. A name that begins with `*.` means
    every host with exactly one label in the place of the star.
    """

    name: str
    port: int = _HTTPS

    def __str__(self) -> str:
        """Return the pattern as a configuration writes it."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == _HTTPS else f"{name}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> HostPattern:
        """Return the pattern in `HOST` or `HOST:PORT`; raises ValueError with the reason."""
        if "://" in text or "/" in text:
            raise ValueError("it is a URL or a path; write the host alone")
        if "@" in text or not text.isprintable() or " " in text:
            raise ValueError("it has a character that no host has")
        host, port = _split(text)
        is_wildcard = host.startswith(_WILDCARD)
        host = host[len(_WILDCARD) :] if is_wildcard else host
        if "*" in host:
            raise ValueError("a wildcard is `*.` at the beginning, before a domain")
        name = canonical(host)
        if is_wildcard and (name.replace(".", "").isdigit() or ":" in name):
            raise ValueError("an address has no wildcard")
        return cls(_WILDCARD + name if is_wildcard else name, port)

    @property
    def is_wildcard(self) -> bool:
        """Tell whether the pattern means more than one host."""
        return self.name.startswith(_WILDCARD)

    def matches(self, host: str, port: int) -> bool:
        """Tell whether this host and port are meant; `host` is as `canonical` returns it."""
        if port != self.port:
            return False
        if self.is_wildcard:
            label, _, domain = host.partition(".")
            return bool(label) and domain == self.name[len(_WILDCARD) :]
        return host == self.name


@dataclass(frozen=True)
class Scope:
    """The hosts that an identity is for, and the beginnings of paths there (none: all paths)."""

    hosts: tuple[HostPattern, ...]
    paths: tuple[str, ...] = ()

    def covers(self, host: str, port: int) -> int:
        """Return how exactly a pattern names this host: 0 not at all, 1 by wildcard, 2 in full."""
        found = [2 - pattern.is_wildcard for pattern in self.hosts if pattern.matches(host, port)]
        return max(found, default=0)

    def admits(self, path: str) -> bool:
        """Tell whether the path of a request is below one of the paths.

        Where there are paths, one that two servers may read in two ways is not admitted: with
        `.` or `..` as a segment, an empty segment, a backslash, or a slash in its escaped form.
        """
        if not self.paths:
            return True
        plain = unquote_to_bytes(path.partition("?")[0])
        segments = plain.split(b"/")
        is_ambiguous = (
            # Tomcat, under Artifactory, drops `;…` from a segment: `..;` is `..` to it.
            any(segment.partition(b";")[0] in (b".", b"..") for segment in segments)
            or b"" in segments[1:-1]
            or b"\\" in plain
            or b"%" in plain
            or "%2f" in path.partition("?")[0].lower()
        )
        return not is_ambiguous and any(_is_below(plain, prefix) for prefix in self.paths)


def is_path_prefix(text: str) -> bool:
    """Tell whether a configuration may name this path: absolute, and to be read in one way."""
    return text.startswith("/") and text.isprintable() and Scope((), ("/",)).admits(text)


def _is_below(path: bytes, prefix: str) -> bool:
    """Tell whether the path is the prefix, or below it: /ab is not below /a."""
    plain = unquote_to_bytes(prefix)
    return path == plain or path.startswith(plain if plain.endswith(b"/") else plain + b"/")


def _split(text: str) -> tuple[str, int]:
    """Return host and port of `HOST`, `HOST:PORT` or `[IPV6]:PORT`."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")) or ":" not in host:
            raise ValueError("write an IPv6 address as [ADDRESS] or [ADDRESS]:PORT")
        return host, _port(rest[1:]) if rest else _HTTPS
    if text.count(":") > 1:
        raise ValueError("write an IPv6 address as [ADDRESS] or [ADDRESS]:PORT")
    host, colon, port = text.partition(":")
    return host, _port(port) if colon else _HTTPS


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) <= _LARGEST_PORT):
        raise ValueError(f"`{text}` is no port")
    return int(text)


def canonical(host: str) -> str:
    """Return a host as patterns have it; raises ValueError with the reason where it is none."""
    # Only a profile with hosts pays for these imports.
    import ipaddress  # noqa: PLC0415 - as above

    from mtls_run.net import hostname  # noqa: PLC0415 - as above

    if hostname.is_address(host):
        return str(ipaddress.ip_address(host))
    if host.replace(".", "").isdigit():
        raise ValueError("it is no complete address")
    return hostname.to_ascii(host).removesuffix(".").lower()
