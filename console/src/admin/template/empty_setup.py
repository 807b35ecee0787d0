# -*- coding: utf-8 -*-
"""@package@

This file runs on the machines, as the system (root or SYSTEM), in the folder of the unpacked package.
Its name, version and what it needs stand in WAPT/control:

  version      1.0-0: the software's version, a dash, and your packaging number (muster package build -i adds one)
  depends      packages that are installed before this one: demo-a, demo-b(>=2.1)
  conflicts    packages that are removed before this one is installed
  target_os    windows, linux; empty for both
  maturity     DEV, PREPROD or PROD; empty means PROD
  impacted_process   programs that are closed before the installation: firefox,thunderbird

Build and sign it:   muster package build @package@
Send it:             muster package upload @package@_1.0-0.wapt
"""
from setuphelpers import *

# Keys of the registry's list of installed software (Windows). Each must be there after install().
# install_msi_if_needed() and install_exe_if_needed() fill the list by themselves.
uninstallkey = []


def install():
    """Install or upgrade. An exception makes the package ERROR, with its traceback in the log."""
    print('Installing @package@')
    # Windows installers, beside this file:
    #   install_msi_if_needed('program.msi')
    #   install_exe_if_needed('program.exe', silentflags='/VERYSILENT', key='Program_is1')
    # A command; it must end with 0:
    #   run('some command')
    # Files:
    #   copytree2('files', makepath(programfiles, '@package@'), onreplace=default_overwrite)


# Remove the software. Only this text is kept for it on the machine, not the files of the package.
# def uninstall():
#     remove_tree(makepath(programfiles, '@package@'))


# Check that all is well: return 'OK', 'WARNING' or 'ERROR'. What is printed is kept with the result.
# def audit():
#     return 'OK'


# Runs once for each user at sign-in, as that user.
# def session_setup():
#     print('Hello')
