# -*- coding: utf-8 -*-
"""@package@: the folder `files`, copied to the machine.

Program Files on Windows, /opt on Linux. Build and sign it with
`muster package build @package@`.
"""
from setuphelpers import *

# The software does not register itself in Windows' list of installed software.
uninstallkey = []


def target():
    """Where the files go."""
    return makepath(programfiles, '@package@')


def install():
    """Copies the files over those of an earlier version."""
    print('Copying files to %s' % target())
    mkdirs(target())
    copytree2('files', target(), onreplace=default_overwrite)


def uninstall():
    """Takes the folder away with everything in it."""
    print('Removing %s' % target())
    remove_tree(target())


def audit():
    """The folder is there and holds something."""
    if isdir(target()) and not dir_is_empty(target()):
        return 'OK'
    print('%s is missing or empty' % target())
    return 'ERROR'
