import {
  type CallbackEnvelope,
  type CallbackHeader,
  DciError,
  type Decryption,
  type DigestForm,
  type Envelope,
  invalidEncryption,
  type JsonText,
  type LenientReading,
  normaliseLeniently,
  openMessage,
  parseEnvelope,
  type ReadJsonOptions,
  readJson,
  type SignaturePolicy,
  timestampMillis,
  type SignatureExecutor,
  type VerificationKey,
  type VerifiedMessage,
  verifyMessageBy,
} from '@dci/protocol';
import type { Partner } from '../store/partners.ts';
import type { PublishedKeys } from './published-keys.ts';

/**
 * From bytes to a verified message, in the order of the checks: JSON, envelope, who it is for and from, signature,
 * encryption; then the faults of a header, which are judged only once the signature is known to be good.
 */

/** Who sends, as far as the bearer token says. */
export interface Sender {
  readonly partner: Partner;
  readonly scopes: ReadonlySet<string>;
  readonly remoteAddress: string;
}

export interface Reception {
  /** Our name: what `receiver_id` must be where it is given. */
  readonly senderId: string;
  readonly clockToleranceSeconds: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** How each partner's last good signature had been serialised; tried first the next time. */
  readonly digestForms: Map<string, DigestForm>;
  /** Where signatures are verified. */
  readonly signatures: SignatureExecutor;
  /** Of messages that are encrypted to us. */
  readonly decryption: Decryption;
  /** Keys that partners publish; looked for when a signature names one that is not known. */
  readonly publishedKeys: Pick<PublishedKeys, 'findNewKey'>;
  readonly log: { info(fields: object, text: string): void };
}

const SPOKEN_VERSION = '1.0.0';

// Repeated in the published samples within one predicate; the lenient reader keeps all of them.
const REPEATED_IN_LENIENT_MODE: ReadonlySet<string> = new Set(['condition']);

/** Throws `err.*` where the message cannot be taken at all. */
export async function receiveMessage(reception: Reception, sender: Sender, bytes: Uint8Array): Promise<VerifiedMessage> {
  const { partner } = sender;
  const received = readReceived(partner, bytes);
  const { value, changes } = readLeniently(reception, partner, received.value);
  const envelope = parseEnvelope(value);
  checkReceiver(reception, envelope);
  checkSender(partner, envelope);
  const message = await verifySigned(reception, partner, { received, envelope, policy: partner.signaturePolicy });
  // Not before: what anybody can send must not fill the log.
  logChanges(reception, partner, changes);
  return message.header.is_msg_encrypted === true ? await decrypt(reception, partner, message) : acceptPlain(partner, message);
}

/** The JSON of a message as it was sent. */
export function readReceived(partner: Partner, bytes: Uint8Array): JsonText {
  return readJson(bytes, readOptions(partner));
}

/** A message as it came and as it was understood, and whether it may go without a signature. */
export interface Unverified<E extends Envelope | CallbackEnvelope> {
  readonly received: JsonText;
  readonly envelope: E;
  readonly policy: SignaturePolicy;
}

/** Accepts a message by a key of the partner's, known or published since. */
export async function verifySigned<E extends Envelope | CallbackEnvelope>(
  reception: Reception,
  partner: Partner,
  unverified: Unverified<E>,
): Promise<VerifiedMessage<E>> {
  const verifyBy = (findKey: (kid: string) => VerificationKey | undefined): Promise<VerifiedMessage<E>> =>
    verifyMessageBy(reception.signatures, {
      ...unverified,
      findKey,
      now: Math.floor(reception.now() / 1000),
      preferredForm: reception.digestForms.get(partner.id),
    });
  let unknown: string | undefined;
  const findKnown = (kid: string): VerificationKey | undefined => {
    const key = partner.keys.get(kid);
    if (key === undefined) unknown = kid;
    return key;
  };
  let message: VerifiedMessage<E>;
  try {
    message = await verifyBy(findKnown);
  } catch (error) {
    const key = unknown === undefined ? undefined : await reception.publishedKeys.findNewKey(partner, unknown);
    if (key === undefined) throw error;
    message = await verifyBy((kid) => (kid === key.kid ? key : undefined));
  }
  if (message.signedBy !== undefined) reception.digestForms.set(partner.id, message.signedBy.form);
  return message;
}

function readOptions({ lenient }: Partner): ReadJsonOptions {
  return lenient ? { keepRepeated: REPEATED_IN_LENIENT_MODE } : {};
}

function readLeniently(reception: Reception, { lenient }: Partner, value: unknown): LenientReading {
  return lenient ? normaliseLeniently(value, { now: new Date(reception.now()).toISOString() }) : { value, changes: [] };
}

function logChanges(reception: Reception, partner: Partner, changes: readonly string[]): void {
  if (changes.length > 0) reception.log.info({ partner: partner.senderId, changes }, 'message normalised');
}

async function decrypt(reception: Reception, partner: Partner, message: VerifiedMessage): Promise<VerifiedMessage> {
  // Before anything is worked on: its answer could not be sent.
  if (partner.encryptionKeys.size === 0)
    throw invalidEncryption('no key is registered to which the answer could be encrypted', '/header/is_msg_encrypted');
  const opened = await openMessage(message, reception.decryption, readOptions(partner));
  const { value, changes } = readLeniently(reception, partner, { message: opened.message });
  logChanges(reception, partner, changes);
  return { ...opened, message: (value as Pick<VerifiedMessage, 'message'>).message };
}

/** Hands on a message that is not encrypted, unless its sender must. */
export function acceptPlain<M>({ encryptionPolicy }: Partner, message: M): M {
  if (encryptionPolicy === 'required') throw invalidEncryption('messages of this sender must be encrypted', '/header/is_msg_encrypted');
  return message;
}

/** Throws where a message names another receiver. */
export function checkReceiver(reception: Reception, { header }: Envelope | CallbackEnvelope): void {
  if (header.receiver_id !== undefined && header.receiver_id !== reception.senderId)
    throw new DciError('err.receiver_id.invalid', `this server is "${reception.senderId}"; the message is for another receiver`, {
      pointer: '/header/receiver_id',
    });
}

/** Throws where it names another sender than the partner who sends it. */
export function checkSender(partner: Partner, { header }: Envelope | CallbackEnvelope): void {
  if (header.sender_id !== partner.senderId)
    throw new DciError('err.sender_id.invalid', 'sender_id is not the partner to whom the access token was issued', {
      pointer: '/header/sender_id',
    });
}

/** What the header of a message must agree with. */
export interface HeaderExpectation {
  readonly action: string;
  /** Number of items in the message; undefined where there is no list to count. */
  readonly items: number | undefined;
  readonly maxItems: number;
}

type JudgedHeader = Pick<CallbackHeader, 'action' | 'version' | 'message_ts' | 'total_count'>;

/** Throws the `rjct.*` code of the first fault of the header. */
export function checkHeader(reception: Reception, { header }: { readonly header: JudgedHeader }, expected: HeaderExpectation): void {
  if (header.action !== expected.action)
    throw new DciError(
      KNOWN_ACTIONS.has(header.action) ? 'rjct.action.invalid' : 'rjct.action.not_supported',
      `this path takes the action "${expected.action}"`,
      {
        pointer: '/header/action',
      },
    );
  if (header.version !== undefined && header.version !== SPOKEN_VERSION)
    throw new DciError('rjct.version.invalid', `version ${SPOKEN_VERSION} is spoken here`, { pointer: '/header/version' });
  const age = Math.abs(reception.now() - (timestampMillis(header.message_ts) ?? Number.NaN)) / 1000;
  if (!(age <= reception.clockToleranceSeconds))
    throw new DciError(
      'rjct.message_ts.invalid',
      `message_ts must lie within ${reception.clockToleranceSeconds} s of our time, ${new Date(reception.now()).toISOString()}`,
      { pointer: '/header/message_ts' },
    );
  if (expected.items === undefined) return;
  if (header.total_count !== expected.items)
    throw new DciError('rjct.total_count.invalid', `total_count must be the number of items, ${expected.items}`, {
      pointer: '/header/total_count',
    });
  if (expected.items > expected.maxItems)
    throw new DciError('rjct.total_count.limit_exceeded', `at most ${expected.maxItems} items are taken in one message`, {
      pointer: '/header/total_count',
    });
}

const KNOWN_ACTIONS: ReadonlySet<string> = new Set([
  'search',
  'on-search',
  'statistics',
  'on-statistics',
  'exists',
  'on-exists',
  'match',
  'on-match',
  'subscribe',
  'on-subscribe',
  'unsubscribe',
  'on-unsubscribe',
  'txn-status',
  'txn-on-status',
  'notify',
]);
