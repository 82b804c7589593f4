# SPDX-License-Identifier: Apache-2.0
"""How Sphinx builds the documentation."""

from __future__ import annotations

import pathlib
import sys

_HERE = pathlib.Path(__file__).resolve().parent
# The reference is that of this tree, whatever is installed.
sys.path[:0] = [str(_HERE / '_ext'), str(_HERE.parents[1])]

project = 'tfd'
author = 'the tfd authors'
copyright = 'the tfd authors'

extensions = ['sphinx.ext.autodoc', 'reno.sphinxext', 'tables', 'transitions']
exclude_patterns: list[str] = []
html_theme = 'alabaster'
html_theme_options = {'description': 'Revertable, resumable workflows for OpenStack', 'page_width': '1100px'}
autodoc_typehints = 'description'
autodoc_member_order = 'bysource'
