import { totalmem } from 'node:os';

const MEGABYTE = 1_048_576;

/** PostgreSQL's settings for a machine that it shares with the server, safe before fast. */
export function renderSettings(memoryBytes: number = availableMemory()): string {
  const memory = Math.floor(memoryBytes / MEGABYTE);
  const settings: Record<string, string | number> = {
    fsync: 'on',
    synchronous_commit: 'on',
    full_page_writes: 'on',
    wal_compression: 'on',
    max_connections: 100,
    shared_buffers: `${clamp(memory / 8, 128, 512)}MB`,
    effective_cache_size: `${clamp(memory / 2, 256, 65_536)}MB`,
    work_mem: `${clamp(memory / 256, 4, 16)}MB`,
    maintenance_work_mem: `${clamp(memory / 16, 64, 256)}MB`,
    max_wal_size: '2GB',
    checkpoint_timeout: '15min',
    random_page_cost: 1.1,
    // Compiling a plan costs more than the short statements of a search save.
    jit: 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_line_prefix: '%m [%p] ',
    log_checkpoints: 'off',
    cluster_name: 'dci',
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'`);
  return ['# Written at every start. Change a setting with ALTER SYSTEM, which wins over this file.', ...lines, ''].join('\n');
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, Math.floor(value)));
}

function availableMemory(): number {
  const allowed = process.constrainedMemory();
  return allowed > 0 ? Math.min(allowed, totalmem()) : totalmem();
}
