import { generateSigningKey, publicJwk } from '@dci/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Recorder, startRecorder } from '../outbound/recorder.ts';
import { type CommandLine, openCommandLine } from './command-line.ts';

let command: CommandLine;
let publisher: Recorder;
let url: string;
let status = 200;
const key = generateSigningKey('ES256');

beforeAll(async () => {
  publisher = await startRecorder((_, response) => void response.writeHead(status).end(JSON.stringify({ keys: [publicJwk(key)] })));
  url = `http://127.0.0.1:${publisher.port}/jwks.json`;
  command = await openCommandLine({ DCI_ALLOW_HTTP_CALLBACKS: 'true', DCI_ALLOW_PRIVATE_CALLBACKS: 'true' });
});
afterAll(async () => {
  await publisher.close();
  await command.close();
});

async function show(
  senderId: string,
): Promise<{ jwks: { url: string; error: string | null } | null; keys: { kid: string; source: string }[] }> {
  return JSON.parse((await command.run('partner', 'show', senderId, '--json')).out) as never;
}

describe('dci partner, with the address of a JWKS', () => {
  it('fetches the keys, keeps them, and tells of both', async () => {
    expect(await command.run('partner', 'add', '--sender-id', 'a.example.org', '--jwks', url)).toMatchObject({ status: 0 });
    expect(await show('a.example.org')).toMatchObject({ jwks: { url, error: null }, keys: [{ kid: key.kid, source: 'jwks' }] });
    const { out } = await command.run('partner', 'show', 'a.example.org');
    expect(out).toMatch(new RegExp(`publishes its keys at ${url}: fetched .*, used until .* should it not answer`));
    expect(publisher.requests).toHaveLength(1);
  });

  it('takes the place of keys that were registered, and a file takes its place', async () => {
    const { writeFileSync } = await import('node:fs');
    const file = `${command.folder}/own.json`;
    const own = generateSigningKey('EdDSA');
    writeFileSync(file, JSON.stringify({ keys: [publicJwk(own)] }));
    await command.run('partner', 'add', '--sender-id', 'b.example.org', '--jwks', file);
    await command.run('partner', 'set', 'b.example.org', '--jwks', url);
    expect(await show('b.example.org')).toMatchObject({ jwks: { url }, keys: [{ kid: key.kid, source: 'jwks' }] });
    await command.run('partner', 'set', 'b.example.org', '--jwks', file);
    expect(await show('b.example.org')).toMatchObject({ jwks: null, keys: [{ kid: own.kid, source: 'operator' }] });
  });

  it('revokes a published key for good, and forgets an address', async () => {
    await command.run('partner', 'add', '--sender-id', 'c.example.org', '--jwks', url);
    expect(await command.run('partner', 'set', 'c.example.org', '--revoke-key', key.kid)).toMatchObject({ status: 0 });
    expect((await show('c.example.org')).keys).toEqual([]);
    await command.run('partner', 'set', 'c.example.org', '--jwks', url);
    expect((await show('c.example.org')).keys).toEqual([]);
    await command.run('partner', 'add', '--sender-id', 'd.example.org', '--jwks', url);
    await command.run('partner', 'set', 'd.example.org', '--jwks', '');
    expect(await show('d.example.org')).toMatchObject({ jwks: null, keys: [] });
  });

  it('changes nothing where the keys cannot be fetched', async () => {
    await command.run('partner', 'add', '--sender-id', 'e.example.org', '--jwks', url);
    status = 404;
    expect(await command.run('partner', 'set', 'e.example.org', '--jwks', `${url}?other`)).toMatchObject({
      status: 1,
      err: expect.stringContaining('nothing was changed'),
    });
    status = 200;
    expect(await show('e.example.org')).toMatchObject({ jwks: { url }, keys: [{ kid: key.kid }] });
    for (const refused of ['ftp://127.0.0.1/', 'http://169.254.169.254/jwks.json', 'http://2130706433/jwks.json']) {
      expect(await command.run('partner', 'add', '--sender-id', 'f.example.org', '--jwks', refused)).toMatchObject({ status: 1 });
      expect(await command.run('partner', 'show', 'f.example.org')).toMatchObject({ status: 1 });
    }
  });

  it('calls neither http nor inside addresses unless that is allowed', async () => {
    const strict = await openCommandLine();
    const before = publisher.connections();
    expect(await strict.run('partner', 'add', '--sender-id', 'g.example.org', '--jwks', url)).toMatchObject({
      status: 1,
      err: expect.stringContaining('DCI_ALLOW_HTTP_CALLBACKS'),
    });
    expect(publisher.connections()).toBe(before);
    await strict.close();
  });
});
