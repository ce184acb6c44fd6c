import type { JsonWebKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  generateSigningKey,
  importPrivateKey,
  importPublicKey,
  publicJwk,
  type PublicJwk,
  type SigningKey,
  thumbprint,
  type VerificationKey,
} from '@dci/protocol';
import type { Db } from '../store/database.ts';
import { loadSigningKeys, lockSigningKeys, putSigningKey, retireSigningKeys, type StoredSigningKey } from '../store/signing-keys.ts';
import type { Sealer } from './sealer.ts';

/**
 * The keys that sign what we send. One is active: the operator's own, or the newest that was made here and kept sealed; the
 * first run makes one. A retired key stays published until the last thing it signed has expired. What another process
 * rotates is seen within seconds. We never sign with anything else, and never go without.
 */
export interface SigningKeys {
  active(): SigningKey;
  /** The published public halves; key ids are RFC 7638 thumbprints. */
  jwks(): { readonly keys: readonly PublicJwk[] };
  /** A published key. */
  findPublic(kid: string): VerificationKey | undefined;
  /** Reads the stored keys anew. */
  refresh(): Promise<void>;
  close(): void;
}

export interface SigningKeySettings {
  /** File of a private key, PEM or JWK; absent: a stored key. */
  readonly signingKeyPath: string | undefined;
  readonly sealer: Sealer;
  readonly tokenLifetimeSeconds: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly log: Log;
}

interface Log {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

/** The configured key cannot be used; the message says why. */
export class SigningKeyError extends Error {
  override readonly name = 'SigningKeyError';
}

const REFRESH_EVERY_MS = 2_000;
/** The longest a signature of ours may be good for. */
const SIGNATURE_LIFE_MS = 86_400_000;

interface State {
  readonly active: SigningKey;
  readonly published: readonly PublicJwk[];
  readonly byKid: ReadonlyMap<string, VerificationKey>;
}

/** Throws a `SigningKeyError` or a `SealError` where there is no key to sign with. */
export async function openSigningKeys(db: Db, settings: SigningKeySettings): Promise<SigningKeys> {
  const own = settings.signingKeyPath === undefined ? undefined : readSigningKeyFile(settings.signingKeyPath);
  if (own !== undefined) await putSigningKey(db, own, null);
  else await makeFirstKey(db, settings);
  let state = await readState(db, settings, own, undefined);

  async function refresh(): Promise<void> {
    state = await readState(db, settings, own, state.active);
  }

  const timer = setInterval(() => {
    refresh().catch((error: unknown) => settings.log.warn({ err: error }, 'the signing keys could not be read anew'));
  }, REFRESH_EVERY_MS);
  timer.unref();

  return {
    active: () => state.active,
    jwks: () => ({ keys: state.published }),
    findPublic: (kid) => state.byKid.get(kid),
    refresh,
    close: () => clearInterval(timer),
  };
}

/** Makes a new key and retires the others; returns its id. Throws a `SealError` where the present key is sealed under another key. */
export async function rotateSigningKey(db: Db, sealer: Sealer): Promise<string> {
  return await db.transaction().execute(async (transaction) => {
    await lockSigningKeys(transaction);
    // Servers could not open a key that is sealed otherwise than the one they have.
    const current = findCurrent(await loadSigningKeys(transaction));
    if (current !== undefined) openKey(current, sealer);
    await retireSigningKeys(transaction);
    return await makeKey(transaction, sealer);
  });
}

/** Whether what `key` signed may still be good. */
export function isPublished(key: StoredSigningKey, settings: Pick<SigningKeySettings, 'tokenLifetimeSeconds' | 'now'>): boolean {
  if (key.retiredAt === null) return true;
  return settings.now() < key.retiredAt.getTime() + SIGNATURE_LIFE_MS + settings.tokenLifetimeSeconds * 1000;
}

async function makeFirstKey(db: Db, { sealer, log }: SigningKeySettings): Promise<void> {
  if (findCurrent(await loadSigningKeys(db)) !== undefined) return;
  await db.transaction().execute(async (transaction) => {
    await lockSigningKeys(transaction);
    if (findCurrent(await loadSigningKeys(transaction)) !== undefined) return;
    log.info({ kid: await makeKey(transaction, sealer) }, 'made the key that signs our messages');
  });
}

async function makeKey(db: Db, sealer: Sealer): Promise<string> {
  const key = generateSigningKey('ES256');
  await putSigningKey(db, key, sealer.seal(key.key.export({ type: 'pkcs8', format: 'der' }), sealedAs(key.kid)));
  return key.kid;
}

type OpenableKey = StoredSigningKey & { readonly sealedPrivateKey: Buffer };

function findCurrent(stored: readonly StoredSigningKey[]): OpenableKey | undefined {
  return stored.find((key): key is OpenableKey => key.retiredAt === null && key.sealedPrivateKey !== null);
}

async function readState(
  db: Db,
  settings: SigningKeySettings,
  own: SigningKey | undefined,
  before: SigningKey | undefined,
): Promise<State> {
  const stored = await loadSigningKeys(db);
  const active = own ?? openCurrent(stored, settings.sealer, before);
  const others = stored.filter((key) => key.kid !== active.kid && isPublished(key, settings)).map((key) => importPublicKey(key.publicJwk));
  const keys: VerificationKey[] = [importPublicKey({ ...publicJwk(active) }), ...others];
  return { active, published: keys.map(publicJwk), byKid: new Map(keys.map((key) => [key.kid, key])) };
}

function openCurrent(stored: readonly StoredSigningKey[], sealer: Sealer, before: SigningKey | undefined): SigningKey {
  const current = findCurrent(stored);
  if (current === undefined) throw new SigningKeyError('there is no key to sign with; "dci key rotate" makes one');
  return before?.kid === current.kid ? before : openKey(current, sealer);
}

function openKey({ kid, sealedPrivateKey }: OpenableKey, sealer: Sealer): SigningKey {
  const der = sealer.unseal(sealedPrivateKey, sealedAs(kid));
  return importPrivateKey(`-----BEGIN PRIVATE KEY-----\n${der.toString('base64')}\n-----END PRIVATE KEY-----\n`, { kid });
}

function sealedAs(kid: string): string {
  return `the signing key ${kid}`;
}

function readSigningKeyFile(path: string): SigningKey {
  try {
    const text = readFileSync(path, 'utf8').trim();
    const key = importPrivateKey(text.startsWith('{') ? (JSON.parse(text) as JsonWebKey) : text);
    return { ...key, kid: thumbprint({ ...publicJwk(key) }) };
  } catch (error) {
    throw new SigningKeyError(
      `DCI_SIGNING_KEY_PATH: ${path} is no usable private key: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
      },
    );
  }
}
