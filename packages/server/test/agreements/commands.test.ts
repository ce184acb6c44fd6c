import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateSigningKey, publicJwk } from '@dci/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { socialProfile } from '../../src/profiles/social.ts';
import { reconcileProfile } from '../../src/registry/reconcile.ts';
import { putRecords } from '../../src/registry/write.ts';
import { type CommandLine, openCommandLine } from '../partners/command-line.ts';
import { importPersons, memberDocument } from '../support/persons.ts';

let command: CommandLine;

beforeAll(async () => {
  command = await openCommandLine();
  await reconcileProfile(command.test.database, socialProfile);
  await importPersons(command.test.database, 4);
  await command.run('partner', 'add', '--sender-id', 'clinic.example.org');
});
afterAll(() => command.close());

const write = (name: string, text: string): string => {
  const path = join(command.folder, name);
  writeFileSync(path, text);
  return path;
};

const GIVE = ['consent', 'give', '--registry', 'social', '--purpose', 'care'];
const TO = ['--to', 'clinic.example.org'];

describe('dci consent', () => {
  it('gives, renews, withdraws, lists and shows', async () => {
    const given = await command.run(...GIVE, ...TO, '--subject', 'UIN=9000000000', '--covers', 'identifier,name,birth_date', '--json');
    expect(given.status).toBe(0);
    const { id, state, recipient, covers } = JSON.parse(given.out) as Record<string, string>;
    expect({ state, recipient, covers }).toEqual({
      state: 'valid',
      recipient: 'clinic.example.org',
      covers: ['identifier', 'name', '.demographic_info.birth_date'],
    });
    const registry = ['--registry', 'social', id ?? ''];
    expect(await command.run('consent', 'renew', ...registry, '--until', '2099-01-01')).toMatchObject({
      status: 0,
      out: expect.stringContaining('until 2099-01-01T00:00:00.000Z'),
    });
    expect(await command.run('consent', 'withdraw', ...registry, '--reason', 'asked on the phone')).toMatchObject({
      status: 0,
      out: expect.stringMatching(
        /\(withdrawn\)\n {2}UIN=9000000000 lets clinic.example.org see .*\n[^]*given, written down by operator\n[^]*renewed[^]*withdrawn/,
      ),
    });
    expect(await command.run('consent', 'renew', ...registry)).toMatchObject({ status: 1, err: expect.stringContaining('withdrawn') });
    const receipt = JSON.parse((await command.run('consent', 'show', ...registry, '--receipt')).out) as object;
    expect(receipt).toMatchObject({
      receipt: { schema_version: 'ISO/IEC TS 27560:2023', receipt_id: id, pii_principal_id: 'UIN=9000000000' },
      pii_processing: { purposes: [{ purpose: 'care', lawful_basis: 'consent', pii_controllers: ['registry.example.org'] }] },
      event: [{ event_state: 'given' }, { event_state: 'renewed' }, { event_state: 'withdrawn', entity_id: 'operator' }],
    });
    const listed = await command.run('consent', 'list', '--registry', 'social', '--subject', 'UIN=9000000000', ...TO);
    expect(listed.out).toMatch(new RegExp(`^id .*\\n${id} .*withdrawn`));
    expect((await command.run('consent', 'list', '--registry', 'social', '--to-class', 'health')).out).not.toContain(id);
  });

  it('names the subject by an identifier that nobody shares', async () => {
    const spouse = memberDocument('9100000000', 'Ada', 0);
    const identifiers = [{ identifier_type: 'MRN', identifier_value: 'A-1' }, ...(spouse['member_identifier'] as object[])];
    const info = { ...(spouse['demographic_info'] as object), identifier: identifiers };
    await putRecords(command.test.database.db, socialProfile, [{ ...spouse, member_identifier: identifiers, demographic_info: info }]);
    const given = await command.run(...GIVE, ...TO, '--subject', 'UIN=9100000000', '--covers', 'name', '--json');
    const { id, subject } = JSON.parse(given.out) as { id: string; subject: string };
    expect(subject).toBe('UIN=9100000000');
    const receipt = JSON.parse((await command.run('consent', 'show', '--registry', 'social', id, '--receipt')).out) as object;
    expect(receipt).toMatchObject({ record: { pii_principal_id: 'UIN=9100000000' } });
  });

  it.each<[string, string[], RegExp, number]>([
    ['nobody', ['--subject', 'UIN=1', ...TO, '--covers', 'name'], /no record has this identifier/, 1],
    ['an unknown partner', ['--subject', 'UIN=9000000000', '--to', 'x', '--covers', 'name'], /no partner is registered/, 1],
    ['an unknown field', ['--subject', 'UIN=9000000000', ...TO, '--covers', 'colour'], /no such class, field/, 1],
    ['two recipients', ['--subject', 'UIN=9000000000', ...TO, '--to-class', 'x', '--covers', 'name'], /--to or --to-class/, 2],
    ['no recipient', ['--subject', 'UIN=9000000000', '--covers', 'name'], /--to or --to-class/, 2],
    ['no identifier', ['--subject', 'Ada', ...TO, '--covers', 'name'], /names no record/, 2],
  ])('writes nothing down for %s', async (_name, args, message, expected) => {
    const before = (await command.run('consent', 'list', '--registry', 'social', '--json')).out;
    expect(await command.run(...GIVE, ...args)).toMatchObject({ status: expected, out: '', err: expect.stringMatching(message) });
    expect((await command.run('consent', 'list', '--registry', 'social', '--json')).out).toBe(before);
  });

  it('imports a file, line by line', async () => {
    const line = (value: string, covers = ['name']): string =>
      JSON.stringify({
        subject: { identifier_type: 'UIN', identifier_value: value },
        recipient: { class: 'health' },
        purposes: ['care'],
        covers,
      });
    const file = write('consents.ndjson', [line('9000000001'), line('nobody'), '{', line('9000000002', []), line('9000000002')].join('\n'));
    const { status, out, err } = await command.run('consent', 'import', '--registry', 'social', file);
    expect({ status, out }).toEqual({ status: 1, out: '2 consents written down; 3 lines refused\n' });
    const missing = await command.run('consent', 'import', '--registry', 'social', join(command.folder, 'nowhere'));
    expect(missing).toMatchObject({ status: 2, err: expect.stringContaining('there is no file') });
    expect(err).toMatch(/line 2: \/subject no record has this identifier\nline 3: is no JSON\nline 4: \/covers /);
    const listed = await command.run('consent', 'list', '--registry', 'social', '--to-class', 'health', '--json');
    expect((JSON.parse(listed.out) as { subject: string }[]).map(({ subject }) => subject).toSorted()).toEqual([
      'UIN=9000000001',
      'UIN=9000000002',
    ]);
  });
});

describe('dci authority', () => {
  it('adds, replaces, lists and removes', async () => {
    const keyFile = (kid: string): string => write(`${kid}.json`, JSON.stringify({ ...publicJwk(generateSigningKey('ES256')), kid }));
    const add = ['authority', 'add', 'https://consent.example.org', '--registries', 'social', '--public-key'];
    expect(await command.run(...add, keyFile('k1'))).toMatchObject({ status: 0, out: expect.stringContaining('signed by k1') });
    await command.run(...add, keyFile('k2'));
    expect(JSON.parse((await command.run('authority', 'list', '--json')).out)).toMatchObject([
      { name: 'https://consent.example.org', registries: ['social'], keys: ['k2'] },
    ]);
    expect(await command.run('authority', 'add', 'x', '--registries', 'social')).toMatchObject({ status: 2 });
    expect(await command.run('authority', 'add', 'x', '--registries', 'moon', '--public-key', keyFile('k3'))).toMatchObject({ status: 2 });
    expect(await command.run('authority', 'remove', 'https://consent.example.org')).toMatchObject({ status: 0 });
    expect(await command.run('authority', 'remove', 'https://consent.example.org')).toMatchObject({ status: 1 });
    expect((await command.run('authority', 'list', '--json')).out).toBe('[]\n');
  });
});
