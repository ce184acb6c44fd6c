import type { VerificationKey } from '@dci/protocol';
import { createGuardedClient, type GuardedClient, type GuardedClientSettings } from '../outbound/guarded-client.ts';
import { OutboundError } from '../outbound/outbound-error.ts';
import type { Db } from '../store/database.ts';
import {
  type Attempt,
  claimAttempt,
  claimDueAttempts,
  endStaleKeys,
  findPartnerJwks,
  recordFailure,
  recordKeys,
} from '../store/partner-jwks.ts';
import type { Partner } from '../store/partners.ts';
import type { PartnerDirectory } from './partner-directory.ts';
import { type FetchedKeys, readPublishedJwks } from './partner-key-text.ts';
import { RegistrationError } from './partner-terms.ts';

/**
 * Keys that partners publish at an address of theirs, which an operator registered; an address that a message names is
 * never looked at. They are kept in the database, looked at again by age and when a message names a key that is not known —
 * seldom, however many messages and nodes — and used for a bounded time while the address does not answer.
 */
export interface PublishedKeys {
  /** The key of that id, if the partner's address holds it by now. Takes as long as one look there, at most. */
  findNewKey(partner: Partner, kid: string): Promise<VerificationKey | undefined>;
  /** Looks at the addresses that were not looked at for long, and ends keys that are too old. */
  refreshDue(): Promise<void>;
}

export interface PublishedKeySettings {
  readonly db: Db;
  readonly client: Pick<GuardedClient, 'send'>;
  readonly directory: Pick<PartnerDirectory, 'findById' | 'refresh'>;
  /** How long keys are used though their address does not answer. */
  readonly partnerKeyMaxAgeHours: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly log: { info(fields: object, text: string): void; warn(fields: object, text: string): void };
}

/** Nothing usable stands at the address; the message says why. */
export class PublishedKeyError extends Error {
  override readonly name = 'PublishedKeyError';
}

const FETCH_WITHIN_MS = 5_000;
const MOST_BYTES = 262_144;
/** Between looks for a key that is not known, over all nodes. */
const LOOK_EVERY_SECONDS = 30;
/** Between questions of one node to the database whether it may look. */
const ASK_EVERY_MS = 1_000;
const REFRESH_AFTER_SECONDS = 600;
const RETRY_AFTER_SECONDS = 60;
const MOST_DUE = 50;
const WATCH_EVERY_MS = 250;

export function createPublishedKeys(settings: PublishedKeySettings): PublishedKeys {
  const { db, directory, now, log } = settings;
  const looks = new Map<string, Promise<void>>();
  const asked = new Map<string, number>();

  async function fetchAndKeep(attempt: Attempt): Promise<void> {
    const partner = directory.findById(attempt.partnerId)?.senderId;
    try {
      const { keys, skipped } = await fetchPublishedKeys(settings.client, attempt.url);
      const usable = { keys, usableForSeconds: settings.partnerKeyMaxAgeHours * 3_600 };
      if (!(await db.transaction().execute((transaction) => recordKeys(transaction, attempt, usable)))) return;
      log.info({ partner, kids: keys.map(({ kid }) => kid) }, 'a partner publishes other keys');
      if (skipped.length > 0) log.warn({ partner, skipped }, 'keys that a partner publishes are of no use');
    } catch (error) {
      if (!(error instanceof PublishedKeyError)) throw error;
      await recordFailure(db, attempt, error.message);
      log.warn({ partner, reason: error.message }, 'the keys of a partner could not be fetched');
    }
  }

  async function look(partnerId: string): Promise<void> {
    const attempt = await claimAttempt(db, partnerId, LOOK_EVERY_SECONDS);
    await (attempt === undefined ? waitForOther(db, partnerId) : fetchAndKeep(attempt));
    await directory.refresh();
  }

  // However many messages name unknown keys, one look is under way for a partner, and the next a second later at the earliest.
  async function lookOnce(partnerId: string): Promise<void> {
    const running = looks.get(partnerId);
    if (running !== undefined) return await running;
    if (now() - (asked.get(partnerId) ?? Number.NEGATIVE_INFINITY) < ASK_EVERY_MS) return;
    const started = look(partnerId).finally(() => {
      looks.delete(partnerId);
      asked.set(partnerId, now());
    });
    looks.set(partnerId, started);
    await started;
  }

  return {
    async findNewKey({ id, publishesKeys }, kid) {
      if (!publishesKeys) return undefined;
      await lookOnce(id);
      const partner = directory.findById(id);
      return partner?.active === true ? partner.keys.get(kid) : undefined;
    },
    async refreshDue() {
      for (const partnerId of await endStaleKeys(db))
        log.warn({ partner: directory.findById(partnerId)?.senderId }, 'the keys of a partner have become too old to be used');
      const due = await claimDueAttempts(db, { seconds: REFRESH_AFTER_SECONDS, afterFailure: RETRY_AFTER_SECONDS, most: MOST_DUE });
      await Promise.all(due.map(fetchAndKeep));
    },
  };
}

/** What stands at the address now. Throws a `PublishedKeyError`. */
export async function fetchPublishedKeys(client: Pick<GuardedClient, 'send'>, url: string): Promise<FetchedKeys> {
  try {
    const headers = { accept: 'application/jwk-set+json, application/json' };
    const { status, body } = await client.send({ url, method: 'GET', headers, timeoutMs: FETCH_WITHIN_MS, maxBytes: MOST_BYTES });
    if (status !== 200) throw new PublishedKeyError(`the address answered with the status ${status}`);
    return readPublishedJwks(body.toString());
  } catch (error) {
    if (error instanceof OutboundError || error instanceof RegistrationError) throw new PublishedKeyError(error.message, { cause: error });
    throw error;
  }
}

/** The same by a client of its own, for a command. */
export async function fetchPublishedKeysOnce(settings: GuardedClientSettings, url: string): Promise<FetchedKeys> {
  const client = createGuardedClient(settings);
  try {
    return await fetchPublishedKeys(client, url);
  } finally {
    await client.close();
  }
}

/** Another node may be looking: what it finds is found for all. */
async function waitForOther(db: Db, partnerId: string): Promise<void> {
  for (let waited = 0; waited < FETCH_WITHIN_MS; waited += WATCH_EVERY_MS) {
    const jwks = await findPartnerJwks(db, partnerId);
    if (jwks?.attemptedAt === undefined || jwks.attemptedAt === null || isFinished(jwks.attemptedAt, jwks.finishedAt)) return;
    await new Promise((resolve) => setTimeout(resolve, WATCH_EVERY_MS));
  }
}

function isFinished(attemptedAt: Date, finishedAt: Date | null): boolean {
  return finishedAt !== null && finishedAt >= attemptedAt;
}
