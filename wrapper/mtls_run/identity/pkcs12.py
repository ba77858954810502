"""Read the parts of a PKCS#12 file (RFC 7292, section 4) that show without its passphrase.

cryptography returns the first key alone, as OpenSSL's `PKCS12_parse` does. OpenSSL and Java leave
the bags of keys in the clear, with their names, and encrypt the key within.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mtls_run.identity import der

if TYPE_CHECKING:
    from collections.abc import Iterator

# RFC 5652: the types of a ContentInfo.
DATA = bytes.fromhex("2a864886f70d010701")
ENCRYPTED_DATA = bytes.fromhex("2a864886f70d010706")
# RFC 7292, section 4.2: the types of a SafeBag.
KEY_BAG = bytes.fromhex("2a864886f70d010c0a0101")
ENCRYPTED_KEY_BAG = bytes.fromhex("2a864886f70d010c0a0102")
NESTED_BAGS = bytes.fromhex("2a864886f70d010c0a0106")
_FRIENDLY_NAME = bytes.fromhex("2a864886f70d010914")
_LONGEST_NAME = 64


class Part(NamedTuple):
    """A ContentInfo or a SafeBag: its type, its content, and the attributes of a bag."""

    kind: bytes
    content: der.Element
    attributes: list[der.Element]


def parts(data: bytes) -> Iterator[Part]:
    """Return the parts of the file; raise ValueError or IndexError where it is damaged."""
    _, safe, *_mac = der.children(der.element(data).content)
    yield from map(_part, _listed(_part(safe).content))


def bags(part: Part) -> Iterator[Part]:
    """Return the bags of a part of type DATA; raise as `parts` does."""
    yield from map(_part, _listed(part.content))


def key_names(data: bytes) -> list[str]:
    """Return the name of each key, or its number, as Java's keytool numbers them.

    The same bag twice counts once. Raises as `parts` does.
    """
    found = [bag for part in parts(data) if part.kind == DATA for bag in bags(part)]
    keys = {bag.content.content: bag for bag in found if bag.kind in (KEY_BAG, ENCRYPTED_KEY_BAG)}
    return [_name(bag) or str(number) for number, bag in enumerate(keys.values(), start=1)]


def _name(bag: Part) -> str | None:
    """Return the friendlyName (RFC 2985, section 5.5.1) of a bag, or None."""
    try:
        for attributes in bag.attributes:
            for attribute in der.children(attributes.content):
                kind, values = der.children(attribute.content)
                if kind.content == _FRIENDLY_NAME:
                    text = der.element(values.content).content.decode("utf-16-be", "replace")
                    return text[:_LONGEST_NAME]
    except ValueError:
        pass  # a name that cannot be read is no reason to refuse the file
    return None


def _listed(string: der.Element) -> list[der.Element]:
    """Return the elements of the SEQUENCE that an OCTET STRING holds."""
    return der.children(der.element(der.octets(string)).content)


def _part(element: der.Element) -> Part:
    """Return what SEQUENCE { OBJECT IDENTIFIER, [0] content, attributes } holds."""
    kind, content, *attributes = der.children(element.content)
    return Part(kind.content, der.element(content.content), attributes)
