"""Requests for packages, the order of versions and indexes, against the golden files."""

import io
import os
import unittest
import zipfile

from support import FolderTest, PYTHON_DIR

from setuphelpers.errors import EWaptException
from setuphelpers.package import PackageEntry
from setuphelpers.package_request import PackageRequest, _VALID_VERSION, parse_requests
from setuphelpers.repository import WaptHostRepo, WaptLocalRepo, WaptRemoteRepo
from setuphelpers.versions import Version

GOLDEN = os.path.join(PYTHON_DIR, '..', '..', 'tests', 'golden')


def rows(name):
    with open(os.path.join(GOLDEN, name), encoding='utf-8') as file:
        for line in file:
            if not line.startswith('#'):
                yield line.rstrip('\n').split('\t')


class Golden(unittest.TestCase):
    def test_conditions_match_as_they_always_did(self):
        for version, condition, expected, _ in rows('conditions.tsv'):
            found = PackageRequest(condition).is_matched_by(PackageEntry('p', version))
            self.assertEqual(str(found), expected, (version, condition))

    def test_versions_of_packages_have_the_order_of_the_index(self):
        for one, other, expected, *_ in rows('versions.tsv'):
            if not (_VALID_VERSION.match(one) and _VALID_VERSION.match(other)):
                continue
            one, other = Version(one), Version(other)
            self.assertEqual((one > other) - (one < other), int(expected), (one, other))


class Requests(unittest.TestCase):
    def test_requests_are_read_and_written(self):
        self.assertEqual(str(PackageRequest('a')), 'a')
        self.assertEqual(str(PackageRequest('a(1.2)')), 'a(=1.2)')
        self.assertEqual(str(PackageRequest('a(>= 1.2-3)')), 'a(>=1.2-3)')
        self.assertEqual([str(one) for one in parse_requests('a, b(<2)')], ['a', 'b(<2)'])
        self.assertEqual(PackageRequest('a(=1)'), PackageRequest('a(1)'))
        for nothing in ('', '(=1)', None):
            with self.assertRaises(EWaptException):
                PackageRequest(nothing)


class Repositories(FolderTest):
    def index(self):
        text = '\n\n'.join('package           : demo\nversion           : %s\n'
                           'section           : base' % version
                           for version in ('1.2-0', '1.10-0', '1.9-1'))
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, 'w') as archive:
            archive.writestr('Packages', text + '\n')
        return packed.getvalue()

    def test_the_newest_package_of_an_index_is_found(self):
        self.write('Packages', self.index())
        repository = WaptLocalRepo(self.folder)
        self.assertEqual(len(repository.packages()), 3)
        self.assertEqual(repository.get('demo').version, '1.10-0')
        self.assertEqual(repository.get('demo(<1.10)').version, '1.9-1')
        self.assertIsNone(repository.get('other'))

    def test_a_damaged_index_is_named(self):
        self.write('Packages', b'nonsense')
        with self.assertRaisesRegex(EWaptException, 'waptlocal has no readable index'):
            WaptLocalRepo(self.folder).packages()

    def test_repositories_say_what_they_need(self):
        with self.assertRaisesRegex(EWaptException, 'needs its address'):
            WaptRemoteRepo()
        with self.assertRaisesRegex(EWaptException, 'in no index'):
            WaptHostRepo('http://127.0.0.1:1/').packages()


if __name__ == '__main__':
    unittest.main()
