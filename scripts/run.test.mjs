import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from './bootstrap.mjs';

function start(args, variables) {
  const child = spawn(process.execPath, [join(ROOT, 'scripts', 'run.mjs'), ...args], { env: { ...process.env, ...variables } });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (part) => {
      text += part;
    });
  }
  const said = async (expected) => {
    while (!text.includes(expected))
      await Promise.race([once(child.stderr, 'data'), once(child, 'exit').then(() => Promise.reject(new Error(text)))]);
  };
  return { child, said, ended: once(child, 'exit').then(([status]) => ({ status, text })) };
}

it('serves until Ctrl-C, which comes twice under npm, and stops the database it has started', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'dci-run-'));
  chmodSync(dataDir, 0o711);
  const { child, said, ended } = start(['start'], { DCI_DATA_DIR: dataDir, DCI_PORT: '0', DCI_DATABASE_URL: undefined });
  await said('serving at http://127.0.0.1:');
  expect(existsSync(join(dataDir, 'postgres', 'postmaster.pid'))).toBe(true);
  child.kill('SIGINT');
  child.kill('SIGINT');
  expect(await ended).toMatchObject({ status: 0, text: expect.stringContaining('stopping') });
  expect(existsSync(join(dataDir, 'postgres', 'postmaster.pid'))).toBe(false);
  rmSync(dataDir, { recursive: true });
});

it('passes arguments on and the exit status back', async () => {
  const { ended } = start(['start', '--', '--no-such-option'], {});
  expect(await ended).toMatchObject({ status: 2, text: expect.stringContaining("unknown option '--no-such-option'") });
});

it('refuses a command that it does not know', async () => {
  expect(await start(['fly'], {}).ended).toMatchObject({ status: 2, text: expect.stringContaining('unknown command fly') });
});
