import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { platform } from 'node:os';
import { expect, it } from 'vitest';
import { findParent, readCpuTime, subtractCpuTime } from './cpu-time.ts';

const onLinux = it.skipIf(platform() !== 'linux');

onLinux('counts what a process has used, and a family with what its ended children have', async () => {
  const watched = { process: process.pid, postmaster: process.pid };
  const before = readCpuTime(watched);
  const child = spawn(process.execPath, ['-e', 'for (let i = 0; i < 1e8; i += 1) Math.sqrt(i)']);
  await once(child, 'exit');
  const after = readCpuTime(watched);
  if (before === undefined || after === undefined) throw new Error('nothing was read');
  const used = subtractCpuTime(after, before);
  expect(before.main).toBeGreaterThan(0);
  expect(used.main).toBeGreaterThanOrEqual(0);
  expect(used.threads).toBeGreaterThanOrEqual(0);
  expect(used.database).toBeGreaterThan(used.main);
});

it('takes no time back from threads that a tick of the main thread hides', () => {
  const used = subtractCpuTime({ main: 120, threads: 40, database: 10 }, { main: 100, threads: 50, database: 10 });
  expect(used).toEqual({ main: 20, threads: 0, database: 0 });
});

onLinux('knows the parent of a process', () => {
  expect(findParent(process.pid)).toBe(process.ppid);
});

it('tells nothing of a process that is not there', () => {
  expect(readCpuTime({ process: 2 ** 30, postmaster: 1 })).toBeUndefined();
  expect(findParent(2 ** 30)).toBeUndefined();
});
