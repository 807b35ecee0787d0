"""The object WAPT of scripts: what a script may know of the agent that runs it."""

import configparser
import types

from . import context
from .errors import EWaptException
from .software import installed_softwares, uninstall_key_exists
from .uninstall import uninstall_cmd


class Section(types.SimpleNamespace):
    """A group of values readable as attributes and as items."""

    def __getitem__(self, name):
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None

    def get(self, name, default=None):
        return getattr(self, name, default)


class Settings(configparser.RawConfigParser):
    """The agent's settings; get(section, key) takes a default as third argument too."""

    def get(self, section, option, *default, **options):
        if default:
            options.setdefault('fallback', default[0])
        return super().get(section, option, **options)


_INSTEAD = {
    'install': 'name the package in the attribute depends of the control file',
    'remove': 'name the package in the attribute conflicts of the control file',
    'forget': 'use muster-agent forget',
    'update': 'the agent updates by itself; use muster-agent update',
    'upgrade': 'the agent upgrades by itself; use muster-agent upgrade',
    'is_installed': 'name the package in the attribute depends, or use installed_softwares()',
    'get_host_key': 'the host key stays in the agent: put secrets where only the host reads them',
    'write_param': 'keep values in a file below persistent_dir',
    'read_param': 'keep values in a file below persistent_dir',
    'delete_param': 'keep values in a file below persistent_dir',
    'write_audit_data': 'print the values in audit(): the agent keeps the output',
    'write_audit_data_if_changed': 'print the values in audit(): the agent keeps the output',
    'read_audit_data': 'keep values in a file below persistent_dir',
    'waptserver': 'talk to the server with the command line tool muster',
}


class AgentView:
    """Read-only view of the agent; operations that it does not offer say what to do instead."""

    def __init__(self, values, force=False):
        self.host_uuid = values.get('host_uuid')
        self.wapt_base_dir = values.get('wapt_base_dir')
        self.private_dir = values.get('private_dir')
        self.config_filename = values.get('config_filename')
        self.version = values.get('version')
        self.waptwua_enabled = bool(values.get('waptwua_enabled'))
        self.repositories = [Section(**repository) if isinstance(repository, dict)
                             else repository for repository in values.get('repositories') or []]
        self.options = Section(force=force)
        self.config = Settings(strict=False)
        # Option names of the settings are matched without case, values stay as they are.
        for section, options in (values.get('config') or {}).items():
            if isinstance(options, dict):
                self.config[section] = {name: _text(value) for name, value in options.items()}

    def wapt_status(self):
        """Describes the agent."""
        return {'wapt-exe-version': self.version, 'wapt-py-version': self.version,
                'uuid': self.host_uuid, 'config-filename': self.config_filename,
                'repositories': [getattr(repository, '__dict__', repository)
                                 for repository in self.repositories]}

    def uninstall_cmd(self, guid):
        """Returns the silent uninstall command of an uninstall key."""
        return uninstall_cmd(guid)

    def uninstall_key_exists(self, uninstallkey):
        """Tells whether an uninstall key is there."""
        return uninstall_key_exists(uninstallkey)

    def installed_softwares(self, *args, **kwargs):
        """Lists the installed products."""
        return installed_softwares(*args, **kwargs)

    def report_progress(self, percent, text=''):
        """Shows in the console how far the script is."""
        context.report_progress(percent, text)

    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        advice = _INSTEAD.get(name)
        if advice is None:
            raise AttributeError('WAPT.%s does not exist in Muster' % name)
        raise EWaptException('WAPT.%s is not available to scripts: %s' % (name, advice))


def _text(value):
    if isinstance(value, bool):
        return '1' if value else '0'
    return '' if value is None else str(value)
