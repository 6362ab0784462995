// An OpenID provider made by others (npm oidc-provider), set up as HelseID is: PAR and DPoP with nonce mandatory,
// private_key_jwt, authorization_details, JWT access tokens. Whoever comes is logged in at once. Settings come as JSON
// on stdin: {port, audience, signing (a private JWK), client: {id, key (a public JWK), redirect}, claims}.

import { createServer } from 'node:http'
import { Provider } from 'oidc-provider'

const chunks = []
for await (const chunk of process.stdin) chunks.push(chunk)
const { port, audience, signing, client, claims } = JSON.parse(Buffer.concat(chunks).toString())
const issuer = `http://127.0.0.1:${port}`
const scopes = 'nhn:pps/provesvar-read'
const details = (ctx) => JSON.parse(ctx.oidc.params.authorization_details ?? '[]')

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: client.id,
      redirect_uris: [client.redirect],
      grant_types: ['authorization_code', 'client_credentials'],
      response_types: ['code'],
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      id_token_signed_response_alg: 'ES256',
      dpop_bound_access_tokens: true,
      authorization_details_types: ['nhn:tillitsrammeverk:parameters'],
      jwks: { keys: [client.key] },
    },
  ],
  jwks: { keys: [signing] },
  scopes: ['openid', 'profile', 'helseid://scopes/identity/pid', 'helseid://scopes/identity/security_level'],
  cookies: { keys: ['only for a test'] },
  extraTokenClaims: () => claims,
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({ clientId: client.id, accountId: 'someone' })
    grant.addOIDCScope('openid profile helseid://scopes/identity/pid helseid://scopes/identity/security_level')
    grant.addResourceScope(audience, scopes)
    for (const detail of details(ctx)) grant.addRar(detail)
    await grant.save()
    return grant
  },
  interactions: { url: (ctx, { uid }) => `/interaction/${uid}` },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true },
    pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => audience,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: scopes,
        audience,
        accessTokenTTL: 600,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
    richAuthorizationRequests: {
      enabled: true,
      types: { 'nhn:tillitsrammeverk:parameters': { validate() {} } },
      authorizationDetailsForGrantSource: details,
      authorizationDetailsForAccessToken: (ctx, token, source) => source?.rar,
      authorizationDetailsForIntrospection: (ctx, token) => token.rar,
    },
  },
})

const callback = provider.callback()
const server = createServer(async (request, response) => {
  if (request.url.startsWith('/interaction/')) {
    await provider.interactionFinished(request, response, { login: { accountId: 'someone' }, consent: {} })
    return
  }
  callback(request, response)
})
server.listen(port, '127.0.0.1', () => console.log('ready'))
