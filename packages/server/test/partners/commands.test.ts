import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateSigningKey, publicJwk, thumbprint } from '@dci/protocol';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KEY_FILE } from '../../src/services/sealer.ts';
import { type CommandLine, openCommandLine } from './command-line.ts';

let command: CommandLine;
const key = generateSigningKey('EdDSA');

beforeAll(async () => {
  command = await openCommandLine();
});
afterAll(() => command.close());

function write(name: string, text: string): string {
  const path = join(command.folder, name);
  writeFileSync(path, text);
  return path;
}

function pemFile(): string {
  return write('mis.pem', publicKeyPem());
}

function publicKeyPem(): string {
  const { x } = publicJwk(key);
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.from(String(x), 'base64url')]);
  return `-----BEGIN PUBLIC KEY-----\n${der.toString('base64')}\n-----END PUBLIC KEY-----\n`;
}

async function show(senderId: string): Promise<Record<string, unknown>> {
  const { status, out } = await command.run('partner', 'show', senderId, '--json');
  expect(status).toBe(0);
  return JSON.parse(out) as Record<string, unknown>;
}

describe('dci partner add', () => {
  it('--json prints the three members that scripts rely on, and nothing else on stdout', async () => {
    const { status, out } = await command.run('partner', 'add', '--sender-id', 'json.example.org', '--json');
    expect(status).toBe(0);
    expect(JSON.parse(out)).toEqual({
      sender_id: 'json.example.org',
      client_id: expect.any(String),
      client_secret: expect.stringMatching(/^[\w-]{43}$/),
    });
  });

  it('takes every flag of its contract', async () => {
    const args = ['--sender-id', 'all.example.org', '--name', 'Ministry', '--registries', 'social', '--scopes', 'registry/search'];
    const more = ['--signature', 'optional', '--lenient', '--public-key', pemFile(), '--key-id', 'key-1', '--default-entity', 'Member'];
    const answers = ['--dialect', 'jws-detached'];
    const rest = ['--legal-basis', 'Act 12', '--purpose', 'targeting', '--purpose', 'audit', '--fields', 'minimal'];
    const { status, err } = await command.run(
      'partner',
      'add',
      ...args,
      ...more,
      ...answers,
      ...rest,
      '--limits',
      'page-size=50,points-per-minute=600',
      '--json',
    );
    expect({ status, err }).toEqual({ status: 0, err: 'note: messages of all.example.org without a signature are taken\n' });
    expect(await show('all.example.org')).toMatchObject({
      name: 'Ministry',
      active: true,
      registries: ['social'],
      scopes: ['registry/search'],
      signature: 'optional',
      dialect: 'jws-detached',
      lenient: true,
      default_entity: 'Member',
      legal_basis: 'Act 12',
      purposes: ['targeting', 'audit'],
      fields: 'minimal',
      limits: { pageSize: 50, pointsPerMinute: 600 },
      keys: [{ kid: 'key-1', algorithm: 'EdDSA' }],
    });
  });

  it('opens the default registry for searches, and says what is still missing', async () => {
    const { out, err } = await command.run('partner', 'add', '--sender-id', 'bare.example.org');
    expect(out).toMatch(/client id {6}[\w-]{36}\n {2}client secret {2}[\w-]{43}\n.*not shown again/);
    expect(err).toContain('bare.example.org is given nothing until it has a legal basis (--legal-basis) and a field rule (--fields)');
    expect(err).toContain('is refused until it has a key');
    expect(await show('bare.example.org')).toMatchObject({
      registries: ['social'],
      scopes: ['registry/search'],
      signature: 'required',
      dialect: 'as-asked',
      fields: null,
    });
  });

  it('registers the keys of a JWKS', async () => {
    const jwks = write(
      'jwks.json',
      JSON.stringify({
        keys: [
          { ...publicJwk(key), kid: 'a' },
          { ...publicJwk(generateSigningKey('ES256')), kid: 'b' },
        ],
      }),
    );
    await command.run('partner', 'add', '--sender-id', 'jwks.example.org', '--jwks', jwks);
    expect(await show('jwks.example.org')).toMatchObject({
      keys: [
        { kid: 'a', algorithm: 'EdDSA' },
        { kid: 'b', algorithm: 'ES256' },
      ],
    });
  });

  it('registers keys to encrypt to, from a JWKS and beside one, and revokes them', async () => {
    const encryption = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
    const keys = [
      { ...publicJwk(key), kid: 'a' },
      { ...encryption.export({ format: 'jwk' }), use: 'enc', kid: 'b' },
    ];
    const add = ['partner', 'add', '--sender-id', 'enc.example.org', '--encryption', 'required'];
    expect((await command.run(...add)).err).toContain('refused until it has a key to encrypt to (--encryption-key, or --jwks)');
    const pem = write('enc.pem', String(encryption.export({ type: 'spki', format: 'pem' })));
    const given = ['--jwks', write('enc.json', JSON.stringify({ keys })), '--encryption-key', pem];
    expect((await command.run('partner', 'set', 'enc.example.org', ...given)).out).toContain(
      'encrypts its messages always; it is encrypted to',
    );
    expect(await show('enc.example.org')).toMatchObject({
      encryption: 'required',
      keys: expect.arrayContaining([
        expect.objectContaining({ kid: 'a', use: 'sig', algorithm: 'EdDSA' }),
        expect.objectContaining({ kid: 'b', use: 'enc', algorithm: 'RSA-OAEP-256' }),
        expect.objectContaining({ kid: thumbprint(encryption.export({ format: 'jwk' })), use: 'enc', algorithm: 'RSA-OAEP-256' }),
      ]),
    });
    await command.run('partner', 'set', 'enc.example.org', '--revoke-key', 'b');
    const { keys: left } = (await show('enc.example.org')) as { keys: { kid: string }[] };
    expect(left.map(({ kid }) => kid).sort()).toEqual(['a', thumbprint(encryption.export({ format: 'jwk' }))].sort());
  });

  it.each<[string, string[], RegExp]>([
    ['no sender id', ['--name', 'x'], /--sender-id/],
    ['a flag it does not have', ['--sender-id', 'x', '--allow-everything'], /--allow-everything/],
    ['a callback prefix that is none', ['--sender-id', 'x', '--allow-callback', 'https://x/?a=b'], /cannot be called/],
    ['an address that cannot be called', ['--sender-id', 'x', '--notify-uri', 'ftp://x/'], /cannot be called/],
    ['credentials for callbacks that are none', ['--sender-id', 'x', '--callback-auth', '/dev/null'], /--callback-auth: it is not JSON/],
    ['a key at an address', ['--sender-id', 'x', '--public-key', 'https://x.example.org/key.pem', '--key-id', 'k'], /takes a file/],
    ['a key without its id', ['--sender-id', 'x', '--public-key', '/dev/null'], /does not say its id/],
    ['a key id without a key', ['--sender-id', 'x', '--key-id', 'k'], /--public-key/],
    ['a file that is not there', ['--sender-id', 'x', '--jwks', '/nowhere'], /--jwks: ENOENT/],
    ['an unknown scope', ['--sender-id', 'x', '--scopes', 'registry/rewrite'], /known: registry\/search/],
    ['an unknown registry', ['--sender-id', 'x', '--registries', 'moon'], /known: social/],
    ['an unknown rule', ['--sender-id', 'x', '--fields', 'all'], /known: full, minimal, eligibility, research, existence/],
    ['a limit of nothing', ['--sender-id', 'x', '--limits', 'page-size=0'], /whole number from 1/],
    ['a limit that is none', ['--sender-id', 'x', '--limits', 'speed'], /name=number/],
    ['a sender id with a bar', ['--sender-id', 'a|b'], /printable ASCII/],
  ])('called with %s ends with status 2 and registers nothing', async (_name, args, message) => {
    const before = (await command.run('partner', 'list', '--json')).out;
    const { status, out, err } = await command.run('partner', 'add', ...args);
    expect(status).toBe(2);
    expect(out).toBe('');
    expect(err).toMatch(message);
    expect((await command.run('partner', 'list', '--json')).out).toBe(before);
  });

  it('fails for a sender id that is taken', async () => {
    await command.run('partner', 'add', '--sender-id', 'taken.example.org');
    const { status, err } = await command.run('partner', 'add', '--sender-id', 'taken.example.org');
    expect(status).toBe(1);
    expect(err).toContain('is registered already');
  });
});

describe('the other partner commands', () => {
  it('change what is named, in words that show it', async () => {
    await command.run('partner', 'add', '--sender-id', 'mis.example.org', '--lenient', '--public-key', pemFile(), '--key-id', 'key-1');
    const jwk = write('second.json', JSON.stringify({ ...publicJwk(generateSigningKey('ES256')), kid: 'key-2' }));
    const changes = ['--no-lenient', '--legal-basis', 'Act 12', '--fields', 'full', '--public-key', jwk, '--revoke-key', 'key-1'];
    const { status, out, err } = await command.run('partner', 'set', 'mis.example.org', ...changes);
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out).toContain('sees every field (rule full)\n  on the legal basis "Act 12" (law), for no stated purpose\n');
    expect(out).toMatch(/key-2 \(ES256, since \d{4}-\d{2}-\d{2}\)/);
    expect(out).toContain('is read strictly');
    expect(out).not.toContain('key-1');
  });

  it('put a partner under an agreement, and print it as the file it came from', async () => {
    const agreement = {
      legal_basis: { kind: 'contract', text: 'Memorandum 7' },
      purposes: ['targeting'],
      registries: {
        social: { record_types: ['person'], rows: { person: { district: { $eq: 'XZ-0302' } } } },
      },
      fields: { name: 'district-office', extends: 'minimal', classes: { contact: 'mask' }, dates: 'year', fields: { birth_date: 'give' } },
      recipient_classes: ['social-protection'],
      limits: { page_size: 50 },
    };
    await command.run('partner', 'add', '--sender-id', 'agreed.example.org', '--limits', 'points-per-minute=6');
    const file = write('agreement.json', JSON.stringify(agreement));
    const { status, out } = await command.run('partner', 'set', 'agreed.example.org', '--agreement', file);
    expect(status).toBe(0);
    expect(out).toContain(
      '  sees the fields of the classes public, identifier, name, administrative; contact: the last four characters; dates by the year; birth_date: as it is; and no other field (rule district-office)\n' +
        '    of social, records of the types person only\n' +
        '    of social, a person only where {"district":{"$eq":"XZ-0302"}}\n' +
        '  on the legal basis "Memorandum 7" (contract), for targeting\n',
    );
    const printed = await command.run('partner', 'agreement', 'agreed.example.org');
    expect(JSON.parse(printed.out)).toEqual(agreement);
    const rule = write('rule.json', JSON.stringify({ name: 'none', fields: { sex: 'give' } }));
    expect(await command.run('partner', 'set', 'agreed.example.org', '--fields', rule)).toMatchObject({ status: 0 });
    expect(await show('agreed.example.org')).toMatchObject({ fields: { name: 'none', fields: { sex: 'give' } }, limits: { pageSize: 50 } });
    expect(JSON.parse((await command.run('partner', 'agreement', '--schema')).out)).toMatchObject({ title: 'Agreement with a partner' });
  });

  it.each<[string, object | string, RegExp]>([
    ['no JSON', '{', /is no JSON/],
    ['no rule', { fields: undefined }, /fields/],
    ['a kind of ground that there is not', { legal_basis: { kind: 'wish', text: 'x' } }, /kind/],
    ['a member it does not know', { colour: 'red' }, /additional/],
    ['a registry that there is not', { registries: { moon: {} } }, /no registry "moon"/],
    ['a record type that there is not', { registries: { social: { record_types: ['house'] } } }, /no record type "house"/],
    [
      'rows for one of two record types',
      { registries: { social: { rows: { person: { sex: 'female' } } } } },
      /which records of the type group/,
    ],
    [
      'rows that are no query',
      { registries: { social: { rows: { person: { colour: 'red' }, group: 'all' } } } },
      /rows of person: .*not known/,
    ],
    ['rows of nothing', { registries: { social: { rows: { person: {}, group: 'all' } } } }, /rows of person/],
    ['a field that there is not', { fields: { name: 'x', fields: { colour: 'give' } } }, /"colour"/],
    ['a treatment that there is not', { fields: { name: 'x', fields: { sex: 'blur' } } }, /sex/],
    ['a rule with the name of another', { fields: { name: 'full', classes: {} } }, /name of a ready-made one/],
    ['a limit of nothing', { limits: { page_size: 0 } }, /page_size/],
  ])('take no agreement with %s', async (_name, change, message) => {
    const good = { legal_basis: { kind: 'law', text: 'Act' }, purposes: [], registries: { social: {} }, fields: 'minimal' };
    const file = write('bad.json', typeof change === 'string' ? change : JSON.stringify({ ...good, ...change }));
    await command.run('partner', 'add', '--sender-id', 'unagreed.example.org');
    const before = await show('unagreed.example.org');
    const { status, err } = await command.run('partner', 'set', 'unagreed.example.org', '--agreement', file);
    expect({ status, err }).toEqual({ status: 2, err: expect.stringMatching(message) });
    expect(await show('unagreed.example.org')).toEqual(before);
  });

  it('take the ground of consent only where it is said plainly, and ask for a purpose', async () => {
    await command.run('partner', 'add', '--sender-id', 'ground.example.org', '--fields', 'minimal');
    const vague = await command.run('partner', 'set', 'ground.example.org', '--legal-basis', 'Consent of the holder');
    expect(vague).toMatchObject({ status: 2, err: expect.stringContaining('must be plain') });
    const plain = await command.run('partner', 'set', 'ground.example.org', '--legal-basis', 'consent: form 3');
    expect(plain).toMatchObject({ status: 0, err: expect.stringContaining('a purpose (--purpose), for which people consent') });
    expect(await show('ground.example.org')).toMatchObject({ legal_basis: 'form 3', legal_basis_kind: 'consent' });
  });

  it('disable and enable', async () => {
    await command.run('partner', 'add', '--sender-id', 'switched.example.org');
    expect(await command.run('partner', 'disable', '--sender-id', 'switched.example.org')).toMatchObject({ status: 0 });
    expect((await show('switched.example.org'))['active']).toBe(false);
    expect(await command.run('token', '--partner', 'switched.example.org')).toMatchObject({ status: 1, out: '' });
    await command.run('partner', 'enable', 'switched.example.org');
    expect((await show('switched.example.org'))['active']).toBe(true);
  });

  it('rotate the secret and keep the client', async () => {
    const before = JSON.parse((await command.run('partner', 'add', '--sender-id', 'rotated.example.org', '--json')).out) as Record<
      string,
      string
    >;
    const after = JSON.parse((await command.run('partner', 'rotate-secret', 'rotated.example.org', '--json')).out) as Record<
      string,
      string
    >;
    expect(after).toEqual({ ...before, client_secret: expect.any(String) });
    expect(after['client_secret']).not.toBe(before['client_secret']);
  });

  it('never show a secret or its hash', async () => {
    const made = JSON.parse((await command.run('partner', 'add', '--sender-id', 'secret.example.org', '--json')).out) as Record<
      string,
      string
    >;
    const shown = await Promise.resolve([
      await command.run('partner', 'show', 'secret.example.org'),
      await command.run('partner', 'show', 'secret.example.org', '--json'),
      await command.run('partner', 'list'),
      await command.run('partner', 'list', '--json'),
    ]);
    for (const { out } of shown) {
      expect(out).toContain('secret.example.org');
      expect(out).not.toContain(made['client_secret']);
      expect(out).not.toContain('$scrypt$');
    }
  });

  it.each([
    ['show', 'nobody.example.org'],
    ['set', 'nobody.example.org'],
    ['disable', 'nobody.example.org'],
    ['rotate-secret', 'nobody.example.org'],
  ])('fail for a partner that is not there: %s', async (...args) => {
    expect(await command.run('partner', ...args)).toMatchObject({
      status: 1,
      err: 'dci: no partner is registered as "nobody.example.org"\n',
    });
  });

  it('name one partner, or end with status 2', async () => {
    expect(await command.run('partner', 'show')).toMatchObject({ status: 2 });
    expect(await command.run('partner', 'show', 'a', '--sender-id', 'b')).toMatchObject({ status: 2 });
  });
});

describe('dci token', () => {
  it('prints a bearer token and nothing else on stdout', async () => {
    const made = JSON.parse((await command.run('partner', 'add', '--sender-id', 'token.example.org', '--json')).out) as Record<
      string,
      string
    >;
    const { status, out } = await command.run('token', '--partner', 'token.example.org');
    expect(status).toBe(0);
    expect(out).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    expect(decodeProtectedHeader(out.trim())).toMatchObject({ typ: 'at+jwt', alg: 'ES256' });
    expect(decodeJwt(out.trim())).toMatchObject({ iss: 'registry.example.org', sub: made['client_id'], scope: 'registry/search' });
  });

  it('fails for a partner that is not there', async () => {
    expect(await command.run('token', '--partner', 'nobody.example.org')).toMatchObject({ status: 1, out: '' });
  });
});

interface ListedKey {
  readonly kid: string;
  readonly use: string;
  readonly state: string;
}

describe('dci key', () => {
  it('makes a key encryption key for the owner alone, lists and rotates', async () => {
    const first = JSON.parse((await command.run('key', 'list', '--json')).out) as ListedKey[];
    expect(first.map(({ use, state }) => [use, state])).toEqual(
      expect.arrayContaining([
        ['sig', 'active'],
        ['enc', 'active'],
        ['enc', 'active'],
      ]),
    );
    expect(first).toHaveLength(3);
    expect(statSync(join(command.folder, KEY_FILE)).mode & 0o777).toBe(0o600);
    const made = JSON.parse((await command.run('key', 'rotate', '--json')).out) as { keys: ListedKey[]; active_in_seconds: number };
    expect(made.active_in_seconds).toBe(600);
    const second = JSON.parse((await command.run('key', 'list', '--json')).out) as ListedKey[];
    expect(second.filter(({ use }) => use === 'sig').map((listed) => [listed.kid, listed.state])).toEqual([
      [made.keys[0]?.kid, 'next'],
      [first.find(({ use }) => use === 'sig')?.kid, 'active'],
    ]);
  });

  it('rotates at once, and ends a key that is not in use', async () => {
    const before =
      (JSON.parse((await command.run('key', 'list', '--json')).out) as ListedKey[]).find(
        ({ use, state }) => use === 'sig' && state === 'active',
      )?.kid ?? '';
    expect(await command.run('key', 'retire', before)).toMatchObject({ status: 1, err: expect.stringContaining('is in use') });
    expect(await command.run('key', 'rotate', '--now')).toMatchObject({ status: 0, out: expect.stringContaining('from now on') });
    expect(await command.run('key', 'retire', before)).toMatchObject({ status: 0 });
    const after = JSON.parse((await command.run('key', 'list', '--json')).out) as ListedKey[];
    expect(after.find(({ kid }) => kid === before)?.state).toBe('withdrawn');
    expect(await command.run('key', 'rotate', '--use', 'enc', '--json')).toMatchObject({
      status: 0,
      out: expect.stringContaining('RSA-OAEP-256'),
    });
    expect(await command.run('key', 'retire', '-nobody')).toMatchObject({ status: 1, err: expect.stringContaining('-nobody') });
    expect(await command.run('key', 'retire', 'nobody')).toMatchObject({
      status: 1,
      err: expect.stringContaining('there is no key nobody'),
    });
    expect(await command.run('key', 'rotate', '--use', 'other')).toMatchObject({ status: 2 });
  });

  it('seals the keys anew under another key encryption key, all of them or none', async () => {
    const [old, fresh, wrong] = [1, 2, 3].map(() => randomBytes(32).toString('base64'));
    const before = await openCommandLine({ DCI_KEY_ENCRYPTION_KEY: old ?? '' });
    const { host, user, database } = before.test.connection;
    const url = `postgresql:///${database}?host=${host}&user=${user}`;
    const after = await openCommandLine({ DCI_KEY_ENCRYPTION_KEY: fresh ?? '', DCI_DATABASE_URL: url });
    const listed = (await before.run('key', 'list', '--json')).out;
    const auth = ['--callback-auth', write('auth.json', JSON.stringify({ token: 'presented-to-the-receiver' }))];
    expect(await before.run('partner', 'add', '--sender-id', 'called.example.org', ...auth)).toMatchObject({ status: 0 });
    expect(await after.run('key', 'list')).toMatchObject({ status: 1 });
    expect(await after.run('key', 'reseal', '--from', write('wrong.key', wrong ?? ''))).toMatchObject({ status: 1 });
    expect(await after.run('key', 'reseal', '--from', write('no.key', 'short'))).toMatchObject({ status: 2 });
    expect(await before.run('key', 'list', '--json')).toMatchObject({ status: 0, out: listed });
    expect(await after.run('key', 'reseal', '--from', write('old.key', old ?? ''), '--json')).toMatchObject({
      status: 0,
      out: expect.stringContaining('"resealed": 4'),
    });
    expect(await after.run('key', 'list', '--json')).toMatchObject({ status: 0, out: listed });
    expect(await before.run('key', 'list')).toMatchObject({ status: 1 });
    await after.close();
    await before.close();
  });

  it('does not rotate a key that the operator keeps, and refuses a wrong key encryption key', async () => {
    const own = write('own.pem', String(generateSigningKey('ES256').key.export({ type: 'pkcs8', format: 'pem' })));
    const kept = await openCommandLine({ DCI_SIGNING_KEY_PATH: own });
    expect(await kept.run('key', 'rotate')).toMatchObject({ status: 1, err: expect.stringContaining('DCI_SIGNING_KEY_PATH') });
    await kept.close();
    const keyed = await openCommandLine({ DCI_KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64') });
    await keyed.run('key', 'list');
    expect(readdirSync(keyed.folder)).toEqual([]);
    const { host, user, database } = keyed.test.connection;
    const other = await openCommandLine({ DCI_DATABASE_URL: `postgresql:///${database}?host=${host}&user=${user}` });
    expect(await other.run('key', 'list')).toMatchObject({ status: 1, err: expect.stringContaining('set DCI_KEY_ENCRYPTION_KEY') });
    await other.close();
    await keyed.close();
  });
});

describe('dci location', () => {
  it('imports a file whole or not at all, and lists it', async () => {
    const good = write('places.csv', 'code,name,type,parent\nKE,Kenya,country,\nKE-01,Mombasa,county,KE\n');
    const bad = write('bad.csv', 'code,name,type,parent\nUG,Uganda,country,\nUG-01,Kampala,city,XX\n');
    expect(await command.run('location', 'import', good)).toMatchObject({ status: 0, out: 'read 2 places; 2 were new or different\n' });
    expect(await command.run('location', 'import', bad)).toMatchObject({ status: 1, err: expect.stringContaining('UG-01 lies in XX') });
    expect(await command.run('location', 'import', '/nowhere.csv')).toMatchObject({ status: 1 });
    expect(JSON.parse((await command.run('location', 'list', '--json')).out)).toEqual([
      { code: 'KE', name: 'Kenya', type: 'country', parent: null },
      { code: 'KE-01', name: 'Mombasa', type: 'county', parent: 'KE' },
    ]);
  });
});
