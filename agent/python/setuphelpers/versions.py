"""Comparable dotted versions."""

import functools
import re

_RUNS = re.compile(r'\d+|[^\d]+')


def _runs(text):
    """Splits into comparable runs: numbers sort as numbers and before words."""
    return tuple((0, int(run), '') if run[0] in '0123456789' else (1, 0, run.lower())
                 for run in _RUNS.findall(text))


@functools.total_ordering
class Version:
    """A version such as 10.0.19045, 2.1-3 or 8u312, ordered member by member.

    An absent member is lower than a present one (1 < 1.0). With `members_count`
    only that many members count, and absent ones count as 0, so that
    Version('7.1', 3) equals Version('7.1.0', 3).
    """

    def __init__(self, version='', members_count=None):
        if isinstance(version, Version):
            members_count = version.members_count if members_count is None else members_count
            version = version.text
        elif isinstance(version, (list, tuple)):
            version = '.'.join(str(member) for member in version)
        self.text = '' if version is None else str(version).strip()
        self.members_count = members_count
        members, _, packaging = self.text.partition('-')
        self.members = members.split('.') if members else []
        self.packaging = packaging
        if members_count is not None:
            self.members = self.members[:members_count]
            self.packaging = ''

    def _key(self):
        members = list(self.members)
        if self.members_count is not None:
            members += ['0'] * (self.members_count - len(members))
        return ([_runs(member) for member in members],
                [_runs(part) for part in self.packaging.split('.')] if self.packaging else [])

    def _other(self, other):
        if isinstance(other, Version):
            return other
        if other is None or isinstance(other, (str, int, float, list, tuple)):
            return Version(other, self.members_count)
        return None

    def __eq__(self, other):
        other = self._other(other)
        return NotImplemented if other is None else self._key() == other._key()

    def __lt__(self, other):
        other = self._other(other)
        return NotImplemented if other is None else self._key() < other._key()

    def __hash__(self):
        return hash(repr(self._key()))

    def __str__(self):
        text = '.'.join(self.members)
        return '%s-%s' % (text, self.packaging) if self.packaging else text

    def __repr__(self):
        return 'Version(%r)' % str(self)


def PackageVersion(version):
    """Compares package versions; kept as a name for older scripts."""
    return Version(version)
