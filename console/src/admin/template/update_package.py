def update_package():
    """Takes the newest installer. Run by the packager (`muster package update-sources`), never on the machines.

    Returns True when the sources changed.
    """
    # The address of the newest installer, whatever its version:
    url = ''
    if not url:
        print('Write the address of the newest installer into update_package()')
        return False
    name = url.split('?')[0].rsplit('/', 1)[-1]
    download = 'download@extension@'
    wget(url, download, proxies=get_proxies())
@read_version@
    # A package's version has at most four numbers.
    version = '.'.join(version.replace(', ', '.').split('.')[:4])
    if Version(version) <= Version(control.get_software_version()):
        remove_file(download)
        print('%s is the newest version' % control.get_software_version())
        return False
    with open('setup.py', encoding='utf-8') as file:
        code = file.read()
    code = code.replace('INSTALLER = %r' % INSTALLER, 'INSTALLER = %r' % name)
@replace_key@    with open('setup.py', 'w', encoding='utf-8', newline='\n') as file:
        file.write(code)
    remove_file(INSTALLER)
    os.rename(download, name)
    control.set_software_version(version)
    control.save_control_to_wapt()
    print('Updated to %s' % version)
    return True
