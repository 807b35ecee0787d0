"""Names that older package scripts import from `waptpackage`."""

from setuphelpers.errors import (EWaptBadControl, EWaptBadTargetOS, EWaptCancelled,
                                 EWaptConflictingPackage, EWaptDiskSpace, EWaptException,
                                 EWaptInstallError, EWaptInstallPostponed,
                                 EWaptMissingCertificate, EWaptNeedsNewerAgent, EWaptNotAPackage,
                                 EWaptUnavailablePackage)
from setuphelpers.package import PackageEntry, parse_control as control_to_dict
from setuphelpers.package_request import PackageRequest
from setuphelpers.repository import WaptLocalRepo, WaptRemoteRepo
from setuphelpers.versions import PackageVersion, Version

__all__ = ['EWaptBadControl', 'EWaptBadTargetOS', 'EWaptCancelled', 'EWaptConflictingPackage',
           'EWaptDiskSpace', 'EWaptException', 'EWaptInstallError', 'EWaptInstallPostponed',
           'EWaptMissingCertificate', 'EWaptNeedsNewerAgent', 'EWaptNotAPackage',
           'EWaptUnavailablePackage', 'PackageEntry', 'PackageRequest', 'PackageVersion',
           'Version', 'WaptLocalRepo', 'WaptRemoteRepo', 'control_to_dict']
