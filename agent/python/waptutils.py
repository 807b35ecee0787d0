"""Names that older package scripts import from `waptutils`."""

from setuphelpers.context import logger
from setuphelpers.dates import (currentdate, currentdatetime, datetime2isodate, fileisodate,
                                httpdatetime2isodate, isodate2datetime)
from setuphelpers.files import (all_files, find_all_files, md5_for_file, sha1_for_file,
                                sha256_for_file)
from setuphelpers.net import wget, wgets
from setuphelpers.text import ensure_list, ensure_unicode, jsondump
from setuphelpers.versions import Version

__all__ = ['Version', 'all_files', 'currentdate', 'currentdatetime', 'datetime2isodate',
           'ensure_list', 'ensure_unicode', 'fileisodate', 'find_all_files',
           'httpdatetime2isodate', 'isodate2datetime', 'jsondump', 'logger', 'md5_for_file',
           'sha1_for_file', 'sha256_for_file', 'wget', 'wgets']
