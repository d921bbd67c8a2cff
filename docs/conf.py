"""Sphinx: the documentation as a site, `make docs`. Its source folder is the repository, so that links between pages
are the same here and where the repository is browsed."""

import os
from importlib.metadata import version as installed
from pathlib import Path

project = "Loopwire"
author = "The Loopwire authors"
release = version = installed("loopwire")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "sphinx_copybutton"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md", "examples/**.md", "examples/tagger.ipynb"]

html_theme = "furo"
html_title = "Loopwire"

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
nb_execution_mode = "force"  # every tutorial is run at each build,
nb_execution_raise_on_error = True  # and a cell that fails fails the build
nb_execution_timeout = 300  # seconds a cell
nb_merge_streams = True

# Otherwise each kernel warns that it listens on a port of this computer.
_profile = Path(__file__).resolve().parents[1] / "build" / "ipython" / "profile_default"
_profile.mkdir(parents=True, exist_ok=True)
(_profile / "ipython_kernel_config.py").write_text("get_config().IPKernelApp.log_level = 'ERROR'\n")
os.environ["IPYTHONDIR"] = str(_profile.parent)

autodoc_member_order = "bysource"
