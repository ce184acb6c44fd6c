import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ClientConfig } from 'pg';

interface Report {
  readonly event: 'open' | 'log' | 'left' | 'failed';
  readonly connection?: ClientConfig;
  readonly message?: string;
}

/** Another process that uses the embedded database. */
export interface Member {
  readonly pid: number;
  readonly reports: readonly Report[];
  /** Resolves to how its database is reached; rejects with the reason where it failed. */
  open(): Promise<ClientConfig>;
  logged(text: string): Promise<void>;
  leave(): Promise<void>;
  kill(): Promise<void>;
}

export interface MemberOptions {
  readonly server?: string;
  /** The folder of the package whose sources it runs. */
  readonly tree?: string;
  readonly uid?: number;
  readonly variables?: Readonly<Record<string, string>>;
}

const running = new Set<Member>();

/** Ends those that a test which failed has left: whatever waits for their output would wait for ever. */
export async function killMembers(): Promise<void> {
  await Promise.all([...running].map((member) => member.kill()));
}

const PACKAGE = join(import.meta.dirname, '..', '..');

/** Starts it in a process group of its own, so that `kill` ends what it has started too, but for PostgreSQL. */
export function startMember(dataDir: string, { server, tree = PACKAGE, uid, variables }: MemberOptions = {}): Member {
  const args = [join(tree, 'test', 'postgres', 'member-process.ts'), dataDir, ...(server === undefined ? [] : [server])];
  const child = spawn(process.execPath, args, {
    cwd: '/',
    env: { ...process.env, ...variables },
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  const pid = child.pid ?? 0;
  const ended = once(child, 'close');
  const reports: Report[] = [];
  const lines = createInterface(child.stdout);
  lines.on('line', (line) => reports.push(JSON.parse(line) as Report));
  const find = async (accept: (report: Report) => boolean): Promise<Report> => {
    for (;;) {
      const found = reports.find(accept);
      if (found !== undefined) return found;
      if (child.exitCode !== null) throw new Error(`it ended after ${JSON.stringify(reports)}`);
      await Promise.race([once(lines, 'line'), ended]);
    }
  };
  const member: Member = {
    pid,
    reports,
    open: async () => {
      const report = await find(({ event }) => event === 'open' || event === 'failed');
      if (report.connection === undefined) throw new Error(report.message);
      return report.connection;
    },
    logged: async (text) => void (await find(({ message = '' }) => message.includes(text))),
    leave: async () => {
      child.stdin.end('leave\n');
      await ended;
    },
    kill: async () => {
      process.kill(-pid, 'SIGKILL');
      await ended;
    },
  };
  running.add(member);
  void ended.then(() => running.delete(member));
  return member;
}
