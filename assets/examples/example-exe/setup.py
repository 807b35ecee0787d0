# A program that comes as an EXE installer. An EXE does not say how it wants to be called: the
# silent switches and the uninstall key are looked up once, and written here.
#
# example-editor.exe is not kept with the sources: ../installers/make.sh makes it from
# example-editor.nsi. For a program of yours: `muster package new --from FILE.exe` finds the
# switches of the usual kinds of installers, `muster package test` shows the key that appeared.

from setuphelpers import *

uninstallkey = []

# Name of the key below HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall.
KEY = 'Example Editor'


def install():
    install_exe_if_needed(
        'example-editor.exe',
        # NSIS installers know /S, Inno Setup /VERYSILENT /SUPPRESSMSGBOXES /NORESTART.
        silentflags='/S',
        # Added to uninstallkey; its DisplayVersion is compared with min_version.
        key=KEY,
        min_version=control.version.split('-', 1)[0],
        timeout=300,
    )


def audit():
    versions = [software['version'] for software in installed_softwares(uninstallkey=KEY)]
    wanted = Version(control.version.split('-', 1)[0])
    if not versions:
        print('%s is not registered any more' % KEY)
        return 'ERROR'
    if Version(versions[0]) < wanted:
        print('%s %s is older than %s: somebody installed over it' % (KEY, versions[0], wanted))
        return 'WARNING'
    print('%s %s' % (KEY, versions[0]))
    return 'OK'


def uninstall():
    # The program was removed by its key before this runs. Only what it left behind is left to do.
    remove_tree(makepath(programfiles, 'Example Editor'))
