# -*- coding: utf-8 -*-
"""@title@

Copies the folder `files` to Program Files (Windows) or /opt (Linux). This file runs on the machines, as the
system, in the folder of the unpacked package; name, version and filters stand in WAPT/control.

Try it:              muster package test @package@
Build and sign it:   muster package build @package@
"""
import sys

from setuphelpers import *

IS_WINDOWS = sys.platform == 'win32'
LABEL = @label@
FOLDER = @folder@

# The program to start, inside the folder; '' makes no shortcut.
PROGRAM = @program@

# What install() writes into Windows' list of installed software.
KEY = @key@
uninstallkey = [KEY] if IS_WINDOWS else []


def target():
    """Where the files go."""
    return makepath(programfiles, FOLDER)


def install():
    """Copies the files over those of an earlier version, and makes the program known."""
    if control.impacted_process:
        killalltasks(ensure_list(control.impacted_process))
    print('Copying files to %s' % target())
    # A file that the new version no longer has must not stay behind.
    remove_tree(target())
    mkdirs(target())
    copytree2('files', target(), onreplace=default_overwrite)
    program = makepath(target(), *PROGRAM.split('/')) if PROGRAM else ''
    if program and not IS_WINDOWS:
        os.chmod(program, 0o755)
    if program:
        create_programs_menu_shortcut(LABEL, target=program, wDir=target())
    if IS_WINDOWS:
        # The entry shows the software in the inventory; the package is removed by the agent, not by it.
        register_uninstall(KEY, 'cmd /c rmdir /s /q "%s"' % target(), win64app=iswin64(),
                           install_location=target(), display_name=LABEL,
                           display_version=control.get_software_version(), publisher=@publisher@)


def uninstall():
    """Takes away the folder with everything in it, the shortcut and the entry."""
    if PROGRAM:
        remove_programs_menu_shortcut(LABEL)
    print('Removing %s' % target())
    remove_tree(target())
    if IS_WINDOWS:
        unregister_uninstall(KEY, win64app=iswin64())


def audit():
    """The folder is there and holds the program."""
    wanted = makepath(target(), *PROGRAM.split('/')) if PROGRAM else target()
    if isfile(wanted) or (isdir(wanted) and not dir_is_empty(wanted)):
        return 'OK'
    print('%s is missing or empty' % wanted)
    return 'ERROR'


def update_package():
    """Takes the newest files. Run by the packager (`muster package update-sources`), never on the machines.

    Returns True when the sources changed.
    """
    # The address of a .zip with the newest files, and the newest version:
    url = ''
    version = ''
    if not url or not version:
        print('Write the address and the version of the newest files into update_package()')
        return False
    if Version(version) <= Version(control.get_software_version()):
        print('%s is the newest version' % control.get_software_version())
        return False
    wget(url, 'download.zip', proxies=get_proxies())
    remove_tree('files')
    unzip('download.zip', target='files')
    remove_file('download.zip')
    control.set_software_version(version)
    control.save_control_to_wapt()
    return True
