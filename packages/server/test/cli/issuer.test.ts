import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CommandLine, openCommandLine } from '../partners/command-line.ts';

let command: CommandLine;
const issuer = 'https://sso.example.org/realms/social';
const add = ['issuer', 'add', issuer, '--audience', 'registry.example.org', '--jwks-url', `${issuer}/certs`];

beforeAll(async () => {
  command = await openCommandLine();
  await command.run('partner', 'add', '--sender-id', 'mis.example.org');
});
afterAll(() => command.close());

describe('dci issuer', () => {
  it('registers, lists and removes an issuer', async () => {
    const added = await command.run(...add, '--partner', 'mis-client=mis.example.org', '--json');
    const expected = {
      issuer,
      jwks_url: `${issuer}/certs`,
      audience: 'registry.example.org',
      claim: 'azp',
      scope_claim: 'scope',
      algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'],
      clock_tolerance_seconds: 30,
      partners: { 'mis-client': 'mis.example.org' },
    };
    expect([added.status, JSON.parse(added.out)]).toEqual([0, expected]);
    expect(JSON.parse((await command.run('issuer', 'list', '--json')).out)).toEqual([expected]);
    expect((await command.run('issuer', 'list')).out).toContain('mis-client=mis.example.org');
    expect((await command.run('issuer', 'remove', issuer)).status).toBe(0);
    expect(JSON.parse((await command.run('issuer', 'list', '--json')).out)).toEqual([]);
    expect(await command.run('issuer', 'remove', issuer)).toMatchObject({
      status: 1,
      err: expect.stringContaining('no issuer is registered') as string,
    });
  });

  it.each([
    ['no partner', [...add], 2],
    ['a partner that is not of the form value=sender-id', [...add, '--partner', 'mis.example.org'], 2],
    ['a partner that is not registered', [...add, '--partner', 'x=nobody'], 1],
    ['an algorithm without a key', [...add, '--partner', 'x=mis.example.org', '--algorithms', 'HS256'], 2],
    [
      'an address inside the own network',
      ['issuer', 'add', 'https://127.0.0.1:1/', '--audience', 'a', '--partner', 'x=mis.example.org'],
      2,
    ],
  ])('refuses %s, and registers nothing', async (_name, args, status) => {
    expect((await command.run(...args)).status).toBe(status);
    expect(JSON.parse((await command.run('issuer', 'list', '--json')).out)).toEqual([]);
  });
});
