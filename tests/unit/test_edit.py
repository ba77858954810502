"""Edits of a configuration change what they should, and nothing else."""

from __future__ import annotations

import codecs
import difflib

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from mtls_run.config import edit
from mtls_run.errors import ConfigurationError

# Every way of writing a thing that an edit must not touch.
TEXT = """\
# Everything of the company. \u00e9

default-profile = 'corp'  # the usual one
expiry-notice-days   =  30

# corp: ask Bob
[ profiles.corp ] # a header
client-cert='~/pki/alice.p12'
# the key is elsewhere
client-key = \"\"\"\\
  ~/pki/alice.key\"\"\"
ca-cert = [
  '~/pki/one.pem', # one
  "~/pki/two.pem",
]

# lab's own: do not lose this
[profiles."lab.eu"]
extends = "corp" # for now
passphrase = { env = 'LAB' }

[[directories]]
path = "~/src"
profile = "corp"

# second
[[directories]]
path = "~/lab"
profile = "lab.eu"
# the end
"""
FORMS = {
    "lf": TEXT.encode(),
    "crlf": TEXT.replace("\n", "\r\n").encode(),
    "bom": codecs.BOM_UTF8 + TEXT.encode(),
    "no newline at the end": TEXT.rstrip("\n").encode(),
}


def changed(before: bytes, after: bytes) -> tuple[list[str], list[str]]:
    """Return the removed lines and the new lines; all others are identical."""
    old, now = (text.decode("utf-8-sig").rstrip("\n").split("\n") for text in (before, after))
    found = list(difflib.ndiff(old, now))
    gone = [line[2:].rstrip("\r") for line in found if line.startswith("- ")]
    new = [line[2:].rstrip("\r") for line in found if line.startswith("+ ")]
    return gone, new


def line_ends(content: bytes) -> set[bytes]:
    """Return the line ends in use."""
    lines = content.split(b"\n")[:-1]
    return {b"\r\n" if line.endswith(b"\r") else b"\n" for line in lines}


@pytest.fixture(params=FORMS)
def content(request: pytest.FixtureRequest) -> bytes:
    """Return the configuration with each line end, with a BOM, and without its last newline."""
    return FORMS[request.param]


def test_set_default(content: bytes) -> None:
    """Another default profile changes one line, and keeps the comment on it."""
    after = edit.set_default(content, "lab.eu")
    assert changed(content, after) == (
        ["default-profile = 'corp'  # the usual one"],
        ['default-profile = "lab.eu"  # the usual one'],
    )
    assert line_ends(after) == line_ends(content)
    assert after.startswith(codecs.BOM_UTF8) == content.startswith(codecs.BOM_UTF8)


def test_same_default(content: bytes) -> None:
    """A default that stays keeps its spelling: nothing changes."""
    assert edit.set_default(content, "corp") == content


def test_add(content: bytes) -> None:
    """A new profile is appended, with the line ends of the file."""
    values = {
        "client-cert": '~/a "b"\\c',
        "ca-cert": ["~/x", "~/y"],
        "passphrase": {"command": ["op", "read it"]},
    }
    after = edit.put_profile(content, "new.one", values)
    assert after[len(content) :].split() == [
        *(b'[profiles."new.one"]', b"client-cert", b"=", b'"~/a', b'\\"b\\"\\\\c"'),
        *(b"ca-cert", b"=", b'["~/x",', b'"~/y"]'),
        *(b"passphrase", b"=", b"{command", b"=", b'["op",', b'"read', b'it"]}'),
    ]
    assert after.startswith(content)
    assert line_ends(after) == line_ends(content)


def test_replace(content: bytes) -> None:
    """A replaced profile keeps its place, its comments, and the spelling of values that stay."""
    values = {"client-cert": "~/pki/alice.p12", "ca-cert": "~/new.pem", "roots": "none"}
    after = edit.put_profile(content, "corp", values)
    gone, new = changed(content, after)
    assert gone == [
        'client-key = """\\',
        '  ~/pki/alice.key"""',
        "ca-cert = [",
        "  '~/pki/one.pem', # one",
        '  "~/pki/two.pem",',
        "]",
    ]
    assert new == ['ca-cert = "~/new.pem"', 'roots = "none"']
    assert after.decode("utf-8-sig").index("roots") < after.decode("utf-8-sig").index("# lab's own")
    assert line_ends(after) == line_ends(content)


def test_drop(content: bytes) -> None:
    """A profile is removed with the comments inside it; the comment on the next one stays."""
    after = edit.drop(content, ("profiles", "corp"))
    gone, new = changed(content, after)
    assert new == []
    text = after.decode("utf-8-sig")
    for kept in (
        "# corp: ask Bob",
        "# lab's own: do not lose this",
        "# the usual one",
        "# the end",
    ):
        assert kept in text
    for lost in ("alice.p12", "alice.key", "the key is elsewhere", "two.pem", "a header"):
        assert lost not in text
    assert len(gone) == 9
    assert line_ends(after) == line_ends(content)


def test_drop_several(content: bytes) -> None:
    """Entries of [[directories]] are numbered as in the text before the edit."""
    paths = [("directories", 0), ("profiles", "lab.eu", "extends"), ("default-profile",)]
    after = edit.drop(content, *paths)
    assert changed(content, after)[1] == []
    found = tomlkit.parse(after.decode("utf-8-sig")).unwrap()
    assert found["directories"] == [{"path": "~/lab", "profile": "lab.eu"}]
    assert found["profiles"]["lab.eu"] == {"passphrase": {"env": "LAB"}}
    assert "default-profile" not in found
    assert "# second" in after.decode("utf-8-sig")


def test_both_directories(content: bytes) -> None:
    """Two entries can be removed at once."""
    after = edit.drop(content, ("directories", 0), ("directories", 1))
    assert "directories" not in tomlkit.parse(after.decode("utf-8-sig"))
    assert "# second" in after.decode("utf-8-sig")


ADDED = b'\n[profiles.b]\nroots = "none"\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b'[profiles.b]\nroots = "none"\n'),
        (b"# mine", b"# mine\n" + ADDED),
        (b"[profiles.a]\n", b"[profiles.a]\n" + ADDED),
        (b"[profiles.a]\n\n", b"[profiles.a]\n" + ADDED),
        (b"[profiles]\na.roots = 'none'\n", b"[profiles]\na.roots = 'none'\n" + ADDED),
        (b"profiles.a.roots = 'none'\n", b"profiles.a.roots = 'none'\n" + ADDED),
        (b"profiles.b.roots = 'system'\n", ADDED[1:]),
        (b"[profiles]\nb = {roots='system'}\n", b"[profiles]\n" + ADDED),
        (
            b"[profiles.b]\nroots='system'\n[profiles.b.passphrase]\nenv='X'\n[profiles.a]\n",
            b'[profiles.b]\nroots="none"\n[profiles.a]\n',
        ),
        (b"[profiles.b]", b'[profiles.b]\nroots = "none"\n'),
        (b"[profiles.b]\n'roots' = 'system' # x", b"[profiles.b]\n'roots' = \"none\" # x\n"),
    ],
)
def test_put_wherever_it_stands(before: bytes, after: bytes) -> None:
    """A profile is added or replaced in every form of TOML, and the others stay."""
    assert edit.put_profile(before, "b", {"roots": "none"}) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b'default-profile = "b"\n'),
        (
            b"# mine\n\n# a\n[profiles.a]\n",
            b'# mine\n\ndefault-profile = "b"\n\n# a\n[profiles.a]\n',
        ),
        (b"# a\n[profiles.a]\n", b'default-profile = "b"\n\n# a\n[profiles.a]\n'),
        (b"expiry-notice-days = 3 # x\n", b'expiry-notice-days = 3 # x\ndefault-profile = "b"\n'),
        (b"expiry-notice-days = 3", b'expiry-notice-days = 3\ndefault-profile = "b"\n'),
        (b"'default-profile'='a'#x\r\n", b"'default-profile'=\"b\"#x\r\n"),
    ],
)
def test_default_is_put_on_top(before: bytes, after: bytes) -> None:
    """A new default is put before the first table and below the comment on the file."""
    assert edit.set_default(before, "b") == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"profiles = {a = {}, b = {}}\n", b"profiles = {a = {} }\n"),
        (b"[profiles]\na = {}\nb = {}\n# c\n", b"[profiles]\na = {}\n# c\n"),
        (b"[profiles.b.passphrase]\nenv = 'X'\n[profiles.a]\n", b"[profiles.a]\n"),
        (b"[profiles.b]\nroots = 'none'\n\n\n# a\n[profiles.a]\n", b"# a\n[profiles.a]\n"),
        (b"[profiles.b]\n# client-cert = 'x'\n", b"# client-cert = 'x'\n"),
        (
            b"[profiles.a]\n[profiles.b]\n[directories-of-a]\n",
            b"[profiles.a]\n[directories-of-a]\n",
        ),
    ],
)
def test_drop_wherever_it_stands(before: bytes, after: bytes) -> None:
    """A profile is removed in every form of TOML, and the others stay."""
    assert edit.drop(before, ("profiles", "b")) == after


def test_drop_inside_of_one_line() -> None:
    """A key is removed from an inline table, and an entry from an inline list."""
    before = (
        b'profiles = {a = {extends="b", roots="none"}}\ndirectories = [{path="x"}, {path="y"}]\n'
    )
    after = edit.drop(before, ("profiles", "a", "extends"), ("directories", 0))
    assert tomlkit.parse(after.decode()).unwrap() == {
        "profiles": {"a": {"roots": "none"}},
        "directories": [{"path": "y"}],
    }


@pytest.mark.parametrize(
    "before",
    [
        b"profiles = {a = {roots='none'}}\n",  # nothing can be added below a table in one line
        b"directories = [\n[]]\nprofiles = {}\n",
    ],
)
def test_refused(before: bytes) -> None:
    """An edit that would change other values is refused."""
    with pytest.raises(ConfigurationError, match="without changing more") as caught:
        edit.put_profile(before, "b", {"roots": "none"})
    assert caught.value.hint == "make the change by hand: mtls-run profile edit"


NAMES = st.text("ab.-_1", min_size=1, max_size=4)
WORDS = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.dictionaries(
    st.sampled_from(["client-cert", "client-key", "roots"]), WORDS, min_size=1, max_size=3
)
BLANKS = st.sampled_from(["", "\n", "# words\n", "\n# more\n\n"])


@given(st.dictionaries(NAMES, VALUES, max_size=4), NAMES, VALUES, BLANKS)
def test_add_then_remove(
    there: dict[str, dict[str, str]], name: str, values: dict[str, str], blanks: str
) -> None:
    """To add a profile and remove it leaves the text as it was."""
    there.pop(name, None)
    document = tomlkit.document()
    document["profiles"] = dict(there)
    before = (blanks + tomlkit.dumps(document).replace("[profiles]\n", "") + blanks).encode()
    added = edit.put_profile(before, name, values)
    assert tomlkit.parse(added.decode())["profiles"][name] == values
    after = edit.drop(added, ("profiles", name))
    assert after.rstrip(b"\n") == before.rstrip(b"\n")


PIECES: dict[edit.Keys, str] = {
    ("profiles", "a"): "[profiles.a]\nroots = '''\n[x]\n# not a comment'''\n",
    ("profiles", "b"): "[ profiles . 'b' ] # mine\nca-cert = [\n  'x', # one\n]\nroots='none'\n",
    ("profiles", "c"): "  [profiles.c]\n# inside\nclient-cert = 'x' # \u2028 [profiles.x]\n",
    ("profiles", "d"): "[profiles.d.passphrase]\nenv = 'D'\n",
    ("directories", 0): "[[directories]]\npath = 'x'\nprofile = 'a'\n",
}


@given(st.permutations(list(PIECES)), st.lists(BLANKS, min_size=6, max_size=6), st.data())
def test_order_and_comments_stay(
    order: list[edit.Keys], blanks: list[str], data: st.DataObject
) -> None:
    """In every order of tables, one table is removed, and the comments above all tables stay."""
    above = [blank + f"# {number}\n" for number, blank in enumerate(blanks)]
    texts = [words + PIECES[path] for words, path in zip(above, order)]
    before = "default-profile = 'a'\n" + "".join(texts) + above[-1]
    path = data.draw(st.sampled_from(order))
    at = order.index(path)
    texts[at] = above[at]
    after = "default-profile = 'a'\n" + "".join(texts) + above[-1]
    assert lines(edit.drop(before.encode(), path).decode()) == lines(after)
    assert edit.set_default(before.encode(), "b").decode() == before.replace("= 'a'", '= "b"', 1)


def lines(text: str) -> list[str]:
    """Return the lines that are not blank."""
    return [line for line in text.split("\n") if line.strip()]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            b"[profiles]\nb.roots = 'none'\n# why\nb.remember = '8h'\na = {} # a\n",
            b"[profiles]\n# why\na = {} # a\n",
        ),
        (
            b"profiles.a.roots = 'none'\nprofiles.b.roots = 'none'\nexpiry-notice-days = 3\n",
            b"profiles.a.roots = 'none'\nexpiry-notice-days = 3\n",
        ),
        (
            b"[profiles.b]\n[profiles.a] # a\n# p\n[profiles.b.passphrase]\nenv = 'X'\n# end\n",
            b"[profiles.a] # a\n# p\n# end\n",
        ),
    ],
)
def test_drop_in_pieces(before: bytes, after: bytes) -> None:
    """A profile that is written in several places is removed from all of them."""
    assert edit.drop(before, ("profiles", "b")) == after
