import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../src/profiles/population/random.ts';
import { socialProfile } from '../../src/profiles/social.ts';
import { deleteRecord, putRecords } from '../../src/registry/write.ts';
import { type Database, isDatabaseUnavailable } from '../../src/store/database.ts';
import { person, uin } from '../records/registry-fixture.ts';
import { signedMessage } from '../support/signed-message.ts';
import { post, searchBody, type TestPartner } from '../support/test-app.ts';

/** What goes on while everything is killed. What fails is let go: only what was committed, or acknowledged, counts. */
export interface Load {
  /** Transactions of searches that were acknowledged. */
  readonly searches: readonly string[];
  /** Codes of subscriptions that were acknowledged, by transaction. */
  readonly subscriptions: ReadonlyMap<string, string>;
  /** Changes that their writer knows to be committed. */
  readonly changes: () => number;
  stop(): Promise<void>;
}

export interface LoadParts {
  readonly database: Database;
  readonly partner: TestPartner;
  readonly callbackUri: string;
  /** Undefined while nobody serves. */
  readonly base: () => string | undefined;
  readonly random: Random;
}

/** Finds every person. */
const EVERYBODY = {
  query_type: 'predicate',
  query: [{ seq_num: 1, expression1: { attribute_name: 'birth_date', operator: 'gt', attribute_value: '1900-01-01' } }],
  sort: [{ attribute_name: 'birth_date', sort_order: 'asc' }],
};

export const PERSONS = Array.from({ length: 12 }, (_, index) => `p${index}`);

export function startLoad({ database, partner, callbackUri, base, random }: LoadParts): Load {
  const searches: string[] = [];
  const subscriptions = new Map<string, string>();
  let changes = 0;
  let state = 0;
  const stopping = new AbortController();

  /** A number in the record says which state of it is seen; each person has one writer, so a later version has a higher one. */
  async function write(own: readonly string[]): Promise<void> {
    state += 1;
    const passing = `n${state}`;
    if (random.chance(0.15)) {
      await putRecords(database.db, socialProfile, [person(passing)]);
      await deleteRecord(database.db, socialProfile, uin(passing));
      changes += 2;
    } else {
      const several = Array.from({ length: random.between(1, 3) }, () => random.pick(own));
      await putRecords(
        database.db,
        socialProfile,
        [...new Set(several)].map((id) => person(id, {}, { email: [`${state}@example.org`] })),
      );
      changes += 1;
    }
  }

  async function search(): Promise<void> {
    const transactionId = randomUUID();
    const one = { query_type: 'idtype-value', query: { type: 'UIN', value: random.pick(PERSONS) } };
    const body = searchBody(partner, random.chance(0.3) ? [one, EVERYBODY] : [one], {
      header: { sender_uri: callbackUri },
      message: { transaction_id: transactionId },
    });
    const { status } = await post(`${reach(base)}/social/registry/search`, partner.token, body);
    if (status === 202) searches.push(transactionId);
    else assertServerFailed(status);
  }

  async function subscribe(): Promise<void> {
    const transactionId = randomUUID();
    const filter = { filter_type: 'idtype-value', filter: { type: 'UIN', value: `of ${transactionId}` } };
    const item = { reg_event_type: 'UPDATE', notify_record_type: 'Member', ...filter };
    const message = {
      transaction_id: transactionId,
      subscribe_request: [{ reference_id: 'r0', timestamp: new Date().toISOString(), subscribe_criteria: item }],
    };
    const body = signedMessage(partner, 'subscribe', message, { sender_uri: callbackUri });
    const answer = await post(`${reach(base)}/social/registry/subscribe`, partner.token, body);
    const { subscription_code: code } = (answer.body.message ?? {}) as { subscription_code?: string };
    if (answer.status === 202 && code !== undefined) subscriptions.set(transactionId, code);
    else assertServerFailed(answer.status);
  }

  async function goOn(work: () => Promise<void>, pauseMs: number): Promise<void> {
    while (!stopping.signal.aborted) {
      await work().catch((error: unknown) => {
        if (!isCutOff(error)) throw error;
      });
      await sleep(pauseMs);
    }
  }

  const going = Promise.all([
    goOn(() => write(EVEN), 25),
    goOn(() => write(ODD), 40),
    goOn(search, 60),
    goOn(search, 90),
    goOn(subscribe, 250),
  ]);
  going.catch(() => undefined);
  return {
    searches,
    subscriptions,
    changes: () => changes,
    async stop() {
      stopping.abort();
      await going;
    },
  };
}

const [EVEN, ODD] = [0, 1].map((rest) => PERSONS.filter((_, index) => index % 2 === rest)) as [string[], string[]];

/** What is refused for another reason than that something was killed is a mistake of the test. */
function assertServerFailed(status: number): void {
  if (status < 500) throw new Error(`a request of the load was answered ${status}`);
}

class NobodyServes extends Error {}

function reach(base: LoadParts['base']): string {
  const at = base();
  if (at === undefined) throw new NobodyServes();
  return at;
}

/** The one whom it asked is gone. */
function isCutOff(error: unknown): boolean {
  if (error instanceof NobodyServes || isDatabaseUnavailable(error)) return true;
  // Of fetch: refused, reset, or ended in the middle of an answer.
  return error instanceof TypeError || (error instanceof SyntaxError && error.message.includes('JSON'));
}
