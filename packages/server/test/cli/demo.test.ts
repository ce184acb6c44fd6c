import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';

/** Makes a database cluster of its own, and fills it. */
const PATIENCE_MS = 180_000;
const ENTRY = new URL('../../bin/dci.mjs', import.meta.url).pathname;

it(
  'the demo goes as it says, and ends',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dci-demo-'));
    try {
      const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('DCI_')));
      const demo = spawn(process.execPath, [ENTRY, 'demo', '--once'], {
        env: { ...environment, DCI_DATA_DIR: folder },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let out = '';
      let err = '';
      demo.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
      demo.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
      const status = await new Promise((resolve, reject) => demo.on('close', resolve).on('error', reject));
      expect({ status, err: status === 0 ? '' : err }).toEqual({ status: 0, err: '' });
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
