import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { importEncryptionKey, importPublicKey, type PublicEncryptionJwk, publicJwk, type PublicJwk } from '@dci/protocol';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { socialProfile } from '../../src/profiles/social.ts';
import { putRecords } from '../../src/registry/write.ts';
import { openOwnKeys } from '../../src/services/own-keys.ts';
import { changePartner } from '../../src/services/register-partner.ts';
import { readSealer } from '../../src/services/sealer.ts';
import { insertOwnRequest } from '../../src/store/own-requests.ts';
import { findPartner } from '../../src/store/partners.ts';
import { type Finished, runHere } from '../partners/command-line.ts';
import { importPersons, memberDocument, type Person } from '../support/persons.ts';
import { signedMessage } from '../support/signed-message.ts';
import { post, SERVER_ID, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

/** Two of our servers: one asks, the other is asked. Each knows the other as a partner, by the keys that it publishes. */

const ASKER_ID = 'mis.test';
const CALLABLE = { DCI_ALLOW_HTTP_CALLBACKS: 'true', DCI_ALLOW_PRIVATE_CALLBACKS: 'true' };

let registry: TestApp;
let asker: TestApp;
/** The asker, as the registry knows it. */
let partner: TestPartner;
let persons: Person[];

type Json = Record<string, unknown>;
type Published = (PublicJwk | PublicEncryptionJwk)[];

beforeAll(async () => {
  registry = await startTestApp({}, CALLABLE);
  asker = await startTestApp({}, { ...CALLABLE, DCI_SENDER_ID: ASKER_ID });
  persons = await importPersons(registry.database, 60);
  partner = await registry.addPartner(ASKER_ID, {
    scopes: ['registry/search', 'registry/subscribe'],
    callbackPrefixes: [asker.base],
    limits: { pageSize: 25 },
  });
  await asker.addPartner(SERVER_ID);
  await introduce(registry, ASKER_ID, asker);
  await introduce(asker, SERVER_ID, registry);
});
afterAll(async () => {
  await asker.close();
  await registry.close();
});
beforeEach(async () => {
  await asker.database.pool.query('truncate inbox_message, own_request');
});

/** Registers the keys that `other` publishes at `host`. */
async function introduce(host: TestApp, senderId: string, other: TestApp): Promise<void> {
  const { keys } = (await (await fetch(`${other.base}/.well-known/jwks.json`)).json()) as { keys: Published };
  const put = keys.map((jwk) => (jwk.use === 'enc' ? importEncryptionKey(jwk) : importPublicKey(jwk)));
  await changePartner(host.database.db, BUILT_IN_PROFILES, senderId, { keys: { put, replaceAll: true } });
}

async function setDialect(dialect: string): Promise<void> {
  await changePartner(registry.database.db, BUILT_IN_PROFILES, ASKER_ID, { terms: { dialect } });
}

function dci(command: string, ...args: string[]): Promise<Finished> {
  const environment = {
    DCI_DATABASE_URL: asker.config.databaseUrl ?? '',
    DCI_DATA_DIR: asker.config.dataDir,
    DCI_SENDER_ID: ASKER_ID,
    DCI_CALLBACK_BASE_URL: asker.base,
    DCI_CLIENT_TOKEN: partner.token,
  };
  return runHere(environment, [command, ...args]);
}

function write(name: string, text: string): string {
  const path = join(asker.config.dataDir, name);
  writeFileSync(path, text);
  return path;
}

const at = (): string[] => ['--server', registry.base, '--receiver-id', SERVER_ID, '--registry', 'social'];

async function dciJson<T = Json>(command: string, ...args: string[]): Promise<T> {
  const { status, out, err } = await dci(command, ...args, '--json');
  expect({ status, err }).toEqual({ status: 0, err: '' });
  return JSON.parse(out) as T;
}

const rowsOf = async <T extends object = Json>({ database }: TestApp, sql: string, values: unknown[] = []): Promise<T[]> =>
  (await database.pool.query<T>(sql, values)).rows;
const inbox = (action: string) =>
  rowsOf(
    asker,
    'select inbox_message.*, own_request.action as asked from inbox_message left join own_request on own_request.id = request_id where inbox_message.action = $1 order by received_at',
    [action],
  );

interface FoundJson {
  readonly transaction_id: string;
  readonly signed_by: string;
  readonly items: readonly {
    readonly total_count: number;
    readonly records: readonly { readonly name: { readonly given_name: string } }[];
  }[];
}

const EVERYBODY =
  '{"query_type":"predicate","query":[{"expression1":{"attribute_name":"sub_region_code","operator":"eq","attribute_value":"D-01"}}]}';

describe('dci search --async', () => {
  it('asks in one dialect, is answered in another, and prints what came as the synchronous search does', async () => {
    await setDialect('dci');
    const [person] = persons;
    await vi.waitFor(async () => {
      const { status, out, err } = await dci('search', '--async', ...at(), '--dialect', 'jws', '--id', `UIN=${person?.uin}`);
      expect({ status, err }).toEqual({ status: 0, err: '' });
      expect(out).toMatch(new RegExp(`UIN=${person?.uin} +${person?.given} Testé`));
      expect(out).toMatch(/1 of 1 records; answer signed by /);
    }, 30_000);
    const [kept] = (await inbox('on-search')).slice(-1);
    expect(kept).toMatchObject({ asked: 'search', dialect: 'dci', status: 'succ', is_encrypted: false });
    const [asked] = await rowsOf(registry, 'select kid, state from dci_transaction where transaction_id = $1', [kept?.['transaction_id']]);
    const { keys } = (await (await fetch(`${asker.base}/.well-known/jwks.json`)).json()) as { keys: Published };
    expect(asked).toMatchObject({ kid: keys[0]?.kid, state: 'answered' });
  });

  it('is answered in the dialect that it asked in, where the registry is told so: it did ask in it', async () => {
    await setDialect('as-asked');
    for (const dialect of ['jws', 'jws-detached', 'dci']) {
      await dciJson('search', '--async', ...at(), '--dialect', dialect, '--id', `UIN=${persons[1]?.uin}`);
      expect((await inbox('on-search')).at(-1)).toMatchObject({ asked: 'search', dialect });
    }
  });

  it('gathers all pages of all items, whatever order they come in', async () => {
    const { items, transaction_id: id } = await dciJson<FoundJson>(
      'search',
      '--async',
      ...at(),
      '--criteria',
      write('everybody.json', EVERYBODY),
    );
    expect(items[0]?.total_count).toBe(60);
    expect(items[0]?.records.map(({ name }) => name.given_name).toSorted()).toEqual(persons.map(({ given }) => given).toSorted());
    const pages = (await inbox('on-search')).filter((row) => row['transaction_id'] === id);
    expect(pages.map((row) => row['asked'])).toEqual(['search', 'search', 'search']);
  });

  it('encrypts, and is answered encrypted', async () => {
    const { items } = await dciJson<FoundJson>('search', '--async', ...at(), '--encrypt', '--id', `UIN=${persons[2]?.uin}`);
    expect(items[0]?.records[0]?.name.given_name).toBe(persons[2]?.given);
    expect((await inbox('on-search')).at(-1)).toMatchObject({ is_encrypted: true, asked: 'search' });
  });

  it('does not wait when told so; the answer is in the inbox later', async () => {
    const { status, out } = await dci('search', '--async', '--no-wait', ...at(), '--id', `UIN=${persons[3]?.uin}`);
    expect(status).toBe(0);
    const transaction = out.trim();
    const [message] = await vi.waitFor(async () => {
      const listed = await dciJson<{ id: string }[]>('inbox', 'list', '--transaction', transaction);
      expect(listed).toHaveLength(1);
      return listed;
    }, 10_000);
    const shown = await dciJson('inbox', 'show', message?.id ?? '');
    expect(shown).toMatchObject({ partner: SERVER_ID, request: { action: 'search', transaction_id: transaction } });
    expect(JSON.stringify(shown)).toContain(persons[3]?.given);
  });
});

describe('a subscription', () => {
  it('is made, told of, asked after and ended, all of it correlated', async () => {
    const uin = persons[4]?.uin ?? '';
    const [made] = (
      await dciJson<{ items: { code: string; status: string }[] }>(
        'subscribe',
        ...at(),
        '--dialect',
        'jws',
        '--event',
        'UPDATE',
        '--record-type',
        'Member',
        '--id',
        `UIN=${uin}`,
      )
    ).items;
    expect(made).toMatchObject({ status: 'succ', reason: null });
    expect(await inbox('on-subscribe')).toMatchObject([{ asked: 'subscribe' }]);

    await putRecords(registry.database.db, socialProfile, [{ ...memberDocument(uin, 'Renamed', 4) }]);
    const [told] = await vi.waitFor(async () => {
      const notified = await inbox('notify');
      expect(notified).toHaveLength(1);
      return notified;
    }, 20_000);
    expect(told).toMatchObject({ asked: 'subscribe', status: 'succ' });
    const shown = await dciJson('inbox', 'show', String(told?.['id']));
    expect(shown).toMatchObject({
      header: { meta: { event_type: 'UPDATE', subscription_code: made?.code } },
      request: { action: 'subscribe' },
    });
    expect(JSON.stringify(shown)).toContain('Renamed');

    expect(await askStatus(made?.code ?? '')).toMatchObject({ asked: 'txn-status', status: 'succ' });

    const ended = await dciJson<{ items: Json[] }>('unsubscribe', made?.code ?? '', ...at());
    expect(ended.items).toMatchObject([{ code: made?.code, status: 'unsubscribe' }]);
    expect(await rowsOf(asker, `select subscription_codes from own_request where action = 'subscribe'`)).toEqual([
      { subscription_codes: [] },
    ]);
    expect(await rowsOf(registry, 'select state from subscription where code = $1', [made?.code])).toEqual([{ state: 'ended' }]);
  });

  /** What the registry answers when asked for the state of the subscription. */
  async function askStatus(code: string): Promise<Json | undefined> {
    const sealer = readSealer(`${asker.config.dataDir}/key-encryption.key`);
    const keys = await openOwnKeys(asker.database.db, { ...asker.config, sealer, now: Date.now, log: pino({ level: 'silent' }) });
    const us = { ...partner, key: keys.active() };
    keys.close();
    const partnerId = (await findPartner(asker.database.db, SERVER_ID))?.id ?? '';
    const request = { id: randomUUID(), partnerId, action: 'txn-status', transactionId: randomUUID() };
    await insertOwnRequest(asker.database.db, { ...request, referenceIds: ['1'], isEncrypted: false, sentAt: new Date() });
    const message = {
      transaction_id: request.transactionId,
      txnstatus_request: { reference_id: '1', txn_type: 'subscribe', attribute_type: 'subscription_code_list', attribute_value: [code] },
    };
    const body = signedMessage(us, 'txn-status', message, { sender_uri: `${asker.base}/registry/txn/on-status` });
    expect((await post(`${registry.base}/registry/txn/status`, partner.token, body)).status).toBe(202);
    return await vi.waitFor(async () => {
      const [told] = await inbox('txn-on-status');
      expect(told).toBeDefined();
      return told;
    }, 10_000);
  }
});

describe('nothing is taken', () => {
  const ask = (...args: string[]): Promise<Finished> => dci('search', '--async', ...args, '--id', `UIN=${persons[5]?.uin}`);

  it.each<[string, () => string[], number, RegExp]>([
    ['without the name of whom it is asked of', () => ['--server', registry.base], 2, /--receiver-id/],
    ['of somebody who is not registered here', () => ['--server', registry.base, '--receiver-id', 'nobody'], 1, /no partner is registered/],
    ['in the name of somebody else', () => [...at(), '--sender-id', 'somebody.else'], 2, /leave --sender-id out/],
  ])('%s, and nothing sent', async (_name, args, status, text) => {
    const before = await rowsOf(registry, 'select count(*) from dci_transaction');
    const finished = await ask(...args());
    expect([finished.status, finished.out]).toEqual([status, '']);
    expect(finished.err).toMatch(text);
    expect(await rowsOf(registry, 'select count(*) from dci_transaction')).toEqual(before);
    expect(await rowsOf(asker, 'select id from own_request')).toEqual([]);
  });

  it('that the registry refuses; the request is forgotten', async () => {
    const finished = await dci('subscribe', ...at(), '--registry', 'crvs', '--event', 'UPDATE', '--record-type', 'Member', '--id', 'UIN=1');
    expect([finished.status, finished.out]).toEqual([1, '']);
    expect(finished.err).toMatch(/refused with err\.request\.not_found/);
    expect(await rowsOf(asker, 'select id from own_request')).toEqual([]);
  });

  it('whose signature does not hold: the command ends without an answer, and the inbox stays empty', async () => {
    const other = await registry.addPartner('stray.test');
    const wrong = importPublicKey({ ...publicJwk(other.key) });
    await changePartner(asker.database.db, BUILT_IN_PROFILES, SERVER_ID, { keys: { put: [wrong], replaceAll: true } });
    await vi.waitFor(async () => {
      await ask('--timeout', '1', ...at());
      expect(await rowsOf(registry, 'select 1 from delivery where status = 401')).not.toEqual([]);
    }, 20_000);
    // Anybody could have sent it in that name.
    expect(await rowsOf(asker, `select 1 from audit where outcome = 'err.signature.invalid'`)).toEqual([]);
    await asker.database.pool.query('truncate inbox_message, own_request');
    const finished = await ask('--timeout', '2', ...at());
    expect([finished.status, finished.out]).toEqual([1, '']);
    expect(finished.err).toMatch(/the answer has not come in time/);
    expect(await inbox('on-search')).toEqual([]);
    await introduce(asker, SERVER_ID, registry);
  });
});
