# A program that comes as an MSI, the easiest kind: the file itself says its product code and
# version, so that nothing has to be written down twice.
#
# example-viewer.msi is not kept with the sources: ../installers/make.sh makes it from
# example-viewer.wxs. For a program of yours: `muster package new --from FILE.msi`.

from setuphelpers import *

# install_msi_if_needed() adds the product code. Every key in this list must be in the registry
# after install(), and is uninstalled silently at removal.
uninstallkey = []


def install():
    # Does nothing when this version or a newer one is there. Programs named in impacted_process
    # of WAPT/control are closed first.
    install_msi_if_needed(
        'example-viewer.msi',
        # Version of the software: the version of the package without its packaging number.
        min_version=control.version.split('-', 1)[0],
        # MSI properties, as on the command line of msiexec.
        properties={'ALLUSERS': 1},
        timeout=300,
    )


def audit():
    # The presence of the uninstall key is checked without a word from here. This looks at what
    # the key does not tell: whether the program's file is still in its place.
    program = makepath(programfiles, 'Example Viewer', 'viewer.txt')
    if not isfile(program):
        print('%s is missing, although the program is registered' % program)
        return 'ERROR'
    return 'OK'
