// A real OpenID Connect provider on this machine. Who its people are is in a file, read again for each answer: tests change it while
// somebody is signed in. Its own sign-in page is the library's, which takes any password.
import { readFileSync } from 'node:fs';
import Provider from 'oidc-provider';

const [issuer, people, secret, callback] = process.argv.slice(2);
const known = () => JSON.parse(readFileSync(people, 'utf-8'));

const provider = new Provider(issuer, {
  clients: [{ client_id: 'hub', client_secret: secret, redirect_uris: [callback], grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'client_secret_basic' }],
  claims: { openid: ['sub'], profile: ['preferred_username', 'groups'] },
  conformIdTokenClaims: false,
  scopes: ['openid', 'profile', 'offline_access'],
  pkce: { required: () => true },
  features: { devInteractions: { enabled: true } },
  ttl: { AccessToken: 5, RefreshToken: 3600, Session: 3600, Grant: 3600, Interaction: 600 },
  issueRefreshToken: async () => true,
  cookies: { keys: ['only for tests'] },
  findAccount: async (_context, id) => (known()[id] ? { accountId: id, claims: async () => ({ sub: id, ...known()[id] }) } : undefined),
});
provider.on('server_error', (_context, error) => console.error(error));
provider.listen(Number(new URL(issuer).port), '127.0.0.1', () => console.log('ready'));
