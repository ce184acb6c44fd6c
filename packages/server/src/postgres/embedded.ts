import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { type Binaries, findBinaries } from './binaries.ts';
import { makeCluster, readMajor, sweepDrafts, writeSettings } from './cluster.ts';
import type { EventLog } from './event-log.ts';
import { findPlacement, type Placement } from './placement.ts';
import { findPostmaster, removeStaleLock, StartError, startPostmaster, stopPostmaster } from './postmaster.ts';
import { claim, connectionTo, DATABASE, enter, isLastToLeave, type Presence } from './presence.ts';
import { makeSocketFolder, removeSocketFolder } from './socket-folder.ts';

// A PostgreSQL of our own for one data folder, without an administrator: made on first use, started by the first process
// that needs it, shared by all, stopped by the last one that leaves, and started again when it dies under us. It belongs
// to no process: one left over by a killed owner is used and stopped like any other. It listens on no network, only on a
// socket in a private folder. Refused: a second server on the same data folder, data of another version or another user.

export interface EmbeddedPostgres {
  /** Stays good over restarts of PostgreSQL. */
  readonly connection: pg.ClientConfig;
  /** Makes this process the folder's server; throws, naming the other, when there is one. `description`: e.g. its address. */
  claimServer(description: string): Promise<void>;
  /** Leaves, when all other connections of this process are closed; the last process stops PostgreSQL. */
  release(): Promise<void>;
}

const RETRY_MS = 100;
const PATIENCE_MS = 60_000;
const RECOVERY_PATIENCE_MS = 600_000;

export async function openEmbeddedPostgres(settings: { dataDir: string; log: EventLog }): Promise<EmbeddedPostgres> {
  const placement = await findPlacement(settings.dataDir, settings.log);
  const { presence, socketFolder } = await join(placement, settings.log);
  return new Supervisor(placement, socketFolder, settings.log, presence);
}

/** A session on the running PostgreSQL, started if there is none. Starts and stops by others at the same time are waited out. */
async function join(placement: Placement, log: EventLog): Promise<{ presence: Presence; socketFolder: string }> {
  const begun = Date.now();
  for (;;) {
    try {
      const socketFolder = await findOrStart(placement, log);
      if (socketFolder !== undefined) return { presence: await enter(socketFolder), socketFolder };
    } catch (error) {
      if (Date.now() - begun > patienceWith(error)) throw error;
    }
    if (Date.now() - begun > RECOVERY_PATIENCE_MS) throw new Error(`PostgreSQL is not ready; see its log ${placement.logFile}`);
    await sleep(RETRY_MS);
  }
}

/** The folder of its socket; undefined while it is only starting. */
async function findOrStart(placement: Placement, log: EventLog): Promise<string | undefined> {
  const running = findPostmaster(placement.cluster);
  if (running !== undefined) return running.socketFolder;
  const major = readMajor(placement.cluster);
  const binaries = await findBinaries(placement.account, placement.copies, major);
  sweepDrafts(placement.home);
  if (major === undefined) {
    log.info(`making a PostgreSQL ${binaries.major} database in ${placement.cluster}`);
    await makeCluster(placement, binaries);
  }
  removeStaleLock(placement.cluster);
  writeSettings(placement);
  await start(placement, binaries);
  return findPostmaster(placement.cluster)?.socketFolder;
}

async function start(placement: Placement, binaries: Binaries): Promise<void> {
  const socketFolder = await makeSocketFolder(placement);
  try {
    await startPostmaster(placement, binaries, socketFolder);
  } catch (error) {
    removeSocketFolder(socketFolder);
    throw error;
  }
}

const STARTING_OR_RECOVERING = '57P03';
const PASSING = new Set([
  '57P01', // ended by the one who stops it
  '57P02', // ended because another session crashed
  'ENOENT', // its socket is not there yet, or no more
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
]);

/** How long a failure may last before it is one. */
function patienceWith(error: unknown): number {
  if (error instanceof StartError) return error.isRace ? PATIENCE_MS : 0;
  const { code, message = '' } = error as { code?: string; message?: string };
  if (code === STARTING_OR_RECOVERING) return RECOVERY_PATIENCE_MS;
  return PASSING.has(code ?? '') || message.startsWith('Connection terminated') ? PATIENCE_MS : 0;
}

class Supervisor implements EmbeddedPostgres {
  readonly connection: pg.ClientConfig;
  readonly #placement: Placement;
  readonly #socketFolder: string;
  readonly #log: EventLog;
  #presence: Presence;
  #description: string | undefined;
  #healing: Promise<void> | undefined;
  #left: Promise<void> | undefined;

  constructor(placement: Placement, socketFolder: string, log: EventLog, presence: Presence) {
    this.connection = connectionTo(socketFolder, DATABASE);
    this.#placement = placement;
    this.#socketFolder = socketFolder;
    this.#log = log;
    this.#presence = presence;
    this.#watch();
  }

  async claimServer(description: string): Promise<void> {
    await this.#claim(this.#presence, description);
    this.#description = description;
  }

  release(): Promise<void> {
    this.#left ??= this.#leave();
    return this.#left;
  }

  #watch(): void {
    void this.#presence.ended.then(() => {
      if (this.#left === undefined) this.#healing = this.#heal();
    });
  }

  async #heal(): Promise<void> {
    this.#log.warn('PostgreSQL has gone away: looking for it');
    while (this.#left === undefined) {
      try {
        await this.#comeBack();
        this.#log.info('PostgreSQL is back');
        return;
      } catch (error) {
        this.#log.warn(`PostgreSQL is still away: ${error instanceof Error ? error.message : String(error)}`);
        await sleep(1_000);
      }
    }
  }

  async #comeBack(): Promise<void> {
    const { presence } = await join(this.#placement, this.#log);
    try {
      if (this.#description !== undefined) await this.#claim(presence, this.#description);
    } catch (error) {
      await presence.client.end();
      throw error;
    }
    this.#presence = presence;
    this.#watch();
  }

  async #claim(presence: Presence, description: string): Promise<void> {
    const other = await claim(presence, description);
    if (other === undefined) return;
    throw new Error(`a server ${other} runs on the database in ${this.#placement.cluster}: stop it, or set DCI_DATA_DIR to another folder`);
  }

  async #leave(): Promise<void> {
    await this.#healing;
    try {
      if (await isLastToLeave(this.#presence)) await this.#stop();
    } catch (error) {
      // It is gone already, or going.
      if (patienceWith(error) === 0 && !isClosed(error)) throw error;
    } finally {
      await this.#presence.client.end();
    }
  }

  async #stop(): Promise<void> {
    await stopPostmaster(this.#placement.cluster);
    removeSocketFolder(this.#socketFolder);
  }
}

function isClosed(error: unknown): boolean {
  return error instanceof Error && /not queryable|closed|terminated/i.test(error.message);
}
