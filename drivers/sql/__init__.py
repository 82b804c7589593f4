# SPDX-License-Identifier: Apache-2.0
"""Jobs, logbooks and leases in SQL: SQLite, MariaDB (MySQL) and PostgreSQL."""
