import { randomUUID } from 'node:crypto';
import type { DciError, VerifiedMessage } from '@dci/protocol';
import type { Profile } from '../profiles/profile.ts';
import type { Db } from '../store/database.ts';
import type { Partner } from '../store/partners.ts';
import type { Transaction } from '../store/transactions.ts';
import type { AnswerHeader } from './answer-writer.ts';
import type { ReplyTerms } from './reply-terms.ts';
import type { Scope } from './scopes.ts';

/**
 * An action that is taken now and answered by a callback. `read` judges a message before it is acknowledged; `run` is the
 * work, done later and perhaps elsewhere, part by part; `refuse` is the answer where it was not, or may no longer be, done.
 */
export interface AsyncAction {
  /** The action of its requests, and of its answers. */
  readonly action: string;
  readonly answeredBy: string;
  readonly scope: Scope;
  /** The kind of job that does it; absent: that of answers, whose work takes no more than a minute. */
  readonly job?: string;
  /** What it makes is fetched, so it is made for whoever is not called too. */
  readonly isFetched?: true;
  /** Throws a `DciError`: `rjct.*` for faults of the header, `err.*` for all others. */
  read(message: VerifiedMessage, partner: Partner): RequestFacts;
  /** What must be done before the request is acknowledged, in the transaction that takes it. What it returns, plain JSON, is kept. */
  begin?(db: Db, work: BeginWork): Promise<object>;
  /** The subscriptions that what was begun is about. */
  listCodes?(begun: object): readonly string[];
  /** What the acknowledgement says beside the usual; then it is signed. */
  acknowledge?(begun: object): Acknowledged;
  /** Throws a `DciError` where the whole request is to be refused. What is given out is on record when it returns. */
  run(work: ActionWork): Promise<AnswerPart>;
  /** What has come of it so far, where that is told once more; absent: `run`. */
  look?(work: ActionWork): Promise<AnswerPart>;
  refuse(transaction: Transaction, fault: DciError): AnswerPart;
}

export interface RequestFacts {
  readonly transactionId: string;
  readonly referenceIds: readonly string[];
  readonly items: number;
  /** What it costs of the partner's limit; absent: a point an item. */
  readonly points?: number;
}

export interface BeginWork {
  readonly partner: Partner;
  /** Of the token that the request came with. */
  readonly scopes: ReadonlySet<string>;
  readonly mounted: Profile | undefined;
  readonly message: VerifiedMessage;
  readonly replyTerms: ReplyTerms;
}

export interface Acknowledged {
  readonly header: AnswerHeader;
  /** Further members of the message. */
  readonly message: Readonly<Record<string, unknown>>;
}

export interface ActionWork {
  readonly transaction: Transaction;
  /** The message as it was read when it was taken. */
  readonly request: unknown;
  /** As it is now. */
  readonly partner: Partner;
  /** The registry of the path, where the path named one. */
  readonly mounted: Profile | undefined;
  /** What the part before has left to do. */
  readonly rest: unknown;
  readonly signal: AbortSignal;
}

/** What one callback says. */
export interface AnswerPart {
  readonly header: AnswerHeader;
  /** The message as canonical JSON. */
  readonly content: string;
  /** What is left for further callbacks, plain JSON; absent: nothing. */
  readonly rest?: object | undefined;
}

// The audit row of a part stands for itself: its id is claimed only so that it is written for the partner as it is now.
const CLAIM_SECONDS = 60;

/** The claim with which what a part gives out is put on record. `now`: epoch milliseconds. */
export function claimPart(now: number): { readonly messageId: string; readonly claimUntil: number } {
  return { messageId: randomUUID(), claimUntil: now / 1000 + CLAIM_SECONDS };
}
