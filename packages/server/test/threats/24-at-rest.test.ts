import { afterAll, beforeAll, expect, it } from 'vitest';
import { threaten, type Threatened } from './fixture.ts';

/** Secrets and private keys in clear. → Secrets hashed, keys encrypted at rest under a key from the environment. */

let threatened: Threatened;
beforeAll(async () => {
  threatened = await threaten();
});
afterAll(() => threatened.close());

async function dump(): Promise<string> {
  const { pool } = threatened.test.database;
  const tables = await pool.query<{ name: string }>(`select tablename as name from pg_tables where schemaname = 'public'`);
  let text = '';
  for (const { name } of tables.rows) text += JSON.stringify((await pool.query(`select t::text as row from "${name}" t`)).rows);
  return text;
}

it('the database holds no secret, no token and no private key that could be used', async () => {
  const { partner, ask, send, test } = threatened;
  expect((await send(partner.token, ask())).status).toBe(200);
  const revoke = new URLSearchParams({ client_id: partner.clientId, client_secret: partner.clientSecret, token: partner.token });
  expect((await fetch(`${test.base}/oauth2/client/revoke`, { method: 'POST', body: revoke })).status).toBe(200);
  const text = await dump();
  expect(text).toContain(partner.clientId);
  for (const secret of [partner.clientSecret, partner.token, partner.token.split('.')[2] ?? '', 'PRIVATE KEY'])
    expect(text.includes(secret)).toBe(false);
  const { rows } = await test.database.pool.query<{ secret_hash: string }>('select secret_hash from partner_credential');
  for (const { secret_hash: hash } of rows) expect(hash).toMatch(/^\$scrypt\$ln=1[4-9],r=8,p=1\$/);
  // Of a private key in DER the algorithm's name stands at its head; sealed, it does not.
  const idOfEcKeys = '06072a8648ce3d0201';
  expect(text.includes(idOfEcKeys)).toBe(false);
});
