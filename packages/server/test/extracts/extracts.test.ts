import { createHash, generateKeyPairSync } from 'node:crypto';
import { type DecryptionKey, importDecryptionKey, parseStatisticsResponse, parseTxnStatusResponse } from '@dci/protocol';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { MOST_LEFT_OUT } from '../../src/disclosure/disclose-extract.ts';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { changePartner } from '../../src/services/register-partner.ts';
import { holdJobs, resumeJobs } from '../../src/store/lanes.ts';
import { purgeKind, RETENTION_KINDS } from '../../src/store/retention.ts';
import { runHere } from '../partners/command-line.ts';
import { makeCounted, VALUE_OF } from '../statistics/counted-population.ts';
import { messageBody, post, searchBody } from '../support/test-app.ts';
import { signedMessage } from '../support/signed-message.ts';
import { DECRYPTION_KEYS } from '../trust/trust-fixture.ts';
import {
  addResearcher,
  askExport,
  calledBack,
  EVERYTHING,
  exportBody,
  fetchBytes,
  getExtract,
  type Json,
  openExtractWorld,
  openExtract,
  type Researcher,
  sendExport,
} from './extract-fixture.ts';

/** Extracts from the request to the opened file, and all that is to be seen of them meanwhile. */
let world: Awaited<ReturnType<typeof openExtractWorld>>;
let researcher: Researcher;
const PERSONS = makeCounted(1_200);
const K = 10;
const NAMES = ['region', 'district', 'sex', 'registration_year'];

beforeAll(async () => {
  world = await openExtractWorld(PERSONS);
  researcher = await addResearcher(world, 'university.test');
}, 90_000);
afterAll(() => world.close());

const cellOf = (person: (typeof PERSONS)[number], names: readonly string[]): string =>
  JSON.stringify(names.map((name) => VALUE_OF[name]?.(person) ?? null));

describe('an extract', () => {
  it('has rows of the cells that statistics tell, as many as they tell less their accuracy, and its manifest says so', async () => {
    const dimensions = ['district', 'sex', 'registration_year'];
    const { rows, manifest, extract } = await getExtract(world, researcher, { dimensions });
    const told = Map.groupBy(rows, (row) => JSON.stringify(NAMES.map((name) => row[name])));
    const asked = {
      statistics_request: [
        {
          reference_id: '1',
          timestamp: new Date().toISOString(),
          statistics_criteria: { reg_record_type: 'SRPerson', ...EVERYTHING, dimensions },
        },
      ],
    };
    const answer = await post(
      `${world.test.base}/social/registry/sync/statistics`,
      researcher.token,
      messageBody(researcher, { action: 'statistics', total_count: 1 }, asked),
    );
    const { statistics } = parseStatisticsResponse(answer.body.message).statistics_response[0] ?? {};
    expect(new Map([...told].map(([cell, { length }]) => [cell, length]))).toEqual(
      new Map(statistics?.rows.map(({ values, count, accuracy }) => [JSON.stringify(NAMES.map((name) => values[name])), count - accuracy])),
    );
    expect(told.size).toBeGreaterThan(5);
    const persons = Map.groupBy(PERSONS, (person) => cellOf(person, NAMES));
    for (const [cell, { length }] of told) {
      expect(length).toBeGreaterThanOrEqual(K);
      const all = persons.get(cell)?.length ?? 0;
      expect(all - length).toBeLessThanOrEqual(MOST_LEFT_OUT);
      expect(all - length).toBeGreaterThanOrEqual(0);
    }
    expect(Object.keys(rows[0] ?? {})).toEqual(['pseudonym', ...NAMES]);
    expect(new Set(rows.map(({ pseudonym }) => pseudonym)).size).toBe(rows.length);
    expect(manifest).toMatchObject({
      extract_id: extract.extract_id,
      sender_id: 'registry.test',
      recipient: 'university.test',
      record_type: 'SRPerson',
      format: 'ndjson',
      columns: [
        { name: 'region', attribute: 'region', banding: 'as-it-is' },
        { name: 'district', within: 'region' },
        { name: 'sex' },
        { name: 'registration_year', attribute: 'registration_date', banding: 'year' },
      ],
      pseudonym: { name: 'pseudonym', keyed_by: ['partner', 'columns'], columns: NAMES },
      filter: EVERYTHING,
      purpose: 'enrolment',
      legal_basis: 'law',
      field_rule: 'research',
      k_anonymity: {
        k: K,
        quasi_identifiers: NAMES,
        records: rows.length,
        classes: told.size,
        most_left_out: MOST_LEFT_OUT,
        smallest_class: Math.min(...[...told.values()].map(({ length }) => length)),
      },
    });
    expect(Math.abs((manifest.k_anonymity.suppressed ?? 0) - (PERSONS.length - rows.length))).toBeLessThanOrEqual(3);
    expect(extract.records).toBe(rows.length);
    expect(Date.parse(extract.expires_at) - Date.parse(manifest.made_at)).toBe(7 * 86_400_000);
  });

  it('says what a condition leaves, of whole cells', async () => {
    const query = {
      query_type: 'expression',
      query: { type: 'ns:org:QueryType:NoSql', value: { expression: { query: { sex: 'female' } } } },
    };
    const { rows, manifest } = await getExtract(world, researcher, { dimensions: ['district'], ...query });
    const answer = await post(
      `${world.test.base}/social/registry/sync/search`,
      researcher.token,
      searchBody(researcher, [{ ...query, response_entity: 'SRPerson', pagination: { page_size: 1 } }]),
    );
    const total = answer.body.message?.search_response?.[0]?.pagination?.total_count ?? 0;
    const women = Map.groupBy(
      PERSONS.filter(({ sex }) => sex === 'female'),
      (person) => cellOf(person, ['region', 'district']),
    );
    expect(total).toBe([...women.values()].flat().length);
    const told = Map.groupBy(rows, ({ region, district }) => JSON.stringify([region, district]));
    for (const [cell, { length }] of told) expect((women.get(cell)?.length ?? 0) - length).toBeLessThanOrEqual(MOST_LEFT_OUT);
    expect(rows.length).toBeLessThanOrEqual(total);
    expect(manifest.k_anonymity.quasi_identifiers).toEqual(['region', 'district', 'sex']);
    expect(manifest.filter).toEqual(query);
    expect(Object.keys(rows[0] ?? {})).toEqual(['pseudonym', 'region', 'district']);
  });

  it('is the same each time, row by row, while the records are', async () => {
    const [first, second] = [
      await getExtract(world, researcher, { dimensions: ['sex'] }),
      await getExtract(world, researcher, { dimensions: ['sex'] }),
    ];
    expect(first.extract.extract_id).not.toBe(second.extract.extract_id);
    expect(first.text).toBe(second.text);
  });

  it('comes as CSV with a header, and what is not stated is empty', async () => {
    const csv = await getExtract(world, researcher, { dimensions: ['sex', 'marital_status'], format: 'csv' });
    const [head, ...lines] = csv.text.split('\r\n');
    expect(head).toBe('pseudonym,sex,marital_status');
    expect(lines.pop()).toBe('');
    expect(lines).toHaveLength(csv.extract.records);
    expect(lines.every((line) => /^[\w-]{22},(female|male|other|),[SMWD]?$/.test(line))).toBe(true);
    expect(lines.some((line) => line.endsWith(','))).toBe(true);
  });

  it('of nothing that may be told is empty, and says so', async () => {
    const strict = await addResearcher(world, 'strict.test', { limits: { statisticsThreshold: 100_000 } });
    const { text, rows, extract, manifest } = await getExtract(world, strict, { dimensions: ['sex'] });
    expect([text, rows.length, extract.records]).toEqual(['', 0, 0]);
    expect(manifest.k_anonymity).toMatchObject({ records: 0, classes: 0, smallest_class: 0 });
    expect(manifest.k_anonymity.suppressed).toBeUndefined();
  });

  it('is opened with a key of every kind', async () => {
    const x25519: DecryptionKey = importDecryptionKey(generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' }));
    for (const [index, key] of [...DECRYPTION_KEYS, x25519].entries()) {
      const partner = await addResearcher(world, `key-${index}.test`, {}, key);
      const { rows, manifest } = await getExtract(world, partner, { dimensions: ['sex'] });
      expect(manifest.encryption.key.header).toMatchObject({ kid: key.kid, alg: key.algorithm });
      expect(rows.length).toBeGreaterThan(K);
    }
  });

  it('is asked for at every path of its registry', async () => {
    for (const [index, path] of ['', '/social', '/sr'].entries()) {
      const transactionId = `path ${index}`;
      const answer = await post(
        `${world.test.base}${path}/registry/export`,
        researcher.token,
        exportBody(researcher, { dimensions: ['sex'] }, { transactionId }),
      );
      expect(answer.status).toBe(202);
      expect((await calledBack(world, transactionId)).status).toBe('succ');
    }
  });
});

describe('while it is made, and after', () => {
  it('a request that is sent again is the same request, and its status tells of the same extract', async () => {
    const [transactionId, other] = ['again', 'another'];
    const { rows: partners } = await world.test.database.pool.query<{ id: string }>('select id from partner where sender_id = $1', [
      researcher.senderId,
    ]);
    const held = { kind: 'export', owner: partners[0]?.id ?? '' };
    await holdJobs(world.test.database.db, { ...held, until: undefined, reason: 'test' });
    const criteria = { dimensions: ['region', 'sex'] };
    const first = exportBody(researcher, criteria, { transactionId });
    const message = JSON.parse(first) as { message: Json };
    const again = signedMessage(researcher, 'export', message.message);
    for (const body of [first, again]) expect((await sendExport(world, researcher, body)).body.message?.ack_status).toBe('ACK');
    expect(await askStatus(researcher, transactionId)).toMatchObject({ status: 'pdng' });
    await resumeJobs(world.test.database.db, held);
    const told = await calledBack(world, transactionId);
    expect(told.status).toBe('succ');
    expect(await askStatus(researcher, transactionId)).toMatchObject({ status: 'succ', extract: told.extract });
    expect(await askStatus(researcher, other)).toBeUndefined();
    const { rows } = await world.test.database.pool.query(
      `select count(*)::integer as extracts from extract join dci_transaction t on t.id = extract.transaction_id where t.transaction_id = $1`,
      [transactionId],
    );
    expect(rows).toEqual([{ extracts: 1 }]);
    if (told.extract !== undefined) await openExtract(world, researcher, told.extract);
  });

  it('who has no address to be called at asks for the status until it is there', async () => {
    const quiet = await addResearcher(world, 'quiet.test', { notifyUri: '' });
    expect((await sendExport(world, quiet, exportBody(quiet, { dimensions: ['sex'] }, { transactionId: 'quiet' }))).status).toBe(202);
    const item = await vi.waitFor(
      async () => {
        const found = await askStatus(quiet, 'quiet');
        expect(found?.status).toBe('succ');
        return found;
      },
      { timeout: 20_000, interval: 50 },
    );
    if (item?.extract === undefined) throw new Error('no extract');
    expect((await openExtract(world, quiet, item.extract)).rows.length).toBeGreaterThan(K);
    expect(await askStatus(researcher, 'quiet')).toBeUndefined();
  });

  it('whose rows are in it is on record before it can be fetched, and so is each fetching', async () => {
    const partner = await addResearcher(world, 'audited.test');
    const { extract, rows } = await getExtract(world, partner, { dimensions: ['region'] });
    await fetchBytes(`${extract.url}/manifest`, partner.token);
    await fetchBytes(extract.url, partner.token, { range: 'bytes=5-9' });
    const { rows: trail } = await world.test.database.pool.query<Json>(
      `select action, outcome, record_count, cardinality(records) as records, query from audit where sender_id = $1 order by at, seq`,
      [partner.senderId],
    );
    const query = {
      registry: 'social',
      entity: 'SRPerson',
      filter: '*',
      dimensions: ['region'],
      threshold: K,
      extract: extract.extract_id,
    };
    expect(trail).toEqual([
      { action: 'export', outcome: 'accepted', record_count: 0, records: 0, query: null },
      { action: 'export', outcome: 'answered', record_count: rows.length, records: rows.length, query: [query] },
      { action: 'export/fetch', outcome: 'answered', record_count: 0, records: 0, query: { extract: extract.extract_id, part: 'content' } },
      {
        action: 'export/fetch',
        outcome: 'answered',
        record_count: 0,
        records: 0,
        query: { extract: extract.extract_id, part: 'manifest' },
      },
      {
        action: 'export/fetch',
        outcome: 'answered',
        record_count: 0,
        records: 0,
        query: { extract: extract.extract_id, part: 'content', bytes: [5, 9] },
      },
    ]);
    const { rows: strangers } = await world.test.database.pool.query(
      `select id from audit, unnest(records) as id where sender_id = $1 and id not in (select id from record_social_person)`,
      [partner.senderId],
    );
    expect(strangers).toEqual([]);
  });

  it('the operator sees it, whether it can be fetched, and deletes it', async () => {
    const { extract } = await getExtract(world, researcher, { dimensions: ['marital_status'] });
    const changed = await addResearcher(world, 'changed.test');
    const { extract: other } = await getExtract(world, changed, { dimensions: ['marital_status'] });
    await changePartner(world.test.database.db, BUILT_IN_PROFILES, changed.senderId, { terms: { limits: { statisticsThreshold: 50 } } });
    const { host, user, database } = world.test.database.connection;
    const environment = {
      DCI_DATABASE_URL: `postgresql:///${database}?host=${host}&user=${user}`,
      DCI_DATA_DIR: world.test.config.dataDir,
    };
    const list = async (): Promise<readonly Json[]> =>
      JSON.parse((await runHere(environment, ['extract', 'list', '--json'])).out) as Json[];
    const { extract_id: id, records, bytes, sha256 } = extract;
    expect((await list()).find((row) => row['id'] === id)).toMatchObject({
      partner: researcher.senderId,
      state: 'ready',
      records,
      written: records,
      bytes,
      sha256,
    });
    expect((await list()).find((row) => row['id'] === other.extract_id)).toMatchObject({ partner: changed.senderId, state: 'closed' });
    expect((await runHere(environment, ['extract', 'delete', id])).status).toBe(0);
    expect((await list()).some((row) => row['id'] === id)).toBe(false);
    expect((await fetchBytes(extract.url, researcher.token)).status).toBe(404);
    expect(await runHere(environment, ['extract', 'delete', id])).toMatchObject({
      status: 1,
      err: expect.stringContaining('there is no extract'),
    });
    expect((await runHere(environment, ['extract', 'delete', 'x'])).status).toBe(2);
    const { rows } = await world.test.database.pool.query('select 1 from extract_segment where extract_id = $1', [id]);
    expect(rows).toEqual([]);
  });

  it('it goes with its content once it has expired', async () => {
    const partner = await addResearcher(world, 'late.test');
    const { extract } = await getExtract(world, partner, { dimensions: ['marital_status'] });
    const { pool } = world.test.database;
    await pool.query(`update extract set expires_at = now() - interval '1 second' where id = $1`, [extract.extract_id]);
    expect((await fetchBytes(extract.url, partner.token)).status).toBe(404);
    const kind = RETENTION_KINDS.find(({ name }) => name === 'extracts');
    if (kind === undefined) throw new Error('no such kind');
    expect(await purgeKind(pool, kind, new Map(), Date.now())).toBe(1);
    const { rows } = await pool.query('select extract_id from extract_segment where extract_id = $1', [extract.extract_id]);
    expect(rows).toEqual([]);
  });

  async function askStatus(partner: Researcher, transactionId: string) {
    const asked = { reference_id: '1', txn_type: 'export', attribute_type: 'transaction_id', attribute_value: transactionId };
    const body = signedMessage(partner, 'txn-status', { transaction_id: 'status', txnstatus_request: asked });
    const { body: answer } = await post(`${world.test.base}/social/registry/sync/txn/status`, partner.token, body);
    const { txn_status: state } = parseTxnStatusResponse(answer.message).txnstatus_response;
    return 'export_response' in state ? state.export_response?.[0] : undefined;
  }
});

describe('its content', () => {
  it('is fetched in parts that make the whole', async () => {
    const { extract } = await getExtract(world, researcher, { dimensions: ['district', 'sex'], format: 'csv' });
    const { url, bytes: size, sha256 } = extract;
    const half = Math.floor(size / 2);
    const read = async (range: string, more: Record<string, string> = {}) => {
      const response = await fetchBytes(url, researcher.token, { range, ...more });
      return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) };
    };
    const first = await read(`bytes=0-${half - 1}`);
    const second = await read(`bytes=${half}-`, { 'if-range': `"${sha256}"` });
    expect([first.status, second.status]).toEqual([206, 206]);
    expect(first.headers.get('content-range')).toBe(`bytes 0-${half - 1}/${size}`);
    expect(first.headers.get('content-length')).toBe(String(half));
    expect(first.headers.get('etag')).toBe(`"${sha256}"`);
    expect(createHash('sha256').update(first.bytes).update(second.bytes).digest('hex')).toBe(sha256);
    expect((await read('bytes=-7')).bytes).toEqual(second.bytes.subarray(-7));
    expect((await read(`bytes=${size - 3}-999999999999`)).bytes).toEqual(second.bytes.subarray(-3));
    // Of another file, of several ranges at once, or unreadable: the whole, as RFC 9110 has it.
    for (const [range, more] of [
      ['bytes=0-1', { 'if-range': '"another"' }],
      ['bytes=0-1,3-4', {}],
      ['bytes=9-2', {}],
      ['rows=1-2', {}],
    ] as const) {
      const whole = await read(range, more);
      expect([whole.status, whole.bytes.length, whole.headers.get('accept-ranges')]).toEqual([200, size, 'bytes']);
    }
    for (const range of [`bytes=${size}-`, 'bytes=-0', `bytes=${'9'.repeat(400)}-`]) {
      const none = await read(range);
      expect([none.status, none.headers.get('content-range')]).toEqual([416, `bytes */${size}`]);
      expect(none.bytes.toString()).not.toContain(sha256);
    }
  });

  it('cannot be read from the database: there is no key to it', async () => {
    const { extract, text } = await getExtract(world, researcher, { dimensions: ['region', 'marital_status'] });
    const { rows } = await world.test.database.pool.query<{ sealed: Buffer; whole: string }>(
      `select s.sealed, to_jsonb(e)::text as whole from extract e join extract_segment s on s.extract_id = e.id where e.id = $1`,
      [extract.extract_id],
    );
    expect(Buffer.concat(rows.map(({ sealed }) => sealed))).toHaveLength(extract.bytes);
    const pseudonym = /"pseudonym":"([^"]+)"/.exec(text)?.[1] ?? '?';
    for (const { sealed, whole } of rows) expect(sealed.includes(pseudonym) || whole.includes(pseudonym)).toBe(false);
  });
});

it('a group has extracts as a person has', async () => {
  const item = await askExport(world, researcher, { reg_record_type: 'Group', dimensions: ['group_type', 'size_band'] });
  expect(item).toMatchObject({ status: 'succ', extract: { records: 0 } });
});
