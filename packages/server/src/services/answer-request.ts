import { DciError } from '@dci/protocol';
import type { Profile } from '../profiles/profile.ts';
import { enqueueDeliveries, type NewDelivery } from '../store/deliveries.ts';
import type { Db } from '../store/database.ts';
import { enqueueJobs, type NewJob } from '../store/lanes.ts';
import type { Partner } from '../store/partners.ts';
import { endTransactions, findTransaction, type Transaction, type TransactionState } from '../store/transactions.ts';
import type { AnswerPart, AsyncAction } from './async-action.ts';
import { mayCallAt } from './callback-address.ts';
import type { PartnerDirectory } from './partner-directory.ts';

/**
 * Answers requests that were taken before: does the work and hands the answer to delivery, one callback a part. Who asked is
 * judged anew: a partner that was shut out gets nothing; one that may no longer ask this, or whose key was revoked, is told
 * that it is refused. A callback comes also where the work failed.
 */
export interface RequestAnswerer {
  /** Undefined where there is nothing to answer any more. */
  answer(work: AnswerWork, signal: AbortSignal): Promise<Answered | undefined>;
  /** The answer in place of one that could not be made. */
  fail(work: AnswerWork): Promise<Answered | undefined>;
  /** Writes down what came of it, within the caller's transaction. */
  record(db: Db, answered: readonly Answered[]): Promise<void>;
}

export interface AnswerWork {
  readonly transaction: string;
  /** What the part before has left to do. */
  readonly rest?: unknown;
  /** This part anew, and none after it, though the request may have ended. */
  readonly again?: boolean;
}

export interface Answered {
  readonly id: string;
  /** Absent while further parts follow, and where the request has ended before. */
  readonly state?: TransactionState | undefined;
  readonly delivery?: NewDelivery | undefined;
  readonly next?: NewJob | undefined;
}

export interface RequestAnswererParts {
  readonly db: Db;
  readonly directory: PartnerDirectory;
  readonly profiles: readonly Profile[];
  readonly actions: readonly AsyncAction[];
}

/** The kind of job that answers a request, if its action has none of its own. */
export const ANSWER = 'answer';

export function answerJob({ job = ANSWER }: Pick<AsyncAction, 'job'>, partnerId: string, work: AnswerWork): NewJob {
  return { kind: job, owner: partnerId, payload: work };
}

const NOT_ALLOWED = 'this is not open to you any more';

export function createRequestAnswerer(parts: RequestAnswererParts): RequestAnswerer {
  const { db, directory } = parts;

  async function load(
    work: AnswerWork,
  ): Promise<{ transaction: Transaction; action: AsyncAction; partner: Partner | undefined } | undefined> {
    const transaction = await findTransaction(db, work.transaction);
    if (transaction?.request === undefined || (transaction.state !== 'pending' && work.again !== true)) return undefined;
    const action = parts.actions.find((candidate) => candidate.action === transaction.action);
    if (action === undefined) throw new Error(`there is no action "${transaction.action}"`);
    return { transaction, action, partner: directory.findById(transaction.partnerId) };
  }

  async function makePart(action: AsyncAction, transaction: Transaction, partner: Partner, work: AnswerWork, signal: AbortSignal) {
    const mounted = parts.profiles.find(({ registry }) => registry === transaction.registry);
    assertStillOpen(action, transaction, partner, mounted);
    const request: unknown = JSON.parse(transaction.request ?? '');
    const tell = work.again === true && action.look !== undefined ? action.look : action.run;
    return await tell({ transaction, request, partner, mounted, rest: work.rest, signal });
  }

  return {
    async answer(work, signal) {
      const loaded = await load(work);
      if (loaded === undefined) return undefined;
      const { transaction, action, partner } = loaded;
      if (partner?.active !== true) return { id: transaction.id, state: 'refused' };
      if (transaction.callbackUrl === undefined && action.isFetched !== true) return { id: transaction.id, state: 'answered' };
      try {
        const part = await makePart(action, transaction, partner, work, signal);
        return conclude(action, transaction, partner, work, part, 'answered');
      } catch (error) {
        if (!(error instanceof DciError) || signal.aborted) throw error;
        return conclude(action, transaction, partner, work, action.refuse(transaction, error), 'refused');
      }
    },
    async fail(work) {
      const loaded = await load(work);
      if (loaded === undefined) return undefined;
      const { transaction, action, partner } = loaded;
      if (partner?.active !== true) return { id: transaction.id, state: 'failed' };
      const fault = new DciError('err.service.unavailable', 'the service failed to answer; the operator has been told');
      return conclude(action, transaction, partner, work, action.refuse(transaction, fault), 'failed');
    },
    async record(transaction, answered) {
      await enqueueDeliveries(
        transaction,
        answered.flatMap(({ delivery }) => delivery ?? []),
      );
      await enqueueJobs(
        transaction,
        answered.flatMap(({ next }) => next ?? []),
      );
      await endTransactions(
        transaction,
        answered.flatMap(({ id, state }) => (state === undefined ? [] : [{ id, state }])),
      );
    },
  };
}

/** Throws where what was open when the request was taken is so no longer. */
function assertStillOpen(action: AsyncAction, { kid, registry }: Transaction, partner: Partner, mounted: Profile | undefined): void {
  const isSigned = kid === undefined ? partner.signaturePolicy === 'optional' : partner.keys.has(kid);
  if (!isSigned) throw new DciError('err.signature.invalid', 'the key that signed the request is not registered any more');
  if (!partner.scopes.has(action.scope)) throw new DciError('err.request.forbidden', NOT_ALLOWED);
  if (registry !== undefined && (mounted === undefined || !partner.registries.has(registry)))
    throw new DciError('err.request.forbidden', NOT_ALLOWED);
}

function conclude(
  action: AsyncAction,
  transaction: Transaction,
  partner: Partner,
  work: AnswerWork,
  part: AnswerPart,
  state: TransactionState,
): Answered {
  const { id, callbackUrl } = transaction;
  const goesOn = part.rest !== undefined && work.again !== true;
  const delivery =
    callbackUrl === undefined || !mayCallAt(partner, callbackUrl)
      ? undefined
      : {
          partnerId: partner.id,
          action: part.header.action,
          transactionId: transaction.transactionId,
          url: callbackUrl,
          header: part.header,
          content: part.content,
          replyTerms: transaction.replyTerms as object,
          rights: partner.revision,
          // A refusal tells nothing of anybody.
          ...(state === 'answered' ? { remake: answerJob(action, partner.id, { ...work, again: true }) } : {}),
        };
  return {
    id,
    delivery,
    ...(goesOn ? { next: answerJob(action, partner.id, { transaction: id, rest: part.rest }) } : { state }),
  };
}
