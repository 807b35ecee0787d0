"""What `from setuphelpers import *` gives to the setup.py of a package."""

# Scripts use these modules without importing them.
import configparser
import datetime
import glob
import hashlib
import json
import logging
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from . import (archive, binaries, context, dates, developer, directory, environment, errors,
               facts, files, hardware, inifile, installers, linux, macos, msi, net,
               network_facts, package, package_request, paths, powershell, process, processlist,
               services, shortcuts, software, tasks, text, uninstall, users, versions,
               windows_registry, windows_system)
from .context import logger, report_progress, under_root

_TOPICS = (archive, binaries, dates, developer, directory, environment, errors, facts, files,
           hardware, inifile, installers, linux, macos, msi, net, network_facts, package,
           package_request, paths, powershell, process, processlist, services, shortcuts,
           software, tasks, text, uninstall, users, versions, windows_registry, windows_system)

_MODULES = ['configparser', 'datetime', 'glob', 'hashlib', 'json', 'logging', 'os', 'platform',
            're', 'shutil', 'socket', 'subprocess', 'sys', 'tempfile', 'time', 'setuphelpers']

#: Parts that topics share among themselves; scripts have no use for them.
_INTERNAL = frozenset((
    'command_text', 'console_encoding', 'daily_trigger', 'decode_bytes', 'desktop_entry',
    'descendants', 'detect_silent_flags', 'find_tags', 'hash_file', 'is_version_accepted',
    'kill_marked', 'list_applications', 'list_processes', 'mount_point', 'needs_linux',
    'needs_macos', 'needs_unix', 'needs_windows', 'normal_name', 'not_on_macos',
    'once_trigger',
    'output_tail', 'path_with', 'path_without', 'properties_text',
    'quote_powershell', 'read_subkeys', 'read_values', 'registry_entry', 'registry_views',
    'silent_uninstall_command', 'software_keys', 'split_program', 'system_name', 'task_xml',
    'value_type', 'wait_until', 'wget_bytes'))


def _public_names(module):
    """Lists what a topic offers to scripts: what it defines itself, and registry constants."""
    names = []
    for name, value in vars(module).items():
        if name.startswith(('_', 'parse_')) or name in _INTERNAL:
            continue
        if callable(value):
            if value.__module__ == module.__name__:
                names.append(name)
        elif module is windows_registry and name.startswith(('HKEY_', 'KEY_', 'REG_')):
            names.append(name)
    return names


setuphelpers = sys.modules[__name__]

#: The running package and its parameters; the runner puts the real ones here.
control = package.PackageEntry()
params = {}

__all__ = ['control', 'logger', 'params', 'report_progress', 'under_root', *_MODULES]
for _topic in _TOPICS:
    for _name in _public_names(_topic):
        globals()[_name] = getattr(_topic, _name)
        if _name not in __all__:
            __all__.append(_name)
del _topic, _name
