// A client made by others (npm openid-client) logs in at the sandbox's provider, as HelseID demands, and tells on stdout
// what it got. Settings come as JSON on stdin: {issuer, client, key (a private JWK), scope, person, details}.

import * as client from 'openid-client'

const chunks = []
for await (const chunk of process.stdin) chunks.push(chunk)
const given = JSON.parse(Buffer.concat(chunks).toString())
const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
const key = await crypto.subtle.importKey('jwk', given.key, algorithm, false, ['sign'])

const config = await client.discovery(new URL(given.issuer), given.client, undefined, client.PrivateKeyJwt(key), {
  execute: [client.allowInsecureRequests],
})
const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
const redirect = 'http://127.0.0.1/callback'
const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const nonce = client.randomNonce()

const address = await client.buildAuthorizationUrlWithPAR(
  config,
  {
    redirect_uri: redirect,
    scope: given.scope,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    test_pid: given.person,
    authorization_details: JSON.stringify([given.details]),
  },
  { DPoP },
)
const sent = await fetch(address, { redirect: 'manual' })
const back = new URL(sent.headers.get('location'))
const tokens = await client.authorizationCodeGrant(
  config,
  back,
  { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true },
  undefined,
  { DPoP },
)
const about = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, { DPoP })
const details = tokens.authorization_details
console.log(JSON.stringify({ type: tokens.token_type, scope: tokens.scope, id: tokens.claims(), about, details }))
