# A configuration file made from a template and parameters. Two things that every developer of
# packages asks for once: values that differ from machine to machine, and files that audit() and
# uninstall() can still read months later.

from setuphelpers import *

uninstallkey = []

# Must be given when the package is installed; install() does not run without them. At an
# upgrade the values of before are taken again.
required_params = ['company']


def settings_file():
    return makepath(common_application_data, 'example', 'settings.conf')


def wanted_text():
    # persistent_dir holds a copy of WAPT/persistent/ for as long as the package is installed:
    # hooks other than install() run without the other files of the package.
    with open(makepath(persistent_dir, 'settings.template'), encoding='utf-8') as file:
        template = file.read()
    return template.replace('@COMPANY@', params['company']).replace('@VERSION@', control.version)


def write_settings():
    mkdirs(os.path.dirname(settings_file()))
    with open(settings_file(), 'w', encoding='utf-8') as file:
        file.write(wanted_text())


def install():
    write_settings()
    print('Settings of %s written to %s' % (params['company'], settings_file()))


def audit():
    if not isfile(settings_file()):
        print('%s is missing' % settings_file())
        return 'ERROR'
    with open(settings_file(), encoding='utf-8') as file:
        is_as_wanted = file.read() == wanted_text()
    if is_as_wanted:
        return 'OK'
    # Functions of this file may call each other, also hooks.
    write_settings()
    print('%s was changed by somebody and is as it should be again' % settings_file())
    return 'WARNING'


def uninstall():
    remove_file(settings_file())
