"""The sandbox's OpenID provider, shaped like HelseID: a client that logs in here logs in there with other settings.

PAR, PKCE (S256), private_key_jwt, DPoP with nonce, `authorization_details` of the trust framework, code flow and client
credentials. The login page is a choice of persona. State is in memory: one process, bounded, gone at a restart.
"""
