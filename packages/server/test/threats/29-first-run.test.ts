import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { startTestApp } from '../support/test-app.ts';

/** First run needs a key file placed by hand, so it answers 500. → First run makes what it needs and says it once. */

it('a server in an empty folder, on an empty database, answers at once; a second start finds what the first made', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'dci-first-'));
  const lines: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
  const first = await startTestApp({ log }, { DCI_DATA_DIR: folder });
  const partner = await first.addPartner('mis.test');
  expect(partner.token).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
  const keys = async (base: string): Promise<string> => await (await fetch(`${base}/.well-known/jwks.json`)).text();
  const published = await keys(first.base);
  expect((JSON.parse(published) as { keys: { use: string }[] }).keys.some(({ use }) => use === 'sig')).toBe(true);
  expect((await fetch(`${first.app.url}/health/ready`)).status).toBe(200);
  expect(statSync(join(folder, 'key-encryption.key')).mode & 0o777).toBe(0o600);
  expect(lines.filter((line) => line.includes('key-encryption.key: private keys are encrypted under it'))).toHaveLength(1);

  const said = lines.length;
  const second = await startTestApp({ log }, { DCI_DATA_DIR: folder, DCI_DATABASE_URL: first.config.databaseUrl ?? '' });
  expect(await keys(second.base)).toBe(published);
  expect(lines.slice(said).filter((line) => line.includes('made '))).toEqual([]);
  await second.close();
  await first.close();
  rmSync(folder, { recursive: true, force: true });
});
