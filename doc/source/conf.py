# SPDX-License-Identifier: Apache-2.0
"""How Sphinx builds the documentation."""

from __future__ import annotations

project = 'tfd'
author = 'the tfd authors'
copyright = 'the tfd authors'

extensions = ['sphinx.ext.autodoc', 'reno.sphinxext']
exclude_patterns: list[str] = []
html_theme = 'alabaster'
html_theme_options = {'description': 'Revertable, resumable workflows for OpenStack'}
autodoc_typehints = 'description'
autodoc_member_order = 'bysource'
