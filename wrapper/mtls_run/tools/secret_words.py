"""Words of a command line that carry a secret, shown as `***`."""

from __future__ import annotations

from mtls_run.system.urls import MASK, without_passwords

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# A long option with one of these parts in its name is followed by a secret.
_PARTS = ("token", "password", "passwd", "passphrase", "secret", "credential", "credentials", "pin")
_WHOLE = ("--api-key", "--apikey", "--pass", "--key-password", "--auth")
# Short options of programs that a command line may name anywhere (`uv run twine upload -p …`).
_OF_PROGRAMS = {"twine": ("-p",), "curl": ("-u", "-U", "--user", "--proxy-user"), "flit": ()}


def masked(words: Sequence[str], options: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the words with every secret masked; `options` are those of the tool itself.

    URLs keep the user's name and lose the password.
    """
    secret_options = set(options)
    shown: list[str] = []
    follows = False
    for word in words:
        if follows and not _is_option(word):
            shown.append(MASK)
            follows = False
            continue
        follows = False
        program = word.replace("\\", "/").rpartition("/")[2].lower()
        secret_options.update(_OF_PROGRAMS.get(program.removesuffix(".exe"), ()))
        name, equals, value = word.partition("=")
        if name.startswith("--") and (name in secret_options or _says_secret(name)):
            follows = not equals
            shown.append(f"{name}={MASK}" if equals and value else word)
        elif word[:1] == "-" and word[:2] in secret_options:
            follows = len(word) == len("-p")
            shown.append(word if follows else word[:2] + MASK)
        elif word[:1] == "-" and word[1:].isalpha() and f"-{word[-1]}" in secret_options:
            follows = True  # `curl -sSu NAME:PASSWORD`
            shown.append(word)
        elif equals and _is_variable(name) and _says_secret(name):
            shown.append(f"{name}={MASK}")  # `env TOKEN=… make`
        else:
            shown.append(without_passwords(word))
    return tuple(shown)


def _is_option(word: str) -> bool:
    return word.startswith("--") and _says_secret(word.partition("=")[0])


def _is_variable(name: str) -> bool:
    return name.replace("_", "a").isalnum() and name.upper() == name


def _says_secret(name: str) -> bool:
    lowered = name.lower()
    parts = lowered.strip("-").replace("_", "-").split("-")
    return lowered in _WHOLE or any(part in _PARTS for part in parts)
