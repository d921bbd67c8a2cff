"""Sphinx: the documentation as a site, `make docs`. Its source folder is the repository, so that links between pages
are the same here and where the repository is browsed."""

from importlib.metadata import version as installed

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

autodoc_member_order = "bysource"
