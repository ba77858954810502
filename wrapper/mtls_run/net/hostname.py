"""Hostnames as DNS, TLS and HTTP want them: in ASCII."""

from __future__ import annotations

import ipaddress
import re

import idna

_LONGEST, _LONGEST_LABEL = 253, 63  # RFC 1035, section 2.3.4
_ASCII_NAME = re.compile(r"[A-Za-z0-9._-]+")


def to_ascii(host: str) -> str:
    """Return the hostname in ASCII; raises ValueError with the reason where that is impossible.

    An international name is encoded as pip and uv do: IDNA 2008 with UTS 46. An ASCII name is not
    checked against IDNA, which forbids the underscore that some companies use.
    """
    if is_address(host):
        return host
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except UnicodeError as error:  # IDNAError is one
            raise ValueError(f"its host is not a valid international name: {error}") from None
    name = host.removesuffix(".")
    labels = name.split(".")
    if not all(labels):
        raise ValueError("a label of its host is empty")
    if max(map(len, labels)) > _LONGEST_LABEL:
        raise ValueError(f"a label of its host is longer than {_LONGEST_LABEL} characters")
    if len(name) > _LONGEST:
        raise ValueError(f"its host is longer than {_LONGEST} characters")
    if not _ASCII_NAME.fullmatch(name):
        raise ValueError("its host has a character that is not allowed in a hostname")
    return host


def is_address(host: str) -> bool:
    """Tell whether the host is an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def with_port(host: str, port: int) -> str:
    """Return HOST:PORT, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
