"""Repositories as scripts see them: what packages there are, read without any trust.

The agent checks the signatures of whatever it installs; these lists are for scripts that
compare versions, so nothing here decides what runs.
"""

import io
import os
import zipfile

from .errors import EWaptException
from .package import PackageEntry
from .package_request import PackageRequest

#: A larger index is not read, in bytes of text.
_MAX_INDEX_BYTES = 512 << 20


def parse_index(text):
    """Reads the control entries of an index."""
    return [PackageEntry().load_control_from_text(part)
            for part in text.split('\n\n') if part.strip()]


class WaptRepo:
    """A list of packages; its kinds say where from."""

    def __init__(self, name='wapt'):
        self.name = name
        self._packages = None

    def _index(self):
        raise NotImplementedError

    def packages(self):
        """Lists the packages as entries; the index is read once."""
        if self._packages is None:
            try:
                with zipfile.ZipFile(io.BytesIO(self._index())) as archive:
                    size = archive.getinfo('Packages').file_size
                    if size > _MAX_INDEX_BYTES:
                        raise EWaptException('the index of %s has %d bytes, at most %d are read'
                                             % (self.name, size, _MAX_INDEX_BYTES))
                    text = archive.read('Packages').decode('utf-8', 'replace')
            except (KeyError, zipfile.BadZipFile) as error:
                raise EWaptException('%s has no readable index: %s' % (self.name, error)) from error
            self._packages = parse_index(text)
        return self._packages

    def packages_matching(self, package_cond):
        """Lists the packages that fulfil a request, the oldest first."""
        request = PackageRequest(package_cond)
        return sorted(entry for entry in self.packages() if request.is_matched_by(entry))

    def get(self, packagename, default=None):
        """Returns the newest package of a name, or the default."""
        found = self.packages_matching(packagename)
        return found[-1] if found else default


class WaptLocalRepo(WaptRepo):
    """A repository in a folder of this machine."""

    def __init__(self, localpath, name='waptlocal'):
        super().__init__(name)
        self.localpath = localpath

    def _index(self):
        with open(os.path.join(self.localpath, 'Packages'), 'rb') as file:
            return file.read()


class WaptRemoteRepo(WaptRepo):
    """A repository behind an address."""

    def __init__(self, url=None, name='wapt', verify_cert=None, http_proxy=None, timeout=30):
        super().__init__(name)
        if not url:
            raise EWaptException('a repository needs its address: WaptRemoteRepo(url)')
        self.repo_url, self.verify_cert, self.timeout = url, verify_cert, timeout
        self.proxies = {'http': http_proxy, 'https': http_proxy} if http_proxy else None

    def _index(self):
        from .net import wget_bytes
        return wget_bytes(self.repo_url.rstrip('/') + '/Packages', proxies=self.proxies,
                          verify_cert=self.verify_cert, timeout=self.timeout)


class WaptHostRepo(WaptRemoteRepo):
    """The packages of single hosts: they are in no index."""

    def packages(self):
        raise EWaptException('host packages are in no index: they are asked for by the name of '
                             'their host')
