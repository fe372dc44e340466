# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Sphinx builds the documentation site (tests/tools/docs). Begun with `antsibull-docs sphinx-init`."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from docutils import nodes
from pygments.lexers.sql import TransactSqlLexer
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

HERE = Path(__file__).resolve().parent
# Sphinx's own way to find what is described elsewhere, intersphinx, would fetch the whole index of Ansible's documentation.
ANSIBLE_DOCUMENTATION = "https://docs.ansible.com/ansible/latest/"
ANSIBLE_PAGES = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "callback_plugins": "plugins/callback.html",
    "common_return_values": "reference_appendices/common_return_values.html",
    "filter_plugins": "plugins/filter.html",
    "lookup_plugins": "plugins/lookup.html",
}
ANSIBLE_VARIABLES = ("ANSIBLE_NOCOLOR", "ANSIBLE_STDOUT_CALLBACK", "NO_COLOR")
GALAXY = yaml.safe_load((HERE / "galaxy.yml").read_text(encoding="utf-8"))

project = "opsmgr.recovery"
author = "opsmgr.recovery contributors"
copyright = f"2026, {author}"
release = version = GALAXY["version"]
html_title = f"{project} {release}"

extensions = ["sphinx_antsibull_ext", "myst_parser"]
include_patterns = [
    "index.md",
    "*.md",
    "CHANGELOG.rst",
    "docs/*.md",
    "roles/*/README.md",
    "tests/lab/README.md",
    "reference/**",
]
nitpicky = True
# Links to headings, by the names that a forge gives them.
myst_heading_anchors = 4

pygments_style = "ansible"
highlight_language = "YAML+Jinja"
# Not Ansible's theme: its pages load scripts of other sites, and this one must be readable without a network.
html_theme = "sphinx_rtd_theme"
html_baseurl = GALAXY.get("documentation", "")
html_show_sphinx = False
html_copy_source = False
html_use_index = False


def setup(app: Sphinx) -> None:
    app.add_lexer("sql", TransactSqlLexer)
    app.connect("missing-reference", link_to_ansible)


def link_to_ansible(
    _app: Sphinx, _environment: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """A link into Ansible's documentation, or nothing, which makes Sphinx complain."""
    page = ansible_page(node["reftarget"])
    return nodes.reference("", "", content, refuri=ANSIBLE_DOCUMENTATION + page, internal=False) if page else None


def ansible_page(target: str) -> str | None:
    """Where Ansible's documentation describes a label or an environment variable; None if it does not."""
    if target in ANSIBLE_VARIABLES:
        return f"reference_appendices/config.html#envvar-{target}"
    if plugin := re.fullmatch(r"ansible_collections\.ansible\.builtin\.(\w+)", target):
        return f"collections/ansible/builtin/{plugin[1]}.html"
    return ANSIBLE_PAGES.get(target)
