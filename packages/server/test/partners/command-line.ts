import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommandLine } from '../../src/cli/main.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

/** The `dci` command on a database of its own, run in this process. */
export interface CommandLine {
  readonly test: TestDatabase;
  readonly folder: string;
  run(...args: string[]): Promise<Finished>;
  close(): Promise<void>;
}

export interface Finished {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

export async function openCommandLine(settings: Record<string, string> = {}): Promise<CommandLine> {
  const test = await createTestDatabase();
  const folder = mkdtempSync(join(tmpdir(), 'dci-command-'));
  const { host, user, database } = test.connection;
  const environment = {
    DCI_DATABASE_URL: `postgresql:///${database}?host=${host}&user=${user}`,
    DCI_DATA_DIR: folder,
    DCI_SENDER_ID: 'registry.example.org',
    ...settings,
  };
  return {
    test,
    folder,
    run: (...args) => runHere(environment, args),
    async close() {
      rmSync(folder, { recursive: true });
      await test.drop();
    },
  };
}

/** One command, in this process. */
export async function runHere(environment: Record<string, string>, args: readonly string[]): Promise<Finished> {
  const before = { ...process.env };
  const out = capture(process.stdout);
  const err = capture(process.stderr);
  Object.assign(process.env, environment);
  try {
    const status = await runCommandLine(args);
    return { status, out: out.text(), err: err.text() };
  } finally {
    out.restore();
    err.restore();
    process.env = before;
  }
}

function capture(stream: NodeJS.WriteStream): { text(): string; restore(): void } {
  const write = stream.write;
  let text = '';
  stream.write = (chunk: string | Uint8Array): boolean => {
    text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
    return true;
  };
  return {
    text: () => text,
    restore: () => {
      stream.write = write;
    },
  };
}
