# SPDX-License-Identifier: Apache-2.0
"""Options of the section ``[secrets]``: what is secret, and the keys that encrypt it."""

from __future__ import annotations

import pathlib

from oslo_config import cfg

from tfd import exceptions

__all__ = ['GROUP', 'OPTS', 'keys']

GROUP = cfg.OptGroup('secrets', title='What is secret, and the keys that encrypt it')

#: What services of OpenStack call their secrets; each is part of many names.
_NAMES = [
    'password', 'passwd', 'passphrase', 'admin_pass', 'adminpass', 'auth_token', 'access_token', 'refresh_token',
    'session_token', 'x-auth-token', 'auth_key', 'api_key', 'apikey', 'access_key', 'secret_key', 'secret_uuid',
    'client_secret', 'private_key', 'encryption_key', 'credential',
]

OPTS = [
    cfg.ListOpt(
        'keys', secret=True, default=[],
        help="The keys that encrypt secrets in the database, as 'tfd-manage secrets generate-key' "
             'prints them, separated by commas. The first encrypts, all of them decrypt. They must '
             'be the same on every host, and a new one goes to the end of the list on every host '
             'before it goes to its begin on the first. Without a key nothing is encrypted, and a '
             'job or a task with a value that its author marked as secret is refused.'),
    cfg.StrOpt(
        'keys_file',
        help='A file with one key a line, read at start; those in keys come before them. With '
             'systemd: LoadCredential=tfd-keys:/etc/tfd/keys, and here '
             '/run/credentials/tfd-conductor.service/tfd-keys.'),
    cfg.ListOpt(
        'names', default=_NAMES,
        help='Parts of names, in any case, whose values are secret: of inputs and results of '
             'flows, and of members of dictionaries in them at any depth. They are masked in logs '
             'and, where there is a key, encrypted in the database. Tasks get the plain values.'),
]


def keys(conf: cfg.ConfigOpts) -> list[str]:
    """Return all keys, that which encrypts first.

    :raises BadConfiguration: the file of keys cannot be read.
    """
    # Not as an attribute: a section is a mapping too.
    found = list(conf.secrets['keys'])
    if conf.secrets.keys_file:
        try:
            text = pathlib.Path(conf.secrets.keys_file).read_text(encoding='ascii')
        except (OSError, UnicodeDecodeError) as err:
            why = getattr(err, 'strerror', None) or 'not text'
            raise exceptions.BadConfiguration(
                '[secrets] keys_file', conf.secrets.keys_file, f'a file with one key a line ({why})') from None
        found += [line.strip() for line in text.splitlines() if line.strip() and not line.startswith('#')]
    return list(dict.fromkeys(found))
