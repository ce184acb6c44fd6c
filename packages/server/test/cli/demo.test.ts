import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';

/** Makes a database cluster of its own, and fills it. */
const PATIENCE_MS = 180_000;
const ENTRY = new URL('../../bin/dci.mjs', import.meta.url).pathname;

/** The demo as anybody starts it. */
function startDemo(folder: string, ...args: string[]) {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('DCI_')));
  const demo = spawn(process.execPath, [ENTRY, 'demo', ...args], {
    env: { ...inherited, DCI_DATA_DIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err] = [demo.stdout, demo.stderr].map((stream) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    return () => Buffer.concat(chunks).toString();
  }) as [() => string, () => string];
  const ended = new Promise<number | null>((resolve, reject) => demo.on('close', resolve).on('error', reject));
  /** What stands in the parentheses, once the demo has said it; throws where it ended before. */
  async function said(what: RegExp): Promise<string> {
    for (let isLast = false; ; ) {
      const found = what.exec(out())?.[1];
      if (found !== undefined) return found;
      if (isLast) throw new Error(`the demo ended and did not say ${what}: ${out()}${err()}`);
      isLast = (await Promise.race([ended, sleep(100)])) !== undefined;
    }
  }
  return { process: demo, ended, out, err, said };
}

it(
  'the demo goes as it says, and ends',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dci-demo-'));
    try {
      const { ended, out: told, err } = startDemo(folder, '--once');
      const status = await ended;
      expect({ status, err: status === 0 ? '' : err() }).toEqual({ status: 0, err: '' });
      const out = told();
      const steps = [...out.matchAll(/^(\d+)\. /gm)].map(([, number]) => Number(number));
      expect(steps).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
      expect(out).toContain('✔ 2 records: the person was registered twice');
      expect(out).toMatch(/not told: .*separated male/);
      expect(out).toMatch(/✔ opened: signature, hashes, tags and the number of rows fit/);
      expect(out).toContain('✔ The walk is done.');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  PATIENCE_MS,
);

it(
  'a demo beside a running one ends at once, and what that one has given out holds',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dci-demo-'));
    const first = startDemo(folder);
    try {
      const id = await first.said(/client_id=([\w-]+)/);
      const [secret, url] = [await first.said(/client_secret=([\w-]+)/), await first.said(/answers at (http\S+)/)];
      const second = startDemo(folder, '--once');
      expect(await second.ended).toBe(1);
      expect(second.err()).toContain('runs on the database');
      const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: id, client_secret: secret });
      expect((await fetch(`${url}/oauth2/client/token`, { method: 'POST', body: form })).status).toBe(200);
    } finally {
      first.process.kill('SIGTERM');
      await first.ended;
      rmSync(folder, { recursive: true, force: true });
    }
  },
  PATIENCE_MS,
);
