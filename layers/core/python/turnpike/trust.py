"""Which certificates are trusted: the system's, which are read once in a process, for AWS and for providers alike."""

import ssl
import sys
from functools import cache
from pathlib import Path


@cache
def tls_context(ca_bundle: str = "") -> ssl.SSLContext:
    """For clients; reading the certificates takes 35 ms of CPU. `ca_bundle`: the file of others to trust instead.

    No environment variable has a say in it, as ssl.create_default_context() would let some, and it refuses authorities
    of companies that are not made by the book.
    """
    if sys.platform in ("darwin", "win32") and not ca_bundle:
        # These keep them where OpenSSL does not look.
        import truststore

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_bundle:
        context.load_verify_locations(cafile=ca_bundle)
        return context
    paths = ssl.get_default_verify_paths()
    cafile = paths.openssl_cafile if Path(paths.openssl_cafile).is_file() else None
    capath = paths.openssl_capath if Path(paths.openssl_capath).is_dir() else None
    if cafile is None and (capath is None or not any(Path(capath).glob("*.[0-9]"))):
        # Python was built for another system than this.
        import certifi

        cafile = certifi.where()
    context.load_verify_locations(cafile, capath)
    return context
