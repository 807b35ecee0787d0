"""Just enough DER and PEM to read RSA keys and certificates."""

import base64
import datetime
import re

INTEGER, BIT_STRING, OCTET_STRING, OBJECT_ID, SEQUENCE, SET = 0x02, 0x03, 0x04, 0x06, 0x30, 0x31
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
RSA_ENCRYPTION = '1.2.840.113549.1.1.1'
_PEM = re.compile(r'-----BEGIN (?P<label>[A-Z0-9 ]+)-----(?P<body>.*?)-----END (?P=label)-----',
                  re.DOTALL)
_TEXTS = {0x0c: 'utf-8', 0x13: 'ascii', 0x14: 'latin-1', 0x16: 'ascii', 0x1e: 'utf-16-be'}


class DerError(ValueError):
    """The bytes are not what they should be."""


class Node:
    """One element: `tag`, `content` (bytes), `whole` (with its header)."""

    def __init__(self, tag, content, whole):
        self.tag, self.content, self.whole = tag, content, whole

    def children(self):
        """Lists the elements inside."""
        found, rest = [], self.content
        while rest:
            node, rest = read(rest)
            found.append(node)
        return found

    def expect(self, tag):
        """Returns the element itself when it has the tag."""
        if self.tag != tag:
            raise DerError('element %#x where %#x is expected' % (self.tag, tag))
        return self

    def integer(self):
        return int.from_bytes(self.expect(INTEGER).content, 'big', signed=True)

    def object_id(self):
        numbers, value = [], 0
        for byte in self.expect(OBJECT_ID).content:
            value = value << 7 | byte & 0x7f
            if not byte & 0x80:
                numbers.append(value)
                value = 0
        if not numbers:
            raise DerError('empty object identifier')
        first = min(numbers[0] // 40, 2)
        return '.'.join(map(str, [first, numbers[0] - 40 * first, *numbers[1:]]))

    def text(self):
        return self.content.decode(_TEXTS.get(self.tag, 'latin-1'), 'replace')

    def time(self):
        """Reads a time in UTC."""
        text = self.content.decode('ascii', 'replace')
        if self.tag == UTC_TIME:
            # Two digits of the year: 50 to 99 belong to the last century.
            text = ('19' if text[:2] >= '50' else '20') + text
        moment = datetime.datetime.strptime(text, '%Y%m%d%H%M%SZ')
        return moment.replace(tzinfo=datetime.timezone.utc)


def read(data):
    """Reads one element; returns it and the bytes behind it."""
    if len(data) < 2:
        raise DerError('the data end too early')
    tag, length, at = data[0], data[1], 2
    if length & 0x80:
        size = length & 0x7f
        if not 0 < size <= 4 or len(data) < 2 + size:
            raise DerError('bad length')
        length, at = int.from_bytes(data[2:2 + size], 'big'), 2 + size
    if len(data) < at + length:
        raise DerError('the data end too early')
    return Node(tag, data[at:at + length], data[:at + length]), data[at + length:]


def pem_blocks(text):
    """Lists (label, headers, bytes) of the blocks of a PEM text."""
    found = []
    for match in _PEM.finditer(text):
        headers, body = {}, []
        for line in match.group('body').splitlines():
            name, colon, value = line.partition(':')
            if colon:
                headers[name.strip()] = value.strip()
            else:
                body.append(line.strip())
        try:
            data = base64.b64decode(''.join(body), validate=True)
        except ValueError as error:
            raise DerError('the block %s is damaged' % match.group('label')) from error
        found.append((match.group('label'), headers, data))
    return found
