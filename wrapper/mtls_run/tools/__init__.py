"""The tools: how to find pip, uv and others, and with which arguments and variables to run them.

To add a tool, write a module with a subclass of `base.Tool`, and add it to `registry`.
"""

from __future__ import annotations

from mtls_run import import_on_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mtls_run.tools import git as git
    from mtls_run.tools import hatch_settings as hatch_settings
    from mtls_run.tools import index_hosts as index_hosts
    from mtls_run.tools import index_settings as index_settings
    from mtls_run.tools import pdm_settings as pdm_settings
    from mtls_run.tools import pip_proxy as pip_proxy
    from mtls_run.tools import pip_python as pip_python
    from mtls_run.tools import pip_version as pip_version
    from mtls_run.tools import projects as projects
    from mtls_run.tools import secret_words as secret_words
    from mtls_run.tools import tox as tox
    from mtls_run.tools import uv_pip_settings as uv_pip_settings
    from mtls_run.tools import uv_proxy as uv_proxy
    from mtls_run.tools import version as version
else:
    __getattr__ = import_on_use(__name__)
