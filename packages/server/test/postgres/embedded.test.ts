import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findPostmaster, stopPostmaster } from '../../src/postgres/postmaster.ts';
import { killMembers, startMember } from './member.ts';

let dataDir = '';

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'dci-embedded-'));
  // As root, the user that PostgreSQL runs as must come through.
  chmodSync(dataDir, 0o711);
});

afterEach(async () => {
  await killMembers();
  await stopPostmaster(cluster());
  rmSync(dataDir, { recursive: true });
});

const cluster = (): string => join(dataDir, 'postgres');
const runningPid = (): number | undefined => findPostmaster(cluster())?.pid;

async function query(connection: pg.ClientConfig, text: string): Promise<unknown[]> {
  const client = new pg.Client(connection);
  await client.connect();
  try {
    return (await client.query<unknown[]>({ text, rowMode: 'array' })).rows.flat();
  } finally {
    await client.end();
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(20);
}

describe('the first run', () => {
  it('makes a database with checksums and Unicode, reached by a private socket only, that stays', async () => {
    const member = startMember(dataDir);
    const connection = await member.open();
    const found = await query(
      connection,
      `select current_database(), current_setting('data_checksums'), current_setting('listen_addresses'), current_setting('fsync'),
              current_setting('jit'), pg_encoding_to_char(encoding), lower('ÄŻ'), current_setting('timezone')
         from pg_database where datname = current_database()`,
    );
    expect(found).toEqual(['dci', 'on', '', 'on', 'off', 'UTF8', 'äż', 'UTC']);
    await query(connection, 'create table kept as select 42 as answer');
    await member.leave();
    expect(runningPid()).toBeUndefined();
    expect(existsSync(connection.host ?? '')).toBe(false);
    const next = startMember(dataDir);
    expect(await query(await next.open(), 'select answer from kept')).toEqual([42]);
    await next.leave();
  });

  it('is made once by many at the same time', async () => {
    const members = [1, 2, 3, 4].map(() => startMember(dataDir));
    const connections = await Promise.all(members.map((member) => member.open()));
    const found = await Promise.all(
      connections.map((connection) => query(connection, 'select system_identifier::text from pg_control_system()')),
    );
    expect(new Set(found.flat()).size).toBe(1);
    expect(readdirSync(dataDir).filter((name) => name.startsWith('postgres.new'))).toEqual([]);
    await Promise.all(members.map((member) => member.leave()));
    expect(runningPid()).toBeUndefined();
  });

  it('starts afresh after one that was killed in the middle', async () => {
    const killed = startMember(dataDir);
    await until(() => readdirSync(dataDir).some((name) => name.startsWith('postgres.new')));
    await killed.kill();
    expect(existsSync(cluster())).toBe(false);
    const member = startMember(dataDir);
    expect(await query(await member.open(), 'select 1')).toEqual([1]);
    await member.leave();
  });
});

describe('several processes', () => {
  it('refuses a second server and names the first, while others work beside it', async () => {
    const server = startMember(dataDir, { server: 'http://127.0.0.1:8080' });
    await server.open();
    const second = startMember(dataDir, { server: 'http://127.0.0.1:8081' });
    await expect(second.open()).rejects.toThrow(`a server (pid ${server.pid}, http://127.0.0.1:8080) runs on the database in ${cluster()}`);
    const beside = startMember(dataDir);
    expect(await query(await beside.open(), 'select 1')).toEqual([1]);
    await beside.leave();
    expect(runningPid()).toBeDefined();
    await server.leave();
    expect(runningPid()).toBeUndefined();
  });

  it('is reached whatever the environment says of other PostgreSQLs', async () => {
    const member = startMember(dataDir, {
      variables: { PGPORT: '6543', PGHOST: 'db.example.org', PGSSLMODE: 'require', PGDATA: '/nowhere' },
    });
    expect(await query(await member.open(), 'select 1')).toEqual([1]);
    await member.leave();
  });

  it('lets a server come when the first has left', async () => {
    const first = startMember(dataDir, { server: 'first' });
    await first.open();
    const beside = startMember(dataDir);
    await beside.open();
    await first.leave();
    const second = startMember(dataDir, { server: 'second' });
    await second.open();
    await second.leave();
    expect(runningPid()).toBeDefined();
    await beside.leave();
    expect(runningPid()).toBeUndefined();
  });

  it('outlasts processes that come and go all the time', async () => {
    const rounds = async (): Promise<void> => {
      for (let round = 0; round < 3; round += 1) {
        const member = startMember(dataDir);
        expect(await query(await member.open(), 'select 1')).toEqual([1]);
        await member.leave();
      }
    };
    await Promise.all([rounds(), rounds(), rounds()]);
    expect(runningPid()).toBeUndefined();
  });
});

describe('after a kill', () => {
  it('goes on with the PostgreSQL that a killed process has left, and stops it', async () => {
    const owner = startMember(dataDir, { server: 'first' });
    await owner.open();
    const orphan = runningPid();
    await owner.kill();
    const heir = startMember(dataDir, { server: 'second' });
    expect(await query(await heir.open(), 'select 1')).toEqual([1]);
    expect(runningPid()).toBe(orphan);
    await heir.leave();
    expect(runningPid()).toBeUndefined();
  });

  it('starts PostgreSQL again under a running server, which stays the only one', async () => {
    const server = startMember(dataDir, { server: 'first' });
    const connection = await server.open();
    const killed = runningPid() ?? 0;
    process.kill(killed, 'SIGKILL');
    await server.logged('PostgreSQL is back');
    expect(await query(connection, 'select 1')).toEqual([1]);
    expect(runningPid()).not.toBe(killed);
    await expect(startMember(dataDir, { server: 'second' }).open()).rejects.toThrow(`(pid ${server.pid}, first)`);
    await server.leave();
    expect(runningPid()).toBeUndefined();
  });

  it('is not held up by the lock file of one whose process id another program has now', async () => {
    const first = startMember(dataDir);
    await first.open();
    const lock = readFileSync(join(cluster(), 'postmaster.pid'), 'utf8');
    await first.leave();
    writeFileSync(join(cluster(), 'postmaster.pid'), lock.replace(/^\d+/, String(process.pid)));
    const second = startMember(dataDir);
    expect(await query(await second.open(), 'select 1')).toEqual([1]);
    await second.leave();
  });

  it('is not held up by the empty lock file that a power cut has left', async () => {
    const first = startMember(dataDir);
    await first.open();
    await first.leave();
    const lock = join(cluster(), 'postmaster.pid');
    writeFileSync(lock, '');
    utimesSync(lock, new Date(0), new Date(0));
    const second = startMember(dataDir);
    expect(await query(await second.open(), 'select 1')).toEqual([1]);
    await second.leave();
  });
});

describe('what cannot work', () => {
  it('says why PostgreSQL did not start', async () => {
    const first = startMember(dataDir);
    await first.open();
    await first.leave();
    writeFileSync(join(cluster(), 'postgresql.conf'), 'no_such_setting = 1\n');
    await expect(startMember(dataDir).open()).rejects.toThrow(/PostgreSQL did not start; .*no_such_setting/s);
  });

  it('names the version of data that no installed PostgreSQL can read', async () => {
    mkdirSync(cluster());
    if (process.getuid?.() === 0) chownSync(cluster(), 65_534, 65_534);
    writeFileSync(join(cluster(), 'PG_VERSION'), '9\n');
    await expect(startMember(dataDir).open()).rejects.toThrow('the data was made by PostgreSQL 9, and what is installed is 18');
  });
});
