"""What text begins as, before it is changed: files of settings, and what servers answer."""

CONFIGURATIONS = (
    (
        b'default-profile = "corp"\n'
        b"expiry-notice-days = 3\n"
        b"[profiles.corp]\n"
        b'client-cert = "~/a.pem"\n'
        b'client-key = "a.key"\n'
        b'ca-cert = ["a", "b"]\n'
        b'roots = "none"\n'
        b'passphrase = "prompt"\n'
        b'remember = "8h"\n'
        b"\n"
        b'[profiles."x.y"] # words\n'
        b'extends = "corp"\n'
        b'passphrase = { env = "A" }\n'
        b"[[directories]]\n"
        b'path = "~/work"\n'
        b'profile = "corp"\n'
    ),
    (b'[profiles]\na = { cert = "x" }\nb = { extends = "a", passphrase = { file = "y" } }\n'),
    (b"profiles.a.roots = \"\"\"public\"\"\"\nprofiles.a.ca-cert = '''x'''\n"),
)
PROJECT_FILES = (
    (
        b"[project]\n"
        b'name = "x"\n'
        b"[tool.mtls-run]\n"
        b'profile = "corp"\n'
        b"[tool.uv]\n"
        b'index-url = "https://x"\n'
    ),
    (b'profile = "corp"\n'),
    (b'client-cert = "a.pem"\npassphrase = { file = "x" }\nca-cert = ["~/a"]\n'),
)
UV_FILES = (
    (
        b"[[index]]\n"
        b'name = "corp"\n'
        b'url = "https://u:p@x/simple/"\n'
        b"explicit = true\n"
        b"[pip]\n"
        b'extra-index-url = ["https://a", "https://b"]\n'
    ),
    (
        b"[project]\n"
        b'name = "x"\n'
        b"[tool.uv]\n"
        b'index-url = "https://x"\n'
        b"managed = true\n"
        b"[tool.uv.workspace]\n"
        b'members = ["a*"]\n'
        b"[[tool.uv.index]]\n"
        b'url = "https://y"\n'
    ),
)
PIP_FILES = (
    (
        b"[global]\n"
        b"index-url = https://alice:secret@index.example/simple/\n"
        b"cert = ~/root.pem\n"
        b"client-cert: /pki/alice.pem\n"
        b"[install]\n"
        b"extra-index-url =\n"
        b"    https://a/\n"
        b"    https://b/\n"
    ),
    (b"[DEFAULT]\nproxy = http://u:p@proxy:3128\n[download]\n--cert=x\n; words\n"),
)
# The first byte says in what pieces they come; see `targets.Script`.
ANSWERS = (
    (
        b"\xffHTTP/1.1 200 OK\r\n"
        b"Date: Mon, 23 Nov 2026 04:00:00 GMT\r\n"
        b"Content-Type: text/html\r\n"
        b"Content-Length: 40\r\n"
        b"\r\n"
        b"<!DOCTYPE html><body><a href='x'>x</a>  "
    ),
    (
        b"\x02HTTP/1.1 200 OK\r\n"
        b"Content-Type: application/vnd.pypi.simple.v1+json\r\n"
        b"Transfer-Encoding: chunked\r\n"
        b"\r\n"
        b"12\r\n"
        b'{"projects": []}  \r\n'
        b"0\r\n"
        b"\r\n"
    ),
    (b"\tHTTP/1.1 302 Found\r\nLocation: https://other.example/simple/\r\n\r\n"),
    (
        b"\xffHTTP/1.0 400 Bad Request\r\n"
        b"Server: nginx\r\n"
        b"\r\n"
        b"<h1>400 The SSL certificate error</h1>"
    ),
)
TUNNELS = (
    (b"\xffHTTP/1.1 200 Connection established\r\n\r\n"),
    (b"\x01HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n"),
)
PROXIES = (
    (b"http://u:p@proxy.example:3128\nlocalhost,.corp.example,10.0.0.0/8"),
    (b"socks5h://[::1]:1080\n*"),
)
