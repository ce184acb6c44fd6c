import { createGuardedClient, type GuardedClient, type GuardedClientSettings } from '../outbound/guarded-client.ts';
import type { Db } from '../store/database.ts';
import { replaceTokenIssuer, type TokenIssuer } from '../store/token-issuers.ts';
import { RegistrationError } from './partner-terms.ts';
import { getPartner } from './register-partner.ts';

/** What an operator says of an issuer whose tokens shall be believed. */
export interface IssuerRegistration extends Omit<TokenIssuer, 'revision' | 'jwksUrl' | 'partners'> {
  /** Absent: found by discovery. */
  readonly jwksUrl?: string;
  /** Sender ids by the value of the claim. */
  readonly senderIds: ReadonlyMap<string, string>;
  /** Ours, which no outside issuer may have. */
  readonly ownName: string;
}

export const ISSUER_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'];

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 262_144;
const LONGEST_TOLERANCE_SECONDS = 300;

/** Registers an issuer, in place of what was said of it before. Throws a `RegistrationError` or a `PartnerStateError`. */
export async function registerIssuer(db: Db, settings: GuardedClientSettings, registration: IssuerRegistration): Promise<void> {
  const problems = findProblems(registration);
  if (problems.length > 0) throw new RegistrationError(problems);
  const jwksUrl = registration.jwksUrl ?? (await discoverKeySet(settings, registration.issuer));
  await db.transaction().execute(async (transaction) => {
    const partners = new Map<string, string>();
    for (const [value, senderId] of registration.senderIds) partners.set(value, (await getPartner(transaction, senderId)).id);
    await replaceTokenIssuer(transaction, { ...registration, jwksUrl, partners });
  });
}

function findProblems({
  issuer,
  ownName,
  audience,
  partnerClaim,
  algorithms,
  clockToleranceSeconds,
  senderIds,
}: IssuerRegistration): string[] {
  const url = URL.parse(issuer);
  return [
    ...(url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== ''
      ? ['the issuer must be a URL without query']
      : []),
    ...(issuer === ownName ? ['the issuer is this server itself'] : []),
    ...(audience === '' ? ['the audience is empty'] : []),
    ...(partnerClaim === '' ? ['the claim is empty'] : []),
    ...algorithms
      .filter((name) => !ISSUER_ALGORITHMS.includes(name))
      .map((name) => `the algorithm "${name}" is none of ${ISSUER_ALGORITHMS.join(', ')}`),
    ...(algorithms.length === 0 ? ['no algorithm is named'] : []),
    ...(Number.isInteger(clockToleranceSeconds) && clockToleranceSeconds >= 0 && clockToleranceSeconds <= LONGEST_TOLERANCE_SECONDS
      ? []
      : [`the clock tolerance must be a whole number of seconds, at most ${LONGEST_TOLERANCE_SECONDS}`]),
    ...(senderIds.size === 0 ? ['no partner is named that the issuer may speak for'] : []),
  ];
}

/** Where the issuer says that its keys are (OpenID Connect Discovery 1.0, or RFC 8414). Throws a `RegistrationError`. */
async function discoverKeySet(settings: GuardedClientSettings, issuer: string): Promise<string> {
  const client = createGuardedClient(settings);
  try {
    return await askForKeySet(client, issuer);
  } finally {
    await client.close();
  }
}

async function askForKeySet(client: GuardedClient, issuer: string): Promise<string> {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, '');
  const tried: string[] = [];
  for (const url of [`${origin}${path}/.well-known/openid-configuration`, `${origin}/.well-known/oauth-authorization-server${path}`]) {
    try {
      return await readKeySetUrl(client, url, issuer);
    } catch (error) {
      tried.push(`${url}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new RegistrationError(['the issuer could not be discovered; --jwks-url says where its keys are', ...tried]);
}

async function readKeySetUrl(client: Pick<GuardedClient, 'send'>, url: string, issuer: string): Promise<string> {
  const { status, body } = await client.send({
    url,
    method: 'GET',
    headers: { accept: 'application/json' },
    timeoutMs: TIMEOUT_MS,
    maxBytes: MAX_BYTES,
  });
  if (status !== 200) throw new Error(`answered ${status}`);
  const document: unknown = JSON.parse(body.toString('utf8'));
  const { issuer: named, jwks_uri: jwksUrl } = Object(document) as { issuer?: unknown; jwks_uri?: unknown };
  if (named !== issuer) throw new Error('describes another issuer');
  if (typeof jwksUrl !== 'string') throw new Error('names no jwks_uri');
  return jwksUrl;
}
