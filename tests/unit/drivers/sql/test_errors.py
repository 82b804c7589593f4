# SPDX-License-Identifier: Apache-2.0
"""What errors of databases mean."""

from __future__ import annotations

import sqlite3

import psycopg
import pymysql
import sqlalchemy as sa
import testtools

from tfd import exceptions
from tfd_drivers.sql import errors
from tfd_drivers.sql.errors import Verdict
from tfd_drivers.sql.settings import Settings

_SETTINGS = Settings.from_conf({'connection': 'mysql://u:secret@h/d', 'max_pool_size': 3, 'max_overflow': 4})


def _sqlite(name: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError('a text')
    error.sqlite_errorname = name
    return error


class ErrorsTest(testtools.TestCase):

    def _texts(self, *found: Exception) -> list[str]:
        texts = []
        for orig in found:
            error = orig if isinstance(orig, sa.exc.SQLAlchemyError) else sa.exc.OperationalError('s', {}, orig)
            told = errors.translated(error, errors.judge(error), _SETTINGS, '0001')
            self.assertIsInstance(told, exceptions.StorageUnavailable)
            self.assertNotIn('secret', str(told))
            texts.append(str(told))
        return texts

    def test_a_full_disk_is_no_refusal(self) -> None:
        self._texts(
            pymysql.err.OperationalError(1021, 'Disk full (/tmp/x); waiting for someone to free some space'),
            pymysql.err.OperationalError(1114, "The table 'atoms' is full"),
            pymysql.err.OperationalError(1026, "Error writing file 'x' (errno: 28 \"No space left on device\")"),
            pymysql.err.InternalError(1030, 'Got error 28 "No space left on device" from storage engine InnoDB'),
            pymysql.err.InternalError(3, "Error writing file 'x' (Errcode: 28)"),
            psycopg.errors.DiskFull('could not extend file "base/1/2": No space left on device'),
            psycopg.errors.IoError('could not write to file'),
            _sqlite('SQLITE_FULL'), _sqlite('SQLITE_IOERR_WRITE'))

    def test_a_row_that_an_engine_does_not_take_is_refused(self) -> None:
        error = pymysql.err.InternalError(1030, 'Got error 139 "Too big row (>= 16 M)" from storage engine InnoDB')
        self.assertEqual(Verdict.REFUSED, errors.judge(sa.exc.InternalError('s', {}, error)))

    def test_where_no_connection_is_left_the_options_are_named(self) -> None:
        for text in self._texts(
            sa.exc.TimeoutError('QueuePool limit of size 3 overflow 4 reached'),
            pymysql.err.OperationalError(1040, 'Too many connections'),
            pymysql.err.OperationalError(1203, "User x already has more than 'max_user_connections'"),
            psycopg.errors.TooManyConnections('too many connections for role "x"'),
            psycopg.OperationalError('connection failed: FATAL:  sorry, too many clients already'),
            psycopg.OperationalError('connection failed: FATAL:  remaining connection slots are reserved'),
        ):
            self.assertIn('max_pool_size = 3 and max_overflow = 4 more', text)

    def test_other_outages_do_not_name_them(self) -> None:
        for text in self._texts(
            pymysql.err.OperationalError(2003, 'connection refused'), psycopg.OperationalError('connection refused'),
        ):
            self.assertNotIn('max_pool_size', text)
