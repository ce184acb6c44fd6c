import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { importDecryptionKey } from '@dci/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CommandLine, type Finished, openCommandLine } from '../partners/command-line.ts';
import { importPersons, type Person } from '../support/persons.ts';
import { SERVER_ID, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

let app: TestApp;
let command: CommandLine;
let partner: TestPartner;
let persons: Person[];

const WOMEN = {
  query_type: 'predicate',
  query: [{ expression1: { attribute_name: 'sex', operator: 'eq', attribute_value: 'female' } }],
  sort: [{ attribute_name: 'given_name', sort_order: 'asc' }],
};

beforeAll(async () => {
  app = await startTestApp();
  command = await openCommandLine();
  partner = await app.addPartner('mis.example.org');
  persons = await importPersons(app.database, 24);
});
afterAll(async () => {
  await command.close();
  await app.close();
});

function write(name: string, text: string): string {
  const path = join(command.folder, name);
  writeFileSync(path, text);
  return path;
}

function as({ senderId, token, key }: TestPartner): string[] {
  const keyFile = write('key.pem', key.key.export({ type: 'pkcs8', format: 'pem' }).toString());
  return ['--sender-id', senderId, '--token-file', write('token', `${token}\n`), '--key', keyFile, '--key-id', key.kid];
}

function search(...args: string[]): Promise<Finished> {
  return command.run('search', '--server', app.base, ...as(partner), ...args);
}

async function searchJson(...args: string[]): Promise<{ signed_by: string | null; items: { total_count: number; records: unknown[] }[] }> {
  const { status, out, err } = await search(...args, '--json');
  expect({ status, err }).toEqual({ status: 0, err: '' });
  return JSON.parse(out) as Awaited<ReturnType<typeof searchJson>>;
}

describe('dci search', () => {
  it('prints the person of an identifier, and who signed the answer', async () => {
    const [person] = persons;
    const { status, out, err } = await search('--id', `UIN=${person?.uin}`);
    expect({ status, err }).toEqual({ status: 0, err: '' });
    const [heading, row, , summary] = out.split('\n');
    expect(heading).toMatch(/^identifier +name +sex +birth date +place$/);
    expect(row).toMatch(new RegExp(`^UIN=${person?.uin} +${person?.given} Testé +female +1940-03-15 +Anytown, D-01, R-1, XX$`));
    const { keys } = (await (await fetch(`${app.base}/.well-known/jwks.json`)).json()) as { keys: { kid: string }[] };
    expect(summary).toBe(`1 of 1 records; answer signed by ${keys[0]?.kid}`);
  });

  it('asks for several identifiers in one message', async () => {
    const { items } = await searchJson(
      '--id',
      `UIN=${persons[1]?.uin}`,
      '--id',
      'UIN=none',
      '--id',
      `urn:gov:national-id=${persons[2]?.uin}`,
    );
    expect(items.map((item) => item.total_count)).toEqual([1, 0, 1]);
    const { rows } = await app.database.pool.query<{ item_count: number }>('select item_count from audit order by seq desc limit 1');
    expect(rows).toEqual([{ item_count: 3 }]);
  });

  it('reads criteria from a file, and all pages when told', async () => {
    const criteria = write('women.json', JSON.stringify(WOMEN));
    const page = await searchJson('--criteria', criteria, '--page-size', '5', '--page', '3');
    expect(page.items[0]).toMatchObject({ total_count: 12 });
    expect(page.items[0]?.records).toHaveLength(2);

    const all = await searchJson('--criteria', criteria, '--page-size', '5', '--all');
    const women = persons.filter((_, index) => index % 2 === 0).map(({ given }) => given);
    const names = all.items[0]?.records.map((record) => (record as { name: { given_name: string } }).name.given_name);
    expect(names).toEqual(women.toSorted());
  });

  it('prints groups with their heads', async () => {
    const { out } = await search('--id', 'HHID=H000001', '--entity', 'Group');
    expect(out).toMatch(/^identifier +size +poverty score +head +place\nHHID=H000001 +4 +1 +Given4 Testé\n/);
  });

  it('obtains a token by client id and secret, which need not stand on the command line', async () => {
    const credentials = ['--client-id', partner.clientId, '--client-secret-file', write('secret', `${partner.clientSecret}\n`)];
    const key = as(partner).slice(4);
    const { status, out } = await command.run(
      'search',
      '--server',
      app.base,
      '--sender-id',
      partner.senderId,
      ...credentials,
      ...key,
      '--id',
      'UIN=none',
    );
    expect(status).toBe(0);
    expect(out).toMatch(/^0 of 0 records; answer signed by /);
  });
});

describe('dci search fails with 1', () => {
  it('when the server refuses, and says by what code', async () => {
    const { status, out, err } = await search('--criteria', write('unknown.json', JSON.stringify(WOMEN).replace('"sex"', '"shoe_size"')));
    expect({ status, out }).toEqual({ status: 1, out: '' });
    expect(err).toMatch(/^dci: refused with rjct\.filter\.invalid \(HTTP 200\): .*attribute_name\)\n$/);
  });

  it('when one of several is refused, and still prints the others', async () => {
    const list = [WOMEN, { query_type: 'idtype-value', query: { type: 'NOSUCH', value: '1' } }];
    const { status, out, err } = await search('--criteria', write('list.json', JSON.stringify(list)));
    expect(status).toBe(1);
    expect(out).toContain('12 of 12 records');
    expect(err).toMatch(/^item 2 refused with rjct\./);
  });

  it('when the message is signed by a key that is not registered', async () => {
    const { status, err } = await search('--key-id', 'another', '--id', 'UIN=none');
    expect(status).toBe(1);
    expect(err).toContain('refused with err.signature.invalid (HTTP 401)');
  });

  it('when the keys of the server cannot be had', async () => {
    const { status, out, err } = await search('--jwks', `${app.base}/nothing`, '--id', 'UIN=none');
    expect({ status, out }).toEqual({ status: 1, out: '' });
    expect(err).toContain('err.request.not_found');
  });

  it('when nothing answers', async () => {
    const { status, err } = await command.run('search', '--server', 'http://127.0.0.1:1', ...as(partner), '--id', 'UIN=1');
    expect(status).toBe(1);
    expect(err).toContain('no answer from http://127.0.0.1:1/registry/sync/search');
  });
});

it.each(['dci', 'jws', 'jws-detached'])('signs in the dialect %s, and encrypts to a server that answers encrypted', async (dialect) => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const secret = await app.addPartner(`${dialect}.example.org`, {}, importDecryptionKey(privateKey.export({ format: 'jwk' })));
  const own = write('own.pem', privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  const args = ['--dialect', dialect, '--encrypt', '--decryption-key', own, '--id', `UIN=${persons[0]?.uin}`, '--json'];
  const { status, out, err } = await command.run('search', '--server', app.base, ...as(secret), ...args);
  expect({ status, err }).toEqual({ status: 0, err: '' });
  expect(JSON.parse(out)).toMatchObject({ signed_by: expect.any(String), items: [{ total_count: 1 }] });
  expect(out).toContain(persons[0]?.uin);
});

it('uses an unverified answer only when told, and says so', async () => {
  const { status, out } = await search('--insecure-no-verify', '--receiver-id', SERVER_ID, '--id', 'UIN=none');
  expect({ status, out }).toEqual({ status: 0, out: '0 of 0 records; answer NOT verified\n' });
});

describe('dci search is used wrongly, status 2,', () => {
  it.each<[string, string[], RegExp]>([
    ['without a question', [], /--id TYPE=VALUE or --criteria FILE/],
    ['with two kinds of question', ['--id', 'UIN=1', '--criteria', 'x.json'], /--criteria/],
    ['with an identifier that is none', ['--id', 'UIN'], /TYPE=VALUE/],
    ['with a page of no number', ['--id', 'UIN=1', '--page', '0'], /whole number from 1/],
    ['with a file that is not there', ['--criteria', '/nonexistent.json'], /cannot read/],
    ['encrypting, without a key for the answer', ['--id', 'UIN=1', '--encrypt'], /--decryption-key/],
    ['in a dialect that does not exist', ['--id', 'UIN=1', '--dialect', 'xml'], /dci, jws, jws-detached/],
    ['with a page and all pages', ['--id', 'UIN=1', '--all', '--page', '2'], /--all/],
  ])('%s', async (_, args, message) => {
    const { status, out, err } = await search(...args);
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toMatch(message);
  });

  it('with criteria that are no object', async () => {
    const { status, err } = await search('--criteria', write('text.json', '"all"'));
    expect(status).toBe(2);
    expect(err).toContain('holds no object');
  });

  it('without credentials', async () => {
    const { status, err } = await command.run('search', '--server', app.base, '--sender-id', 'x', '--id', 'UIN=1');
    expect(status).toBe(2);
    expect(err).toContain('--token-file');
  });
});
