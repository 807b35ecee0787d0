"""Names of macOS helpers: they exist so that scripts load, and say what to do instead."""

from .errors import EWaptBadTargetOS, system_name

_NAMES = (
    'brew_install', 'brew_uninstall', 'get_applications_info_files', 'get_info_plist_path',
    'get_installed_pkgs', 'get_pkg_info', 'get_plist_obj', 'install_app', 'install_dmg',
    'install_pkg', 'is_dmg_installed', 'is_local_app_installed', 'is_local_pkg_installed',
    'mount_dmg', 'system_profiler_info', 'uninstall_app', 'uninstall_pkg', 'unmount_dmg',
)


def _refusing(name):
    def helper(*args, **kwargs):
        raise EWaptBadTargetOS(
            '%s needs macOS, this machine runs %s: Muster manages Windows and Linux, call it '
            "under `if sys.platform == 'darwin':` or set target_os in the control file"
            % (name, system_name()))
    helper.__name__ = helper.__qualname__ = name
    helper.__doc__ = 'Refuses: macOS is not managed.'
    helper.needs_system = 'macOS'
    return helper


for _name in _NAMES:
    globals()[_name] = _refusing(_name)

__all__ = list(_NAMES)
