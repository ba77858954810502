"""The configuration files: every key, every mistake with its line, and one file over the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mtls_run.config import layers
from mtls_run.config.origin import DEFAULT, Origin
from mtls_run.config.profile import build
from mtls_run.errors import ConfigurationError
from mtls_run.passphrase.sources import FromKeyring, FromVariable
from tests.unit.support import SAID, configured, working_in

EVERYTHING = """\
default-profile = "corp"
trusted-directories = ["~/src/infra", "/srv"]
expiry-notice-days = 30

[profiles.corp]
client-cert = "pki/alice.p12"
client-key = "/pki/alice.key"
ca-cert = ["pki/one.pem", "~/two.pem"]
roots = "none"
passphrase = { env = "CORP" }
extends = "base"
remember = "8h"

[profiles.base]
cert = "base.pem"

[[directories]]
path = "~/src"
profile = "base"
"""


def failure(tmp_path: Path, user: str, system: str | None = None) -> ConfigurationError:
    """Return the error of this configuration, its directory taken out of the fact."""
    with pytest.raises(ConfigurationError) as caught:
        configured(tmp_path, user, system)
    error = caught.value
    return ConfigurationError(error.fact.replace(f"{tmp_path}/", ""), hint=error.hint)


def test_every_key(tmp_path: Path) -> None:
    """Every key of the contract is read, and each value says its file and line."""
    home, user = tmp_path / "home", tmp_path / "user"
    found = configured(tmp_path, EVERYTHING)
    assert found.default_profile is not None
    assert found.default_profile.value == "corp"
    assert str(found.default_profile.origin) == f"{user}/config.toml:1"
    assert found.trusted_directories is not None
    assert found.trusted_directories.value == (home / "src/infra", Path("/srv"))
    assert found.expiry_notice_days.value == 30
    assert [(rule.path, rule.profile.value) for rule in found.directories] == [
        (home / "src", "base")
    ]
    corp = found.profile("corp", SAID)
    said: list[tuple[Any, Any, int]] = [
        (corp.client_cert, user / "pki/alice.p12", 6),
        (corp.client_key, Path("/pki/alice.key"), 7),
        (corp.ca_cert, (user / "pki/one.pem", home / "two.pem"), 8),
        (corp.roots, "none", 9),
        (corp.passphrase, FromVariable("CORP"), 10),
        (corp.remember, 28800, 12),
    ]
    for setting, value, line in said:
        assert setting.value == value
        assert str(setting.origin) == f"{user}/config.toml:{line}"
    assert (corp.name, corp.origin, corp.account) == ("corp", SAID, "corp")


def test_defaults(tmp_path: Path) -> None:
    """What no file says has its default, and says that it is one."""
    found = configured(tmp_path, "[profiles.corp]\n")
    corp = found.profile("corp", SAID)
    assert found.default_profile is None
    assert found.directories == ()
    assert (found.expiry_notice_days.value, found.expiry_notice_days.origin) == (14, DEFAULT)
    assert (corp.client_cert, corp.client_key, corp.ca_cert, corp.remember) == (None,) * 4
    assert (corp.roots.value, corp.roots.origin) == ("system", DEFAULT)
    assert corp.passphrase.value == FromKeyring()


def test_no_files(tmp_path: Path) -> None:
    """Without any file there are no profiles, and that is no error until one is asked for."""
    found = configured(tmp_path, None)
    assert found.profiles == {}
    with pytest.raises(ConfigurationError) as caught:
        found.profile("corp", Origin("--profile"))
    assert caught.value.fact.startswith("--profile: there is no profile `corp`; ")
    assert caught.value.hint == "mtls-run profile add corp --client-cert FILE"


def test_user_file_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The user file is config.toml in the configuration directory, or what the variable names."""
    assert layers.user_file({}).value == tmp_path / "config/mtls-run/config.toml"
    monkeypatch.setenv("HOME", "/home/alice")
    named = layers.user_file({"MTLS_RUN_CONFIG": "~/c.toml"})
    assert (named.value, str(named.origin)) == (Path("/home/alice/c.toml"), "MTLS_RUN_CONFIG")
    with working_in(tmp_path):
        relative = layers.user_file({"MTLS_RUN_CONFIG": "c.toml"})
    assert relative.value == tmp_path / "c.toml"
    assert layers.user_file({"MTLS_RUN_CONFIG": ""}).origin is DEFAULT
    assert layers.system_file() == Path("/etc/mtls-run/config.toml")


def test_named_file_must_be_there(tmp_path: Path) -> None:
    """A file that MTLS_RUN_CONFIG names and that is not there is an error."""
    with pytest.raises(ConfigurationError, match=r"MTLS_RUN_CONFIG names .* does not exist"):
        layers.load({"MTLS_RUN_CONFIG": str(tmp_path / "none")}, tmp_path / "none")


def test_relative_to_the_naming_file(tmp_path: Path) -> None:
    """A path of the system file is relative to that, one of the user file to this."""
    found = configured(
        tmp_path,
        '[profiles.a]\nclient-cert = "x.pem"\n',
        '[profiles.b]\nclient-cert = "x.pem"\n',
    )
    for name, folder in (("a", "user"), ("b", "system")):
        certificate = found.profile(name, SAID).client_cert
        assert certificate is not None
        assert certificate.value == tmp_path / folder / "x.pem"


ENTRY = "an entry has a `path` and a `profile`"
MISTAKES = [
    ('default-profil = "x"', 1, "unknown key `default-profil`", "did you mean `default-profile`?"),
    ("\n[profile.x]", 2, "unknown key `profile`", "did you mean `profiles`?"),
    (
        '[profiles.x]\nclient_cert = "y"',
        2,
        "unknown key in [profiles.x] `client_cert`",
        "did you mean `client-cert`?",
    ),
    (
        'profiles.x = { rootz = "none" }',
        1,
        "unknown key in [profiles.x] `rootz`",
        "did you mean `roots`?",
    ),
    (
        '[profiles.x]\n\n# y\nroots = "sistem"',
        4,
        "unknown value of `roots` `sistem`",
        "did you mean `system`?",
    ),
    (
        'default-profile = "crop"\n[profiles.corp]',
        1,
        "unknown profile in default-profile: `crop`",
        "did you mean `corp`?",
    ),
    ('default-profile = "corp"', 1, "unknown profile in default-profile: `corp`", "there are none"),
    (
        '[profiles.corp]\n[[directories]]\npath = "/x"\nprofile = "crop"',
        4,
        "unknown profile in [[directories]]: `crop`",
        "did you mean `corp`?",
    ),
    (
        '[profiles.corp]\nextends = "bass"\n[profiles.base]',
        2,
        "unknown profile in extends: `bass`",
        "did you mean `base`?",
    ),
    ("[[profiles]]\nx = 1", 1, "`profiles` is a list", "`profiles` takes a table: [profiles]"),
    ("profiles = 3", 1, "`profiles` is a number", "`profiles` takes a table: [profiles]"),
    (
        "[profiles]\ncorp = 'x'",
        2,
        "`profiles.corp` is a string",
        "`profiles.corp` takes a table: [profiles.corp]",
    ),
    (
        "directories = 'x'",
        1,
        "`directories` is a string",
        "`directories` takes tables: [[directories]]",
    ),
    (
        "[directories]\npath = 'x'",
        1,
        "`directories` is a table",
        "`directories` takes tables: [[directories]]",
    ),
    (
        "directories = [1]",
        1,
        "`directories` is a list",
        "`directories` takes tables: [[directories]]",
    ),
    ("\n[[directories]]\npath = 'x'", 2, "this [[directories]] entry lacks `profile`", ENTRY),
    ("[[directories]]\nprofile = 'x'", 1, "this [[directories]] entry lacks `path`", ENTRY),
    (
        "[[directories]]\npath = 'x'\nprofil = 'x'",
        3,
        "unknown key in [directories.0] `profil`",
        "did you mean `profile`?",
    ),
    (
        "[profiles.'a b']",
        1,
        "`a b` cannot name a profile",
        "a name is made of letters, digits, `.`, `_` and `-`",
    ),
    (
        "[profiles.x]\ncert = 'a'\nca-cert = 'b'",
        2,
        "`cert` and `ca-cert` are two names of one setting",
        "keep `ca-cert`",
    ),
    (
        "expiry-notice-days = '14'",
        1,
        "`expiry-notice-days` is a string",
        "`expiry-notice-days` takes a whole number of days, 0 or more",
    ),
    (
        "[profiles.x]\nclient-cert = ['a']",
        2,
        "`client-cert` is a list",
        "`client-cert` takes a path, a string",
    ),
    (
        "[profiles.x]\nclient-key = 1",
        2,
        "`client-key` is a number",
        "`client-key` takes a path, a string",
    ),
    (
        "[profiles.x]\nca-cert = [1]",
        2,
        "`ca-cert` is a list",
        "`ca-cert` takes a path or a list of paths",
    ),
    (
        "[profiles.x]\ncert = 1",
        2,
        "`cert` is a number",
        "`cert` takes a path or a list of paths",
    ),
    (
        "[profiles.x]\nextends = ['y']",
        2,
        "`extends` is a list",
        "`extends` takes the name of a profile, a string",
    ),
    (
        "[profiles.x]\nremember = true",
        2,
        "`remember` is true or false",
        '`remember` takes a time such as "8h", "90m" or "1h30m", or "off"',
    ),
    (
        "trusted-directories = 1",
        1,
        "`trusted-directories` is a number",
        "`trusted-directories` takes a path or a list of paths",
    ),
    (
        "default-profile = 1",
        1,
        "`default-profile` is a number",
        "`default-profile` takes the name of a profile, a string",
    ),
]


@pytest.mark.parametrize(("text", "line", "fact", "hint"), MISTAKES)
def test_mistakes(tmp_path: Path, text: str, line: int, fact: str, hint: str) -> None:
    """A mistake is named with file, line and the nearest right spelling, or what the key takes."""
    error = failure(tmp_path, text)
    assert (error.fact, error.hint) == (f"user/config.toml:{line}: {fact}", hint)


def test_mistake_in_the_system_file(tmp_path: Path) -> None:
    """A mistake in the system file names the system file."""
    error = failure(tmp_path, "", "\nx = 1")
    assert error.fact == "system/config.toml:2: unknown key `x`"


def test_unknown_profile(tmp_path: Path) -> None:
    """A name that no profile has is answered with the nearest."""
    found = configured(tmp_path, "[profiles.corp]\n[profiles.other]")
    with pytest.raises(ConfigurationError) as caught:
        found.profile("crop", Origin("MTLS_RUN_PROFILE"))
    assert caught.value.fact == "MTLS_RUN_PROFILE: unknown profile `crop`"
    assert caught.value.hint == "did you mean `corp`?"


def test_literal_passphrase(tmp_path: Path) -> None:
    """A passphrase in the file is refused with its line, and nothing of it is repeated."""
    error = failure(tmp_path, '[profiles.x]\npassphrase = "hunter2-canary"')
    assert error.fact.startswith("user/config.toml:2: `passphrase` names a source")
    assert "hunter2" not in f"{error.fact}{error.hint}"
    broken = failure(tmp_path, '[profiles.x]\npassphrase = "hunter2-canary')
    assert "hunter2" not in f"{broken.fact}{broken.hint}"
    bare = failure(tmp_path, "[profiles.x]\npassphrase = hunter2-canary")
    assert "hunter2" not in f"{bare.fact}{bare.hint}"


# --- extends


def test_extends(tmp_path: Path) -> None:
    """A profile lies over the one it extends, key by key, and that one over its own."""
    found = configured(
        tmp_path,
        """
        [profiles.leaf]
        extends = "middle"
        roots = "public"
        [profiles.middle]
        extends = "root"
        ca-cert = ["m1", "m2"]
        [profiles.root]
        ca-cert = "r"
        roots = "none"
        client-cert = "c"
        passphrase = "prompt"
        """,
    )
    leaf = found.profile("leaf", SAID)
    assert leaf.roots.value == "public"
    assert leaf.ca_cert is not None
    assert [path.name for path in leaf.ca_cert.value] == ["m1", "m2"]
    assert leaf.client_cert is not None
    assert str(leaf.client_cert.origin).endswith("config.toml:11")
    assert str(leaf.passphrase.origin).endswith("config.toml:12")


@pytest.mark.parametrize(
    ("text", "loop"),
    [
        ('[profiles.a]\nextends = "a"\n', "a -> a"),
        ('[profiles.a]\nextends = "b"\n[profiles.b]\nextends = "a"\n', "a -> b -> a"),
        (
            '[profiles.a]\nextends = "b"\n[profiles.b]\nextends = "c"\n[profiles.c]\nextends = "b"',
            "b -> c -> b",
        ),
    ],
)
def test_extends_in_a_circle(tmp_path: Path, text: str, loop: str) -> None:
    """A circle of `extends` is an error that shows it, with the line that closes it."""
    found = configured(tmp_path, text)
    with pytest.raises(ConfigurationError) as caught:
        found.profile("a", SAID)
    assert caught.value.fact.endswith(f"`extends` forms a cycle: {loop}")
    line = text.rstrip().count("\n") + 1
    assert f"config.toml:{line}: " in caught.value.fact


def test_circle_elsewhere_is_no_matter(tmp_path: Path) -> None:
    """A profile outside the circle can be used."""
    found = configured(tmp_path, '[profiles.a]\nextends = "a"\n[profiles.b]\nroots = "none"\n')
    assert found.profile("b", SAID).roots.value == "none"


PAIRS = [
    # what the layer below says, what the layer above says, the pair that results
    ('client-cert = "c"\nclient-key = "k"', "", ("c", "k")),
    ('client-cert = "c"\nclient-key = "k"', 'client-cert = "C"', ("C", None)),
    ('client-cert = "c"', 'client-cert = "C"\nclient-key = "K"', ("C", "K")),
    ('client-cert = "c"\nclient-key = "k"', 'client-cert = "C"\nclient-key = "K"', ("C", "K")),
]


@pytest.mark.parametrize("by", ["extends", "layer"])
@pytest.mark.parametrize(("below", "above", "expected"), PAIRS)
def test_pair(
    tmp_path: Path, below: str, above: str, expected: tuple[str, str | None], by: str
) -> None:
    """Certificate and key replace as a pair: no key is left beside another's certificate."""
    if by == "extends":
        found = configured(
            tmp_path, f'[profiles.x]\nextends = "y"\n{above}\n[profiles.y]\n{below}\n'
        )
    else:
        found = configured(tmp_path, f"[profiles.x]\n{above}\n", f"[profiles.x]\n{below}\n")
    got = found.profile("x", SAID)
    settings = (got.client_cert, got.client_key)
    assert tuple(setting and Path(str(setting.value)).name for setting in settings) == expected


@pytest.mark.parametrize("below", ["", 'client-cert = "c"', 'client-cert = "c"\nclient-key = "k"'])
def test_key_without_certificate(tmp_path: Path, below: str) -> None:
    """A key that stands without a certificate in its own layer is an error with its line."""
    found = configured(
        tmp_path, f'[profiles.x]\nextends = "y"\nclient-key = "K"\n[profiles.y]\n{below}\n'
    )
    with pytest.raises(ConfigurationError, match=r"config\.toml:3: `client-key` needs"):
        found.profile("x", SAID)


@pytest.mark.parametrize("below", ["cert", "ca-cert"])
@pytest.mark.parametrize("above", ["cert", "ca-cert"])
def test_two_names_of_ca_cert(tmp_path: Path, below: str, above: str) -> None:
    """`cert` is `ca-cert` by pip's name: over each other the one replaces the other."""
    found = configured(
        tmp_path, f'[profiles.x]\n{above} = "new"\n', f'[profiles.x]\n{below} = ["old", "older"]\n'
    )
    ca_cert = found.profile("x", SAID).ca_cert
    assert ca_cert is not None
    assert [path.name for path in ca_cert.value] == ["new"]


# --- the user file over the system file


def test_user_over_system(tmp_path: Path) -> None:
    """Tables merge and any other value replaces, lists included."""
    found = configured(
        tmp_path,
        """
        default-profile = "mine"
        trusted-directories = ["/mine"]
        [profiles.shared]
        roots = "none"
        ca-cert = ["mine.pem"]
        [profiles.mine]
        """,
        """
        default-profile = "shared"
        trusted-directories = ["/one", "/two"]
        expiry-notice-days = 5
        [profiles.shared]
        roots = "public"
        ca-cert = ["a.pem", "b.pem"]
        client-cert = "own.pem"
        passphrase = "prompt"
        [profiles.theirs]
        """,
    )
    assert found.default_profile is not None
    assert found.default_profile.value == "mine"
    assert found.trusted_directories is not None
    assert found.trusted_directories.value == (Path("/mine"),)
    assert found.expiry_notice_days.value == 5
    assert set(found.profiles) == {"shared", "mine", "theirs"}
    shared = found.profile("shared", SAID)
    assert shared.roots.value == "none"
    assert shared.ca_cert is not None
    assert shared.ca_cert.value == (tmp_path / "user/mine.pem",)
    assert "system/config.toml:9" in str(shared.passphrase.origin)


def test_a_passphrase_without_a_certificate(tmp_path: Path) -> None:
    """What would run without a certificate, though a key was meant, is an error of that line."""
    found = configured(tmp_path, '[profiles.lost]\npassphrase = "prompt"\n', "")
    with pytest.raises(ConfigurationError) as caught:
        found.profile("lost", SAID)
    assert "config.toml:2: `passphrase` needs `client-cert`" in caught.value.fact
    assert "extends" in caught.value.hint


def test_names_across_layers(tmp_path: Path) -> None:
    """A layer may name what the other has: the user a profile of the system, and back."""
    found = configured(
        tmp_path,
        'default-profile = "theirs"\n[profiles.base]\nroots = "none"\nca-cert = "x"\n',
        '[profiles.theirs]\nextends = "base"\n[profiles.base]\n',
    )
    assert found.profile("theirs", SAID).roots.value == "none"


def test_directories_across_layers(tmp_path: Path) -> None:
    """[[directories]] merge by the path that they resolve to."""
    source = tmp_path / "home/src"
    source.mkdir()
    (tmp_path / "home/link").symlink_to(source)
    found = configured(
        tmp_path,
        '[profiles.u]\n[[directories]]\npath = "~/link/"\nprofile = "u"\n',
        '[profiles.s]\n[[directories]]\npath = "~/src/../src"\nprofile = "s"\n'
        '[[directories]]\npath = "/srv"\nprofile = "s"\n',
    )
    rules = {Path(rule.path): rule.profile.value for rule in found.directories}
    assert rules == {source.resolve(): "u", Path("/srv").resolve(): "s"}


def test_directory_twice(tmp_path: Path) -> None:
    """One file that names a directory twice, in whatever spelling, is an error with both lines."""
    error = failure(
        tmp_path,
        '[profiles.a]\n[[directories]]\npath = "/srv/x"\nprofile = "a"\n'
        '[[directories]]\npath = "/srv/../srv/x/"\nprofile = "a"\n',
    )
    assert error.fact.startswith("user/config.toml:6: /srv/x stands in [[directories]] twice")
    assert error.fact.endswith("config.toml:4")


def test_account_of_a_profile_without_a_name(tmp_path: Path) -> None:
    """Without a name the keyring's user is the key's own file."""
    found = configured(tmp_path, '[profiles.x]\nclient-cert = "c.pem"\nclient-key = "k.pem"\n')
    said = dict(found.profiles["x"])
    assert build(None, said, SAID).account == f"file:{tmp_path}/user/k.pem"
    del said["client-key"]
    assert build(None, said, SAID).account == f"file:{tmp_path}/user/c.pem"
    assert build("x", said, SAID).account == "x"
