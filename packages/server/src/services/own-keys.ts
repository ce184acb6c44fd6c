import type { JsonWebKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  type DecryptionKey,
  type EncryptionAlgorithm,
  importPrivateKey,
  importPublicKey,
  type PublicEncryptionJwk,
  publicJwk,
  type PublicJwk,
  type SigningKey,
  thumbprint,
  type VerificationKey,
} from '@dci/protocol';
import type { Db } from '../store/database.ts';
import {
  keepInsteadOf,
  type KeyUse,
  loadOwnKeys,
  lockOwnKeys,
  putOwnKey,
  retireOtherFileKeys,
  retireOwnKeys,
  type StoredKey,
  withdrawOwnKey,
} from '../store/own-keys.ts';
import { type OpenableKey, openKey, OWN_KEY_KINDS, type OwnKeyKind, sealKey } from './own-key-kinds.ts';
import { type KeyLifeSettings, keyState, LEAD_SECONDS } from './own-key-life.ts';
import type { Sealer } from './sealer.ts';

/**
 * Our keys: those that sign what we send, and those that others encrypt to for us. The first run makes them; they are kept
 * sealed, and named by their thumbprints. One key signs at a time: the operator's own, or the newest that was made here.
 * What another process rotates or withdraws is seen within a second. We never sign with anything else, and never go
 * without.
 */
export interface OwnKeys {
  /** The key that signs. */
  active(): SigningKey;
  /** The published public halves; key ids are RFC 7638 thumbprints. */
  jwks(): { readonly keys: readonly (PublicJwk | PublicEncryptionJwk)[] };
  /** A published key that signs, will sign or did. */
  findPublic(kid: string): VerificationKey | undefined;
  /** A key that others may have encrypted to, also one that is not offered any more. */
  findDecryptionKey(kid: string): DecryptionKey | undefined;
  /** Reads the stored keys anew. */
  refresh(): Promise<void>;
  close(): void;
}

export interface OwnKeySettings extends KeyLifeSettings {
  /** File of a private key, PEM or JWK, that signs; absent: a stored key. */
  readonly signingKeyPath: string | undefined;
  readonly sealer: Sealer;
  readonly log: Log;
}

interface Log {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

/** A key of ours cannot be used or changed as asked; the message says why. */
export class OwnKeyError extends Error {
  override readonly name = 'OwnKeyError';
}

const REFRESH_EVERY_MS = 1_000;

interface State {
  readonly active: SigningKey;
  readonly published: readonly (PublicJwk | PublicEncryptionJwk)[];
  readonly signing: ReadonlyMap<string, VerificationKey>;
  readonly decryption: ReadonlyMap<string, DecryptionKey>;
}

/** Throws an `OwnKeyError` or a `SealError` where there is no key to sign with, or one that cannot be opened. */
export async function openOwnKeys(db: Db, settings: OwnKeySettings): Promise<OwnKeys> {
  const own = settings.signingKeyPath === undefined ? undefined : readSigningKeyFile(settings.signingKeyPath);
  if (own !== undefined) await registerFileKey(db, own);
  await makeMissingKeys(db, settings, own !== undefined);
  let state = readState(await loadOwnKeys(db), settings, own, undefined);

  async function refresh(): Promise<void> {
    state = readState(await loadOwnKeys(db), settings, own, state);
  }

  const timer = setInterval(() => {
    refresh().catch((error: unknown) => settings.log.warn({ err: error }, 'our keys could not be read anew'));
  }, REFRESH_EVERY_MS);
  timer.unref();

  return {
    active: () => state.active,
    jwks: () => ({ keys: state.published }),
    findPublic: (kid) => state.signing.get(kid),
    findDecryptionKey: (kid) => state.decryption.get(kid),
    refresh,
    close: () => clearInterval(timer),
  };
}

/** A key that was just made. */
export interface MadeKey {
  readonly kid: string;
  readonly use: KeyUse;
  readonly algorithm: string;
}

/**
 * Makes new keys of one use, and retires those there are when the new ones come into use: after the lead that others need
 * to learn of them, or `atOnce`. Throws a `SealError` where the present keys are sealed under another key.
 */
export async function rotateOwnKeys(
  db: Db,
  sealer: Sealer,
  use: KeyUse,
  { atOnce = false }: { readonly atOnce?: boolean } = {},
): Promise<MadeKey[]> {
  const activeInSeconds = atOnce ? 0 : LEAD_SECONDS[use];
  const kinds = OWN_KEY_KINDS.filter((kind) => kind.use === use);
  return await db.transaction().execute(async (transaction) => {
    await lockOwnKeys(transaction);
    // Servers could not open a key that is sealed otherwise than the ones they have.
    for (const key of (await loadOwnKeys(transaction)).filter(isOpenable)) openKey(key, sealer);
    await retireOwnKeys(transaction, use, activeInSeconds);
    const made: MadeKey[] = [];
    for (const kind of kinds) made.push(await makeKey(transaction, kind, sealer, activeInSeconds));
    return made;
  });
}

/**
 * Ends one key at once and for good: what it signed is not accepted, and what was encrypted to it is not read any more.
 * Refuses the one in use: another must be there first.
 */
export async function withdrawKey(db: Db, kid: string, settings: KeyLifeSettings): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await lockOwnKeys(transaction);
    const stored = await loadOwnKeys(transaction);
    const key = stored.find((candidate) => candidate.kid === kid);
    if (key === undefined) throw new OwnKeyError(`there is no key ${kid}; "dci key list" shows those there are`);
    const state = keyState(key, settings);
    const inPlace = findCurrent(
      stored.filter((other) => other.use === key.use && other.algorithm === key.algorithm).filter(isOpenable),
      settings,
    );
    if (state === 'active' || inPlace?.kid === kid)
      throw new OwnKeyError(
        `the key ${kid} is in use: make another first, "dci key rotate --use ${key.use} --now", and then retire this one`,
      );
    if (state === 'next') await keepInsteadOf(transaction, key);
    await withdrawOwnKey(transaction, kid);
  });
}

async function registerFileKey(db: Db, own: SigningKey): Promise<void> {
  await putOwnKey(db, {
    kid: own.kid,
    use: 'sig',
    algorithm: own.algorithm,
    publicJwk: publicJwk(own),
    sealedPrivateKey: null,
    activeInSeconds: 0,
  });
  const stored = (await loadOwnKeys(db)).find(({ kid }) => kid === own.kid);
  if (stored === undefined || stored.withdrawnAt !== null)
    throw new OwnKeyError(`DCI_SIGNING_KEY_PATH: the key ${own.kid} was retired for good; put another one there`);
  // Other nodes may still sign with the file that was there before: what they sign is good for as long as any signature.
  await retireOtherFileKeys(db, own.kid);
}

async function makeMissingKeys(db: Db, { sealer, log }: OwnKeySettings, hasFile: boolean): Promise<void> {
  const findMissing = async (from: Db): Promise<OwnKeyKind[]> => {
    const stored = await loadOwnKeys(from);
    return OWN_KEY_KINDS.filter(
      (kind) => !(hasFile && kind.use === 'sig') && !stored.some((key) => isOfKind(key, kind) && isInService(key)),
    );
  };
  if ((await findMissing(db)).length === 0) return;
  await db.transaction().execute(async (transaction) => {
    await lockOwnKeys(transaction);
    for (const kind of await findMissing(transaction)) {
      const { kid } = await makeKey(transaction, kind, sealer, 0);
      log.info({ kid }, kind.use === 'sig' ? 'made the key that signs our messages' : `made a key to encrypt to (${kind.algorithm})`);
    }
  });
}

async function makeKey(db: Db, kind: OwnKeyKind, sealer: Sealer, activeInSeconds: number): Promise<MadeKey> {
  const sealed = sealKey(kind, await kind.make(), sealer);
  await putOwnKey(db, { ...sealed, activeInSeconds });
  return { kid: sealed.kid, use: kind.use, algorithm: kind.algorithm };
}

function isOpenable(key: StoredKey): key is OpenableKey {
  return key.sealedPrivateKey !== null && key.withdrawnAt === null;
}

function isInService(key: StoredKey): boolean {
  return isOpenable(key) && key.retiredAt === null;
}

function isOfKind(key: StoredKey, kind: OwnKeyKind): boolean {
  return key.use === kind.use && key.algorithm === kind.algorithm;
}

function readState(stored: readonly StoredKey[], settings: OwnKeySettings, own: SigningKey | undefined, before: State | undefined): State {
  const inUse = stored.filter((key) => ['next', 'active', 'retired'].includes(keyState(key, settings)));
  const active = own ?? openActive(inUse, settings, before);
  const publicKey = (kid: string, jwk: JsonWebKey): VerificationKey => before?.signing.get(kid) ?? importPublicKey(jwk);
  const others = inUse.filter((key) => key.use === 'sig' && key.kid !== active.kid).map((key) => publicKey(key.kid, key.publicJwk));
  const signing: VerificationKey[] = [publicKey(active.kid, { ...publicJwk(active) }), ...others];
  const openable = inUse.filter((key) => key.use === 'enc').filter(isOpenable);
  const decryption = openable.map((key): DecryptionKey => before?.decryption.get(key.kid) ?? openDecryptionKey(key, settings.sealer));
  return {
    active,
    published: [...signing.map(publicJwk), ...findOffered(openable, settings)],
    signing: new Map(signing.map((key) => [key.kid, key])),
    decryption: new Map(decryption.map((key) => [key.kid, key])),
  };
}

function openActive(inUse: readonly StoredKey[], settings: OwnKeySettings, before: State | undefined): SigningKey {
  const current = findCurrent(inUse.filter((key) => key.use === 'sig').filter(isOpenable), settings);
  if (current === undefined) throw new OwnKeyError('there is no key to sign with; "dci key rotate --now" makes one');
  if (before?.active.kid === current.kid) return before.active;
  const { kid } = current;
  return importPrivateKey(openKey(current, settings.sealer).export({ format: 'jwk' }), { kid });
}

function openDecryptionKey(key: OpenableKey, sealer: Sealer): DecryptionKey {
  return { kid: key.kid, algorithm: key.algorithm as EncryptionAlgorithm, key: openKey(key, sealer) };
}

function findOffered(openable: readonly OpenableKey[], settings: OwnKeySettings): PublicEncryptionJwk[] {
  return OWN_KEY_KINDS.flatMap((kind) => {
    const current = findCurrent(
      openable.filter((key) => isOfKind(key, kind)),
      settings,
    );
    return current === undefined ? [] : [current.publicJwk as unknown as PublicEncryptionJwk];
  });
}

// Where clocks differ, none may seem active for a moment: then the newest is taken.
function findCurrent(newestFirst: readonly OpenableKey[], settings: KeyLifeSettings): OpenableKey | undefined {
  return newestFirst.find((key) => keyState(key, settings) === 'active') ?? newestFirst[0];
}

function readSigningKeyFile(path: string): SigningKey {
  try {
    const text = readFileSync(path, 'utf8').trim();
    const key = importPrivateKey(text.startsWith('{') ? (JSON.parse(text) as JsonWebKey) : text);
    return { ...key, kid: thumbprint({ ...publicJwk(key) }) };
  } catch (error) {
    throw new OwnKeyError(
      `DCI_SIGNING_KEY_PATH: ${path} is no usable private key: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
      },
    );
  }
}
