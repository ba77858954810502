"""Handing pip's indexes to `uv pip`, unless indexes are named for uv already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mtls_run.config.document import table
from mtls_run.config.origin import Origin, Setting
from mtls_run.errors import ConfigurationError
from mtls_run.tools.uv_configuration import configurations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from mtls_run.config.document import Document
    from mtls_run.config.pip_settings import PipSettings

# Every uv from 0.2.11 to 0.13.9 reads these two, and none warns; UV_DEFAULT_INDEX and UV_INDEX are
# nothing to those before 0.4.23 (run).
_DEFAULT = "UV_INDEX_URL"
_BEFORE_IT = "UV_EXTRA_INDEX_URL"

_FLAGS = ("--index", "--default-index", "--index-url", "--extra-index-url", "--no-index")
_VARIABLES = ("UV_INDEX", "UV_DEFAULT_INDEX", _DEFAULT, _BEFORE_IT)  # UV_NO_INDEX is none (run)
_KEYS = ("index", "index-url", "extra-index-url", "no-index")
# Options of `uv pip` whose value may stand in the same word: the `i` in -rmain.in is no -i.
_SHORT_WITH_VALUE = "CPbcefoprt"


def variables(settings: PipSettings) -> dict[str, str]:
    """Return the variables that name pip's indexes for uv, in pip's order of preference.

    The first index that has a package wins in uv, and its default index is asked last: so that is
    the last of them, and uv's own default only where pip's settings name no index-url.
    """
    urls = [settings.index_url.value] if settings.index_url else []
    urls += [extra.value for extra in settings.extra_index_urls]
    # One that stands twice keeps its first place; uv splits the list at spaces.
    urls = list(dict.fromkeys(url.replace(" ", "%20") for url in urls))
    if not urls:
        return {}
    if settings.index_url is None:
        return {_BEFORE_IT: " ".join(urls)}
    # A lone index stands in both places: a requirements file's --extra-index-url comes before the
    # default index, and behind these (0.2.11 to 0.13.9, run).
    return {_DEFAULT: urls[-1], _BEFORE_IT: " ".join(urls[:-1] or urls)}


def named_for_uv(
    arguments: Sequence[str], environ: Mapping[str, str], directory: Path
) -> str | None:
    """Return what names indexes for uv: a flag, a variable, or FILE:LINE; None where nothing does.

    `arguments` are uv's own, and `directory` the one it is started in. A file that cannot be read
    is passed over here: uv itself says what is wrong with it.
    """
    words = list(arguments)
    if "--" in words:
        words = words[: words.index("--")]
    for word in words:
        flag = _index_flag(word)
        if flag is not None:
            return flag
    for name in _VARIABLES:
        if environ.get(name, "").strip():
            return name
    try:
        for found, keys in configurations(words, environ, directory):
            named = _named_in(found, keys)
            if named is not None:
                return named
    except ConfigurationError:
        return None
    return None


def configured(environ: Mapping[str, str], directory: Path) -> list[Setting[str]]:
    """Return every index that variables and configuration name for uv in this directory.

    Raises ConfigurationError for a file that cannot be read.
    """
    found = []
    for variable in _VARIABLES:
        for word in environ.get(variable, "").split():
            name, equals, url = word.partition("=")
            is_named = equals and "://" not in name
            origin = f"uv index {name}, {variable}" if is_named else variable
            found.append(Setting(url if is_named else word, Origin(origin)))
    for document_, keys in configurations((), environ, directory):
        for place in (keys, (*keys, "pip")):
            found += _indexes_in(document_, table(document_.tables, *place), place)
    return found


def _indexes_in(
    found: Document, settings: Mapping[str, Any], place: tuple[str, ...]
) -> Iterator[Setting[str]]:
    listed = settings.get("index")
    for number, index in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(index, dict) and isinstance(index.get("url"), str):
            origin = str(found.origin(*place, "index", number))
            name = index.get("name")
            text = f"uv index {name}, {origin}" if isinstance(name, str) else origin
            yield Setting(index["url"], Origin(text))
    for key in ("index-url", "extra-index-url"):
        value = settings.get(key)
        for url in value if isinstance(value, list) else [value]:
            if isinstance(url, str):
                yield Setting(url, Origin(str(found.origin(*place, key))))


def _index_flag(word: str) -> str | None:
    name = word.partition("=")[0]
    if name in _FLAGS:
        return name
    if word.startswith("-") and not word.startswith("--"):
        for letter in word[1:]:
            if letter == "i":
                return "-i"
            if letter in _SHORT_WITH_VALUE:
                break
    return None


def _named_in(found: Document, keys: tuple[str, ...]) -> str | None:
    """Return FILE:LINE of the first index in uv's table under `keys`, or in its table `pip`."""
    for place in (keys, (*keys, "pip")):
        settings = table(found.tables, *place)
        for key in _KEYS:
            value = settings.get(key)
            if key == "index":
                # An explicit index is asked for the packages pinned to it, and for no other.
                for number, index in enumerate(value if isinstance(value, list) else ()):
                    if not (isinstance(index, dict) and index.get("explicit") is True):
                        return str(found.origin(*place, key, number))
            elif value:
                return str(found.origin(*place, key))
    return None
