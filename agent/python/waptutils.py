"""Names that older package scripts import from `waptutils`."""

from setuphelpers.archive import unzip as zip_extract
from setuphelpers.context import logger
from setuphelpers.dates import (currentdate, currentdatetime, datetime2isodate, fileisodate,
                                hours_minutes, httpdatetime2datetime, httpdatetime2isodate,
                                isodate2datetime, time2display)
from setuphelpers.files import (all_files, default_oncopy, default_overwrite,
                                default_overwrite_older, default_skip, ensure_dir,
                                find_all_files, get_sha256, md5_for_file, mkdirs, remove_file,
                                sha1_for_file, sha256_for_file)
from setuphelpers.net import wget, wgets
from setuphelpers.text import ensure_list, ensure_unicode, jsondump
from setuphelpers.versions import Version

__all__ = ['Version', 'all_files', 'currentdate', 'currentdatetime', 'datetime2isodate',
           'default_oncopy', 'default_overwrite', 'default_overwrite_older', 'default_skip',
           'ensure_dir', 'ensure_list', 'ensure_unicode', 'fileisodate', 'find_all_files',
           'get_sha256', 'hours_minutes', 'httpdatetime2datetime', 'httpdatetime2isodate',
           'isodate2datetime', 'jsondump', 'logger', 'md5_for_file', 'mkdirs', 'remove_file',
           'sha1_for_file', 'sha256_for_file', 'time2display', 'wget', 'wgets', 'zip_extract']
