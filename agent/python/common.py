"""Names that older package scripts import from `common`: the agent and its repositories."""

import setuphelpers
from setuphelpers import context
from setuphelpers.agent import AgentView, Server as WaptServer
from setuphelpers.context import logger
from setuphelpers.errors import EWaptException
from setuphelpers.repository import WaptHostRepo, WaptLocalRepo, WaptRemoteRepo, WaptRepo
from waptcrypto import EWaptCryptoException, SSLCertificate, SSLPrivateKey
from waptpackage import PackageEntry, PackageRequest, Version
from waptutils import ensure_list, ensure_unicode, jsondump


def Wapt(config_filename=None, **options):
    """Returns the agent's object of the running script, the same as WAPT.

    Raises EWaptException outside a script: there is no agent to ask.
    """
    agent = (context.namespace or {}).get('WAPT')
    if not isinstance(agent, AgentView):
        raise EWaptException('common.Wapt() is the agent of a running package script: outside one '
                             'use the command line tool muster-agent')
    return agent


__all__ = ['EWaptCryptoException', 'EWaptException', 'PackageEntry', 'PackageRequest',
           'SSLCertificate', 'SSLPrivateKey', 'Version', 'Wapt', 'WaptHostRepo',
           'WaptLocalRepo', 'WaptRemoteRepo', 'WaptRepo', 'WaptServer', 'ensure_list',
           'ensure_unicode', 'jsondump', 'logger', 'setuphelpers']
