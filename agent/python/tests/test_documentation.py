"""The page of all helpers is what the code says, and is complete."""

import os
import sys
import unittest

from support import PYTHON_DIR

sys.path.insert(0, os.path.join(PYTHON_DIR, 'tools'))
import list_helpers  # noqa: E402

import setuphelpers  # noqa: E402

PAGE = os.path.join(PYTHON_DIR, '..', '..', 'docs', 'setuphelpers.md')


class Page(unittest.TestCase):
    def test_the_page_is_what_the_code_says(self):
        with open(PAGE, encoding='utf-8') as file:
            self.assertEqual(file.read(), list_helpers.page(), 'run `make docs`')

    def test_the_page_names_everything(self):
        page = list_helpers.page()
        for name in setuphelpers.__all__:
            self.assertRegex(page, r'`%s[`(]' % name)

    def test_every_helper_has_its_chapter(self):
        _, left = list_helpers.chapters()
        strays = [name for name, value in left.items() if callable(value)]
        self.assertEqual(sorted(strays), ['report_progress', 'under_root'])

    def test_descriptions_are_sentences(self):
        for title, names in list_helpers.chapters()[0]:
            for name, value in names.items():
                if callable(value):
                    self.assertRegex(list_helpers.sentence(value), r'^[\w\\~.].*[.)]$', name)


if __name__ == '__main__':
    unittest.main()
