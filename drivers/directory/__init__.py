# SPDX-License-Identifier: Apache-2.0
"""Logbooks in a directory: for one host, small tools and tests, without a database and without jobs."""
