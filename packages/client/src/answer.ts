import {
  type CallbackEnvelope,
  type CallbackHeader,
  DciError,
  type DecryptionKey,
  type JsonText,
  openMessage,
  parseCallbackEnvelope,
  readJson,
  type VerificationKey,
  verifyMessage,
} from '@dci/protocol';
import { DciAnswerError, DciRefusal } from './errors.ts';
import type { KeySet } from './key-set.ts';
import type { HttpAnswer } from './transport.ts';
import type { AnswerItem, Question, QuestionAnswer } from './question.ts';
import { listReferences, type RequestMessage } from './message.ts';

/** The answer to what was asked, verified. */
export interface Answer<Item> {
  readonly header: CallbackHeader;
  readonly transactionId: string;
  readonly correlationId: string;
  /** One for each of the criteria, in their order: what was asked for with `succ`, a reason with `rjct`. */
  readonly items: readonly Item[];
  /** Id of the key that signed; undefined when the answer was taken unsigned. */
  readonly signedBy: string | undefined;
}

export interface Trust {
  readonly keys: KeySet;
  /** `required`: an answer without a good signature is not used. `unverified`: signatures are not looked at. */
  readonly signatures: 'required' | 'unverified';
  /** Own keys, that answers may be encrypted to. */
  readonly decryptionKeys: readonly DecryptionKey[];
  /** Epoch milliseconds. */
  readonly now: () => number;
}

type Sent = RequestMessage<{ readonly transaction_id: string }>;

/**
 * Reads the answer to `asked`: its form, its signature, and that it is ours.
 *
 * @throws DciAnswerError where it must not be used; DciRefusal where it says that all of it was refused
 */
export async function readAnswer<Item extends AnswerItem>(
  question: Question<Item>,
  { body, status }: Pick<HttpAnswer, 'body' | 'status'>,
  asked: Sent,
  trust: Trust,
): Promise<Answer<Item>> {
  const received = understand(() => readJson(body, { maxDepth: MAX_DEPTH }));
  const envelope = understand(() => parseCallbackEnvelope(received.value));
  const signedBy = trust.signatures === 'required' ? await verifyAnswer(received, envelope, trust) : undefined;
  const { header } = envelope;
  assertOurs(header, question, asked);
  if (envelope.message === undefined) throw headerRefusal(header, status);
  const { message } = await openAnswer(envelope, asked, trust);
  const response = understand(() => question.parse(message));
  const items = orderItems(response, asked);
  if (header.status === 'rjct') throw itemsRefusal(header, items, status);
  return { header, transactionId: response.transaction_id, correlationId: response.correlation_id, items, signedBy };
}

// Records of other registries may nest deeper than a request may.
const MAX_DEPTH = 64;

function understand<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new DciAnswerError(`the answer cannot be read: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

async function verifyAnswer(received: JsonText, envelope: CallbackEnvelope, trust: Trust): Promise<string | undefined> {
  const held = await trust.keys.load();
  let unknown = false;
  try {
    return verifyBy(received, envelope, trust, (kid) => {
      const key = held.verification.get(kid);
      unknown = key === undefined;
      return key;
    });
  } catch (error) {
    if (!unknown) throw error;
    const fresh = await trust.keys.refresh();
    return verifyBy(received, envelope, trust, (kid) => fresh.verification.get(kid));
  }
}

function verifyBy(
  received: JsonText,
  { header, message }: CallbackEnvelope,
  trust: Trust,
  findKey: (kid: string) => VerificationKey | undefined,
): string | undefined {
  const { sender_id: senderId, total_count: totalCount = 0 } = header;
  if (senderId === undefined) throw new DciAnswerError('the answer does not say who sent it');
  try {
    const { signedBy } = verifyMessage({
      received,
      envelope: { header: { ...header, sender_id: senderId, total_count: totalCount }, message: message ?? {} },
      policy: 'required',
      findKey,
      now: Math.floor(trust.now() / 1000),
    });
    return signedBy?.kid;
  } catch (error) {
    if (error instanceof DciError) throw new DciAnswerError(`the answer is not to be trusted: ${error.message}`, { cause: error });
    throw error;
  }
}

async function openAnswer(envelope: CallbackEnvelope, asked: Sent, { decryptionKeys }: Trust): Promise<CallbackEnvelope> {
  if (asked.header.is_msg_encrypted === true && envelope.header.is_msg_encrypted !== true)
    throw new DciAnswerError('the answer to an encrypted message came in clear');
  const findKey = (kid: string): DecryptionKey | undefined => decryptionKeys.find((key) => key.kid === kid);
  try {
    return await openMessage(envelope, { findKey, maxBytes: Number.POSITIVE_INFINITY }, { maxDepth: MAX_DEPTH });
  } catch (error) {
    if (error instanceof DciError) throw new DciAnswerError(`the answer cannot be opened: ${error.message}`, { cause: error });
    throw error;
  }
}

function assertOurs(header: CallbackHeader, { action, answeredBy }: Omit<Question<AnswerItem>, 'parse'>, asked: Sent): void {
  if (header.action !== answeredBy)
    throw new DciAnswerError(`the answer is no answer to what was asked (${action}): its action is "${header.action}"`);
  if (header.receiver_id !== undefined && header.receiver_id !== asked.header.sender_id)
    throw new DciAnswerError(`the answer is for another receiver, "${header.receiver_id}"`);
  if (asked.header.receiver_id !== undefined && header.sender_id !== asked.header.receiver_id)
    throw new DciAnswerError(`the answer is of another sender, "${header.sender_id ?? ''}"`);
}

/** The items in the order in which they were asked; each must be there once. */
function orderItems<Item extends AnswerItem>(response: QuestionAnswer<Item>, asked: Sent): Item[] {
  if (response.transaction_id !== asked.message.transaction_id) throw new DciAnswerError('the answer is of another transaction');
  const found = new Map(response.items.map((item) => [item.reference_id, item]));
  const references = listReferences(asked);
  if (response.items.length !== references.length || found.size !== references.length)
    throw new DciAnswerError(`the answer has ${response.items.length} items to ${references.length} that were asked`);
  return references.map((reference) => {
    const item = found.get(reference);
    if (item === undefined) throw new DciAnswerError(`the answer lacks the item "${reference}"`);
    return item;
  });
}

function headerRefusal(header: CallbackHeader, status: number): DciRefusal | DciAnswerError {
  const { status_reason_code: code, status_reason_message: message } = header;
  if (header.status !== 'rjct') return new DciAnswerError('the answer has no message');
  return new DciRefusal({ code: code ?? 'rjct.errors.too_many', message: message ?? code ?? 'the message was refused', status });
}

/** Every item was refused: the reason of the first says more than "too many errors". */
function itemsRefusal(header: CallbackHeader, items: readonly AnswerItem[], status: number): DciRefusal {
  const reason = items.find((item) => item.status_reason_code !== undefined);
  const code = reason?.status_reason_code ?? header.status_reason_code ?? 'rjct.errors.too_many';
  return new DciRefusal({ code, message: reason?.status_reason_message ?? header.status_reason_message ?? code, status, items });
}
