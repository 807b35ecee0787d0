"""Requests for packages: a name, with a condition on the version if wanted."""

import re

from .errors import EWaptException
from .text import ensure_list
from .versions import Version

_REQUEST = re.compile(r'^(?P<name>[^()]*?)(?:\(\s*(?P<operator>==|<=|>=|=|<|>)?\s*'
                      r'(?P<version>[^()]*?)\s*\))?\s*$')
_VALID_VERSION = re.compile(r'\d+(?:\.\d+){0,3}(?:-[A-Za-z0-9]+(?:\.[A-Za-z0-9]+)*)?$')


class PackageRequest:
    """A request such as 'name', 'name(=1.2)' or 'name(>=1.0-3)'.

    An ordered comparison first cuts the version to the members that the condition gives,
    so that =1.2 accepts 1.2.7-3; a condition without packaging ignores packaging.
    """

    def __init__(self, request=None, package=None, version=None):
        text = str(request if request is not None else package or '')
        # A bracket that is never closed drops the condition, as it always did.
        match = _REQUEST.match(text) or _REQUEST.match(text.split('(')[0])
        if match is None or not match.group('name').strip():
            raise EWaptException('%r is not a request for a package: write name or '
                                 'name(>=1.0)' % text)
        self.request = text
        self.name_as_written = match.group('name')
        self.package = self.name_as_written.strip()
        condition = version or ''
        if match.group('version'):
            condition = (match.group('operator') or '=') + match.group('version')
        self.version = condition

    def is_matched_by(self, package_entry):
        """Tells whether an entry has the name and fulfils the condition."""
        # A blank before the bracket belongs to the name, which then no package has.
        blank = self.name_as_written.endswith(' ') and '(' in self.request
        if blank or package_entry.package != self.package:
            return False
        return not self.version or is_version_accepted(str(package_entry.version), self.version)

    def __eq__(self, other):
        if not isinstance(other, PackageRequest):
            return NotImplemented
        return (self.package, self.version) == (other.package, other.version)

    def __hash__(self):
        return hash((self.package, self.version))

    def __str__(self):
        return '%s(%s)' % (self.package, self.version) if self.version else self.package

    def __repr__(self):
        return 'PackageRequest(%r)' % str(self)


def is_version_accepted(version, condition):
    """Tells whether a version fulfils a condition such as '>=1.0'; no operator means '='."""
    match = re.match(r'\s*(==|<=|>=|=|<|>)?\s*(.*?)\s*$', condition)
    operator, wanted = match.group(1) or '=', match.group(2)
    found = version
    # Anything but a version of a package compares as text, like in the index.
    if _VALID_VERSION.match(wanted) and _VALID_VERSION.match(version):
        wanted, found = Version(wanted), Version(version)
        cut = '.'.join(found.members[:len(wanted.members)])
        if wanted.packaging and found.packaging:
            cut += '-' + found.packaging
        found = Version(cut)
    return {'=': found == wanted, '==': found == wanted, '<': found < wanted,
            '<=': found <= wanted, '>': found > wanted, '>=': found >= wanted}[operator]


def parse_requests(text):
    """Reads a list of requests, 'a,b(>=1.0)' or a list of such."""
    return [PackageRequest(item) for item in ensure_list(text)]
