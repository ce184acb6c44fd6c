import { cpus, loadavg, totalmem } from 'node:os';
import type { OpenedDatabase } from '@dci/server';

/** What a figure depends on besides the program. */
export interface Machine {
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryGiB: number;
  /** Processes that wanted a CPU, mean of the minute before: figures of a busy machine say little. */
  readonly loadBefore: number;
  readonly node: string;
  readonly postgres: string;
  readonly settings: Readonly<Record<string, string>>;
}

const SETTINGS = ['fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers', 'jit'];

export async function describeMachine({ database }: OpenedDatabase): Promise<Machine> {
  const { rows } = await database.pool.query<{ name: string; setting: string }>(
    `select name, current_setting(name) as setting from pg_settings where name = any ($1) order by name`,
    [['server_version', ...SETTINGS]],
  );
  const { server_version: postgres = '', ...settings } = Object.fromEntries(rows.map((row) => [row.name, row.setting]));
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? '',
    cpus: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    loadBefore: loadavg()[0] ?? Number.NaN,
    node: process.version,
    postgres,
    settings,
  };
}
