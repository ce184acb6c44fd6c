import { DciError } from '@dci/protocol';
import type { GuardedClient, OutboundResponse } from '../outbound/guarded-client.ts';
import { OutboundError } from '../outbound/outbound-error.ts';
import { type AttemptRecord, type Delivery, deliveryOwner, findDelivery, type NewDelivery, recordAttempts } from '../store/deliveries.ts';
import type { Db } from '../store/database.ts';
import type { NewJob } from '../store/lanes.ts';
import type { Partner } from '../store/partners.ts';
import { clearTrouble, noteTrouble, respectPause } from '../store/receiver-trouble.ts';
import type { AnswerHeader, AnswerWriter } from './answer-writer.ts';
import { mayCallAt } from './callback-address.ts';
import { judgeReply, type Reply } from './delivery-schedule.ts';
import type { PartnerDirectory } from './partner-directory.ts';
import { type ReceiverCredentials, ReceiverSignInError } from './receiver-credentials.ts';
import { type ReplyTerms, renewReplyTerms } from './reply-terms.ts';

/**
 * Brings a message to a partner: one attempt, in an envelope of its own. Who may be called, where, and with what is judged
 * anew each time: a partner that was shut out is sent nothing, and what was made for a partner as it no longer is, or a
 * while ago, is made anew, in its place.
 */
export interface Deliverer {
  /** Undefined where there is nothing to deliver any more. Throws where our own end failed. */
  attempt(id: string, signal: AbortSignal): Promise<Attempt | undefined>;
  /** In place of an attempt that could not be made, however often it was tried. */
  abandon(id: string): Promise<Attempt | undefined>;
  /** Writes down what came of attempts, within the caller's transaction. */
  record(db: Db, attempts: readonly Attempt[]): Promise<void>;
}

export interface Attempt extends AttemptRecord {
  readonly partnerId: string;
  readonly action: string;
  readonly lane: string | undefined;
  readonly owner: string;
  /** Whether the receiver is in trouble, or has answered; undefined: nobody was called. */
  readonly trouble?: boolean | undefined;
  readonly pauseUntil?: Date | undefined;
  /** What was sent was made anew. */
  readonly remade?: Remade | undefined;
}

export interface Remade {
  /** Absent: there is nothing that may be sent. */
  readonly delivery?: Pick<NewDelivery, 'header' | 'content'> | undefined;
  /** Writes down what else came of it, within the caller's transaction. */
  record(db: Db): Promise<void>;
}

export interface DelivererParts {
  readonly db: Db;
  readonly directory: PartnerDirectory;
  readonly client: GuardedClient;
  readonly credentials: ReceiverCredentials;
  readonly answers: AnswerWriter;
  /** Makes anew what a delivery was made by. */
  readonly remake: (job: NewJob, signal: AbortSignal) => Promise<Remade>;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Told of every attempt, in the transaction that records it. */
  readonly watch?: ((db: Db, attempts: readonly Attempt[]) => Promise<void>) | undefined;
}

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 65_536;

export function createDeliverer(parts: DelivererParts): Deliverer {
  const { db, directory, now } = parts;
  return {
    async attempt(id, signal) {
      const delivery = await findDelivery(db, id);
      if (delivery?.state !== 'pending') return undefined;
      const partner = directory.findById(delivery.partnerId);
      const about = { id, ...pick(delivery), owner: deliveryOwner(delivery) };
      const hindrance = findHindrance(partner, delivery);
      if (hindrance !== undefined || partner === undefined) return { ...about, state: 'dead', error: hindrance };
      const remade = isGood(delivery, partner) ? undefined : await makeAnew(parts, delivery, signal);
      const sent = remade === undefined ? delivery : remade.delivery;
      if (sent?.content === undefined) return { ...about, state: 'dead', error: 'nothing of it may be told any more', remade };
      const reply = await send(parts, partner, { ...delivery, header: sent.header }, sent.content, signal);
      // There is no form in which it may be told, such as no key to encrypt it to.
      if (reply instanceof DciError) return { ...about, state: 'dead', error: reply.message, remade };
      const verdict = judgeReply(reply, delivery.attempts + 1, now());
      return { ...about, trouble: false, ...verdict, ...describeReply(reply), remade, isRemade: remade !== undefined };
    },
    async abandon(id) {
      const delivery = await findDelivery(db, id);
      if (delivery?.state !== 'pending') return undefined;
      return { id, ...pick(delivery), owner: deliveryOwner(delivery), state: 'dead', error: 'this server failed to send it; see the log' };
    },
    async record(transaction, attempts) {
      await recordAttempts(transaction, attempts);
      const failing = attempts.filter(({ trouble }) => trouble === true).map(({ owner }) => owner);
      await noteTrouble(transaction, failing);
      const answering = attempts.filter(({ trouble, owner }) => trouble === false && !failing.includes(owner)).map(({ owner }) => owner);
      await clearTrouble(transaction, [...new Set(answering)]);
      for (const { owner, pauseUntil } of attempts) if (pauseUntil !== undefined) await respectPause(transaction, owner, pauseUntil);
      await parts.watch?.(transaction, attempts);
      for (const { remade } of attempts) await remade?.record(transaction);
    },
  };
}

function pick({ partnerId, action, lane }: Delivery): Pick<Attempt, 'partnerId' | 'action' | 'lane'> {
  return { partnerId, action, lane };
}

/** Whether what was made may be sent as it stands. */
function isGood({ remake, rights, isFresh, content }: Delivery, partner: Partner): boolean {
  return remake === undefined || (rights === partner.revision && isFresh && content !== undefined);
}

async function makeAnew(parts: DelivererParts, { remake: job }: Delivery, signal: AbortSignal): Promise<Remade | undefined> {
  return job === undefined ? undefined : await parts.remake(job, signal);
}

function findHindrance(partner: Partner | undefined, { url, replyTerms }: Delivery): string | undefined {
  if (partner?.active !== true) return 'the partner is not active';
  if (renewReplyTerms(partner, replyTerms as ReplyTerms).encrypt && partner.encryptionKeys.size === 0)
    return 'the partner has no key any more to encrypt to';
  if (!mayCallAt(partner, url)) return 'the address is not registered for the partner any more';
  return undefined;
}

async function send(
  { client, credentials, answers }: DelivererParts,
  partner: Partner,
  delivery: Delivery,
  content: string,
  signal: AbortSignal,
): Promise<Reply | DciError> {
  try {
    const authorization = await credentials.authorize(partner);
    const to = { partner, terms: renewReplyTerms(partner, delivery.replyTerms as ReplyTerms) };
    const body = await answers.write(to, delivery.header as AnswerHeader, content);
    const headers = { 'content-type': 'application/json; charset=utf-8', ...(authorization === undefined ? {} : { authorization }) };
    const response = await client.send({
      url: delivery.url,
      method: 'POST',
      headers,
      body,
      timeoutMs: TIMEOUT_MS,
      maxBytes: MAX_BYTES,
      signal,
    });
    if (response.status === 401) credentials.forget(partner);
    return readReply(response);
  } catch (error) {
    if (error instanceof DciError) return error;
    if (error instanceof ReceiverSignInError) return new OutboundError('response', error.message, { cause: error });
    if (error instanceof OutboundError && error.reason !== 'aborted') return error;
    throw error;
  }
}

function readReply({ status, headers, body }: OutboundResponse): Reply {
  return { status, retryAfter: headers['retry-after'], ackStatus: readAckStatus(body) };
}

function readAckStatus(body: Buffer): string | undefined {
  try {
    const { message } = JSON.parse(body.toString()) as { message?: { ack_status?: unknown } };
    return typeof message?.ack_status === 'string' ? message.ack_status : undefined;
  } catch {
    return undefined;
  }
}

function describeReply(reply: Reply): Pick<AttemptRecord, 'status' | 'error'> {
  if (reply instanceof OutboundError) return { error: `${reply.reason}: ${reply.message}` };
  return { status: reply.status, ...(reply.ackStatus === 'ERR' ? { error: 'the receiver answered ack_status ERR' } : {}) };
}
