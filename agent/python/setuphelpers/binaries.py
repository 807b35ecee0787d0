"""What a Windows program says of itself: version resource, kind of installer."""

import os
import struct

from .errors import EWaptInstallError
from .text import ensure_unicode

_RT_VERSION = 16
_COMMON_PROPERTIES = ('Comments', 'CompanyName', 'FileDescription', 'FileVersion', 'InternalName',
                      'LegalCopyright', 'LegalTrademarks', 'OriginalFilename', 'PrivateBuild',
                      'ProductName', 'ProductVersion', 'SpecialBuild')
#: Part of an installer that is searched for the marks of its maker.
_SCAN_BYTES = 600 * 1024

# First match wins. Each mark is a text, or several that must all be there: Mozilla's
# installers are 7-Zip archives, and "Mozilla" alone occurs in every downloader.
_INSTALLER_MARKS = (
    ((b'Inno Setup', b'JR.Inno.Setup'), '/VERYSILENT /SUPPRESSMSGBOXES /NORESTART'),
    ((b'Nullsoft.NSIS', b'NullsoftInst'), '/S'),
    ((b'.wixburn',), '/quiet /norestart'),
    ((b'Quiet installer',), '-q'),
    (((b'Mozilla', b'7zS.sfx'),), '-ms'),
    ((b'7zS.sfx',), '/s'),
    ((b'InstallShield',), '/s'),
    ((b'WExtract', b'wextract_cleanup'), '/Q'),
    ((b'sfxcab.exe', b'SFXCab'), '/quiet'),
)


class _Portable:
    """A PE file's sections, enough to reach its resources."""

    def __init__(self, data):
        self.data = data
        if data[:2] != b'MZ':
            raise ValueError('no MZ header')
        header = struct.unpack_from('<I', data, 0x3c)[0]
        if data[header:header + 4] != b'PE\0\0':
            raise ValueError('no PE header')
        sections, optional_size = struct.unpack_from('<H', data, header + 6)[0], \
            struct.unpack_from('<H', data, header + 20)[0]
        optional = header + 24
        wide = struct.unpack_from('<H', data, optional)[0] == 0x20b
        self.resources = struct.unpack_from('<I', data, optional + (112 if wide else 96) + 16)[0]
        self.sections = []
        for number in range(sections):
            at = optional + optional_size + 40 * number
            self.sections.append(struct.unpack_from('<IIII', data, at + 8))

    def offset(self, address):
        for virtual_size, virtual, raw_size, raw in self.sections:
            if virtual <= address < virtual + max(virtual_size, raw_size):
                return raw + address - virtual
        raise ValueError('address outside all sections')

    def _entries(self, at):
        named, numbered = struct.unpack_from('<HH', self.data, at + 12)
        for number in range(named + numbered):
            yield struct.unpack_from('<II', self.data, at + 16 + 8 * number)

    def version_resource(self):
        """Returns the bytes of the first version resource, or None."""
        if not self.resources:
            return None
        base = self.offset(self.resources)
        for kind, at in self._entries(base):
            if kind != _RT_VERSION:
                continue
            for _ in range(4):
                if not at & 0x80000000:
                    break
                at = next(self._entries(base + (at & 0x7fffffff)))[1]
            address, size = struct.unpack_from('<II', self.data, base + at)
            start = self.offset(address)
            return self.data[start:start + size]
        return None


def _aligned(at):
    return (at + 3) & ~3


def _node(data, at):
    """Reads one block of a version resource: (end, kind of value, key, value start, length)."""
    length, value_length, kind = struct.unpack_from('<HHH', data, at)
    end = min(at + length, len(data)) if length else len(data)
    key_end = at + 6
    while data[key_end:key_end + 2] not in (b'\0\0', b''):
        key_end += 2
    key = data[at + 6:key_end].decode('utf-16-le', 'replace')
    return end, kind, key, _aligned(key_end + 2), value_length


def _children(data, at, end):
    while at + 6 <= end:
        child_end = _node(data, at)[0]
        yield at
        if child_end <= at:
            return
        at = _aligned(child_end)


def parse_version_resource(data):
    """Reads a version resource into a dictionary of its text properties."""
    end, _, key, start, length = _node(data, 0)
    if key != 'VS_VERSION_INFO':
        raise ValueError('not a version resource')
    found = {}
    if length >= 52 and struct.unpack_from('<I', data, start)[0] == 0xFEEF04BD:
        file_high, file_low, product_high, product_low = struct.unpack_from('<IIII', data,
                                                                            start + 8)
        found['FileVersion'] = _dotted(file_high, file_low)
        found['ProductVersion'] = _dotted(product_high, product_low)
    for block in _children(data, _aligned(start + length), end):
        block_end, _, name, block_start, _ = _node(data, block)
        if name != 'StringFileInfo':
            continue
        for table in _children(data, block_start, block_end):
            table_end, _, _, table_start, _ = _node(data, table)
            for item in _children(data, table_start, table_end):
                item_end, _, name, value_start, _ = _node(data, item)
                value = data[value_start:item_end].decode('utf-16-le', 'replace')
                value = value.split('\0', 1)[0].strip()
                if value:
                    found[name] = value
            break
    return found


def _dotted(high, low):
    return '%d.%d.%d.%d' % (high >> 16, high & 0xffff, low >> 16, low & 0xffff)


def get_file_properties(fname, ignore_warning=True):
    """Returns the version properties of an exe or dll (FileVersion, ProductName, ...).

    Properties that the file does not have are ''.
    """
    properties = dict.fromkeys(_COMMON_PROPERTIES, '')
    with open(fname, 'rb') as file:
        data = file.read()
    try:
        resource = _Portable(data).version_resource()
        if resource:
            properties.update(parse_version_resource(resource))
    except (ValueError, struct.error, StopIteration) as error:
        if not ignore_warning:
            raise EWaptInstallError('cannot read the version of %s: %s' % (fname, error)) from error
    return properties


def get_version_from_binary(filename, parameter='FileVersion'):
    """Returns the version that an exe, dll or msi carries (`parameter` names the property)."""
    from .msi import get_msi_properties
    if filename.lower().endswith('.msi'):
        name = 'ProductVersion' if parameter == 'FileVersion' else parameter
        return get_msi_properties(filename)[name]
    properties = get_file_properties(filename)
    if parameter not in properties:
        raise EWaptInstallError('%s has no property %s; it has %s' % (
            filename, parameter, ', '.join(sorted(name for name in properties
                                                  if properties[name]))))
    return properties[parameter]


def detect_silent_flags(data):
    """Finds the silent switches in the first bytes of an exe installer, or None."""
    def holds(text):
        return text in data or text.decode('ascii').encode('utf-16-le') in data

    for marks, flags in _INSTALLER_MARKS:
        for mark in marks:
            if all(map(holds, mark)) if isinstance(mark, tuple) else holds(mark):
                return flags
    return None


def getsilentflags(installer_path):
    """Guesses the switches that make an installer silent; '/VERYSILENT' when unknown."""
    extension = os.path.splitext(installer_path)[1].lower()
    if extension == '.msi':
        return '/q /norestart'
    if extension == '.msu':
        return '/quiet /norestart'
    with open(installer_path, 'rb') as file:
        return detect_silent_flags(file.read(_SCAN_BYTES)) or '/VERYSILENT'


def getproductprops(installer_path):
    """Returns product, publisher, version, description and file name of an installer."""
    from .msi import get_msi_properties
    from .text import make_identifier
    base = os.path.basename(installer_path)
    if base.lower().endswith('.msi'):
        found = get_msi_properties(installer_path)
        product, publisher = found.get('ProductName', ''), found.get('Manufacturer', '')
        version, description = found.get('ProductVersion', ''), product
    elif base.lower().endswith(('.exe', '.dll')):
        found = get_file_properties(installer_path)
        product, publisher = found['ProductName'], found['CompanyName']
        version = found['ProductVersion'] or found['FileVersion']
        description = found['FileDescription']
    else:
        product = publisher = version = description = ''
    product = ensure_unicode(product) or os.path.splitext(base)[0]
    version = version.replace(',', '.').replace(' ', '')
    return {'product': product, 'publisher': publisher, 'version': version or '0.0.0',
            'description': description or product, 'filename': base,
            'simplename': make_identifier(product)}


def get_installer_defaults(installer_path):
    """Returns what a package made from this installer starts with."""
    properties = getproductprops(installer_path)
    extension = os.path.splitext(installer_path)[1].lower()
    properties['type'] = {'.exe': 'UnknownExeInstaller', '.msi': 'MSI', '.msu': 'MSU'}.get(
        extension, 'Unknown')
    properties['silentflags'] = getsilentflags(installer_path)
    if extension == '.exe':
        with open(installer_path, 'rb') as file:
            if detect_silent_flags(file.read(_SCAN_BYTES)):
                properties['type'] = 'ExeInstaller'
    return properties
