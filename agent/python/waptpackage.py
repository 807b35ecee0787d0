"""Names that older package scripts import from `waptpackage`."""

from setuphelpers.errors import (EWaptBadControl, EWaptBadTargetOS, EWaptCancelled,
                                 EWaptConflictingPackage, EWaptDiskSpace, EWaptException,
                                 EWaptInstallError, EWaptInstallPostponed,
                                 EWaptMissingCertificate, EWaptNeedsNewerAgent, EWaptNotAPackage,
                                 EWaptUnavailablePackage)
from setuphelpers.package import PackageEntry, parse_control as control_to_dict
from setuphelpers.versions import PackageVersion, Version

__all__ = ['EWaptBadControl', 'EWaptBadTargetOS', 'EWaptCancelled', 'EWaptConflictingPackage',
           'EWaptDiskSpace', 'EWaptException', 'EWaptInstallError', 'EWaptInstallPostponed',
           'EWaptMissingCertificate', 'EWaptNeedsNewerAgent', 'EWaptNotAPackage',
           'EWaptUnavailablePackage', 'PackageEntry', 'PackageVersion', 'Version',
           'control_to_dict']
