"""The order of versions."""

import unittest

import support  # noqa: F401  (import path)
from setuphelpers.versions import Version


class Order(unittest.TestCase):
    def test_versions_rise(self):
        rising = ['', '0', '1', '1.0', '1.0-0', '1.0-1', '1.0-2', '1.0-10', '1.0.0', '1.0.0-1',
                  '1.0.0.0-1', '1.2', '1.2.3', '1.2.3-4', '1.2.3.4', '1.2.3.4-5', '1.10', '2.0-0',
                  '9.9-9', '10.0-0', '20200101-3']
        for lower, higher in zip(rising, rising[1:]):
            self.assertLess(Version(lower), Version(higher), (lower, higher))
            self.assertGreater(Version(higher), Version(lower))
            self.assertNotEqual(Version(lower), Version(higher))

    def test_numbers_count_and_not_their_spelling(self):
        self.assertEqual(Version('01.02'), Version('1.2'))
        self.assertEqual(hash(Version('01.02')), hash(Version('1.2')))

    def test_texts_and_numbers_compare_with_versions(self):
        self.assertTrue(Version('2.10') > '2.9')
        self.assertTrue('2.9' < Version('2.10'))
        self.assertTrue(Version('7') == 7)
        self.assertFalse(Version('7') == object())

    def test_a_member_count_cuts_and_fills(self):
        self.assertEqual(Version('10.0.19045.1', 3), Version('10.0.19045'))
        self.assertEqual(Version('7.1', 3), Version('7.1.0'))
        self.assertEqual(str(Version('10.0.19045.1', 2)), '10.0')

    def test_versions_are_written_as_they_were_read(self):
        for text in ('1.2.3', '1.2-3', '8u312'):
            self.assertEqual('%s' % Version(text), text)

    def test_words_inside_versions_are_ordered_naturally(self):
        self.assertLess(Version('8u99'), Version('8u312'))
        self.assertLess(Version('1.0-rc1'), Version('1.0-rc10'))

    def test_anything_may_be_compared_without_failing(self):
        odd = ['', 'abc', '1.a', 'a.1', '1..2', '2:1.0+b1', '1-a-b', None]
        self.assertEqual(len(sorted(odd, key=Version)), len(odd))


if __name__ == '__main__':
    unittest.main()
