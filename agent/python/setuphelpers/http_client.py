"""Opens addresses over HTTP and HTTPS.

Apart from the helpers that use it, because its imports take longer than all the others
together and most scripts download nothing.
"""

import os
import ssl
import urllib.error
import urllib.parse
import urllib.request

from .errors import DownloadError

HTTPError = urllib.error.HTTPError


def system_proxies():
    """Returns the proxies of the system, by scheme."""
    return {scheme: address for scheme, address in urllib.request.getproxies().items()
            if scheme in ('http', 'https', 'no')}


def path_name(url):
    """Returns the last part of an address's path, '' when it ends with a slash."""
    return urllib.parse.unquote(urllib.parse.urlsplit(url).path).split('/')[-1]


def _tls_context(verify_cert, cert):
    if verify_cert is False or verify_cert == '0':
        tls = ssl.create_default_context()
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    elif isinstance(verify_cert, str) and verify_cert not in ('', '1'):
        tls = ssl.create_default_context(
            cafile=verify_cert if os.path.isfile(verify_cert) else None,
            capath=verify_cert if os.path.isdir(verify_cert) else None)
    else:
        tls = ssl.create_default_context()
    if cert:
        tls.load_cert_chain(*([cert] if isinstance(cert, str) else cert))
    return tls


def _proxy_handler(proxies):
    if proxies is None:
        return urllib.request.ProxyHandler()
    chosen = {}
    for scheme, address in proxies.items():
        if address:
            scheme = scheme.replace('://', '')
            chosen[scheme] = address if '://' in address else 'http://' + address
    return urllib.request.ProxyHandler(chosen)


class _OnlyHttpRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if req.full_url.startswith('https:') and not newurl.startswith('https:'):
            raise DownloadError('%s redirects to an unprotected address: %s'
                                % (req.full_url, newurl))
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def open_url(url, proxies, timeout, verify_cert, cert, headers):
    if urllib.parse.urlsplit(url).scheme.lower() not in ('http', 'https'):
        raise DownloadError('cannot download %s: only http and https addresses are known' % url)
    opener = urllib.request.build_opener(
        _proxy_handler(proxies), _OnlyHttpRedirects(),
        urllib.request.HTTPSHandler(context=_tls_context(verify_cert, cert)))
    quoted = urllib.parse.quote(url, safe="%/:=&?~#+!$,;'@()*[]")
    return opener.open(urllib.request.Request(quoted, headers=headers), timeout=timeout)
