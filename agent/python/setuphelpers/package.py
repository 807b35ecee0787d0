"""The control file of a package: an attribute object that is also a mapping."""

import os
import re
import zipfile

from .errors import EWaptBadControl, EWaptNotAPackage
from .versions import Version

REQUIRED_ATTRIBUTES = ['package', 'version', 'architecture', 'section', 'priority']
OPTIONAL_ATTRIBUTES = [
    'name', 'categories', 'maintainer', 'description', 'depends', 'conflicts', 'maturity',
    'locale', 'target_os', 'min_os_version', 'max_os_version', 'min_wapt_version', 'sources',
    'installed_size', 'impacted_process', 'description_fr', 'description_pl', 'description_de',
    'description_es', 'description_pt', 'description_it', 'description_nl', 'description_ru',
    'audit_schedule', 'editor', 'keywords', 'licence', 'homepage', 'package_uuid', 'valid_from',
    'valid_until', 'forced_install_on', 'changelog']
SIGNATURE_ATTRIBUTES = ['signer', 'signer_fingerprint', 'signature', 'signature_date',
                        'signed_attributes']
CONTROL_ATTRIBUTES = REQUIRED_ATTRIBUTES + OPTIONAL_ATTRIBUTES + SIGNATURE_ATTRIBUTES
_NUMBERS = ('size', 'installed_size')
_LOCAL = ('sourcespath', 'localpath')


def parse_control(text):
    """Reads the first entry of a control file into a dictionary of texts and numbers."""
    values, last = {}, None
    for number, line in enumerate(text.lstrip('\ufeff').splitlines(), 1):
        if not line.strip():
            break
        if line.startswith(' ') and last is not None:
            values[last] += '\n' + line.strip()
            continue
        name, mark, value = line.partition(':')
        if not mark:
            raise EWaptBadControl('line %d of the control file has no colon: %s' % (number, line))
        last = name.strip().lower()
        values[last] = value.strip()
    for name in _NUMBERS:
        if re.fullmatch(r'[+-]?\d+L?', values.get(name, '')):
            values[name] = int(values[name].rstrip('L'))
    return values


def _written(value):
    if value is None:
        return ''
    if isinstance(value, (list, tuple)):
        return ','.join(str(item) for item in value)
    return re.sub(r'\n(?=\S)', '\n ', str(value))


class PackageEntry:
    """A package as its control file describes it.

    control.version and control['version'] are the same; an attribute of the control
    format that was never set is ''.
    """

    def __init__(self, package='', version='0', repo='', **attributes):
        self.sourcespath = attributes.pop('sourcespath', None)
        self.localpath = attributes.pop('localpath', None)
        self._values = dict.fromkeys(CONTROL_ATTRIBUTES, '')
        self._values.update(package=package, version=version, architecture='all',
                            section='base', priority='optional')
        self._values.update(attributes)
        if repo:
            self._values['repo'] = repo

    # Attributes and items share one dictionary.

    def __getattr__(self, name):
        if name.startswith('_'):
            raise AttributeError(name)
        try:
            return self.__dict__['_values'][name]
        except KeyError:
            raise AttributeError('the control file has no attribute %s' % name) from None

    def __setattr__(self, name, value):
        if name.startswith('_') or name in _LOCAL:
            object.__setattr__(self, name, value)
        else:
            self._values[name] = value

    def __getitem__(self, name):
        if name in _LOCAL:
            return getattr(self, name)
        return self._values[name]

    def __setitem__(self, name, value):
        setattr(self, name, value)

    def __contains__(self, name):
        return name in self._values

    def __iter__(self):
        return iter(self._values)

    def __len__(self):
        return len(self._values)

    def keys(self):
        return self._values.keys()

    def items(self):
        return self._values.items()

    def get(self, name, default=None):
        return self._values.get(name, default)

    def update(self, *mappings, **values):
        for mapping in mappings:
            values = {**dict(mapping), **values}
        for name, value in values.items():
            setattr(self, name, value)

    def as_dict(self):
        return dict(self._values)

    # Order.

    def _order(self):
        return (self.package, Version(self.version))

    def __eq__(self, other):
        if not isinstance(other, PackageEntry):
            return NotImplemented
        return self._order() == other._order()

    def __lt__(self, other):
        if not isinstance(other, PackageEntry):
            return NotImplemented
        return self._order() < other._order()

    def __le__(self, other):
        return self == other or self < other

    def __hash__(self):
        return hash(self._order())

    def __repr__(self):
        return 'PackageEntry(%r, %r)' % (self.package, self.version)

    def __str__(self):
        return self.ascontrol()

    # Reading and writing.

    def load_control_from_dict(self, values):
        """Takes the attributes of a dictionary."""
        self.update(values)
        return self

    def load_control_from_text(self, text):
        """Takes the attributes of the text of a control file."""
        return self.load_control_from_dict(parse_control(text))

    def load_control_from_wapt(self, fname=None, calc_md5=False):
        """Reads the control file of a package file or of a folder of sources."""
        path = fname or self.sourcespath or self.localpath
        if path is None:
            raise EWaptNotAPackage('no package file or folder was given')
        if os.path.isdir(path):
            control = os.path.join(path, 'WAPT', 'control')
            if not os.path.isfile(control):
                raise EWaptNotAPackage('%s holds no file WAPT/control' % path)
            with open(control, encoding='utf-8') as file:
                text = file.read()
            self.sourcespath = os.path.abspath(path)
        else:
            try:
                with zipfile.ZipFile(path) as archive:
                    text = archive.read('WAPT/control').decode('utf-8')
            except (OSError, KeyError, zipfile.BadZipFile) as error:
                raise EWaptNotAPackage('%s is not a package: %s' % (path, error)) from error
            self.localpath = os.path.abspath(path)
        return self.load_control_from_text(text)

    def ascontrol(self):
        """Writes the control file: every known attribute, names padded to 18."""
        names = [name for name in CONTROL_ATTRIBUTES
                 if name != 'signature' or self._values.get(name)]
        names += [name for name in self._values if name not in CONTROL_ATTRIBUTES]
        return '\n'.join('%-18s: %s' % (name, _written(self._values.get(name)))
                         for name in names)

    def save_control_to_wapt(self, fname=None, force=True):
        """Writes WAPT/control below the folder of sources; returns whether it changed."""
        folder = fname or self.sourcespath
        if folder is None:
            raise EWaptNotAPackage('save_control_to_wapt() does not know the folder of the '
                                   'package: give it')
        if os.path.isfile(folder):
            raise EWaptNotAPackage('%s is a built package: change the sources and build it again'
                                   % folder)
        path = os.path.join(folder, 'WAPT', 'control')
        text = self.ascontrol()
        try:
            with open(path, encoding='utf-8', newline='') as file:
                if file.read() == text:
                    return False
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='utf-8', newline='') as file:
            file.write(text)
        return True

    # What scripts ask of it.

    def asrequirement(self):
        """Writes the package as a request for exactly this version."""
        return '%s(=%s)' % (self.package, self.version)

    def parse_version(self):
        """Splits the version into (software version, packaging)."""
        software, _, packaging = str(self.version).partition('-')
        return software, packaging

    def get_software_version(self):
        """Returns the version without its packaging part."""
        return self.parse_version()[0]

    def set_software_version(self, version):
        """Takes a new software version; the packaging part starts again at 0."""
        if str(version) != self.get_software_version():
            self.version = '%s-0' % version
        return self.version

    def inc_build(self):
        """Increments the last number of the packaging part."""
        software, packaging = self.parse_version()
        match = re.search(r'\d+(?=\D*$)', packaging)
        if match is None:
            packaging = packaging + '.1' if packaging else '0'
        else:
            packaging = '%s%d%s' % (packaging[:match.start()], int(match.group()) + 1,
                                    packaging[match.end():])
        self.version = '%s-%s' % (software, packaging)
        return self.version

    def get_localized_description(self, locale_code=None):
        """Returns the description in a language, else the general one."""
        return self.get('description_%s' % locale_code) or self.description

    def make_package_filename(self):
        """Returns the usual name of the package file."""
        if self.section == 'host':
            return '%s.wapt' % self.package
        parts = [self.package, str(self.version)]
        if self.architecture not in ('', 'all'):
            parts.append(self.architecture)
        if self.maturity not in ('', 'all'):
            parts.append(self.maturity)
        if self.locale not in ('', 'all'):
            parts.append('-'.join(_written(self.locale).split(',')))
        return '_'.join(parts) + '.wapt'
