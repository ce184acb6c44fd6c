import type { Config } from '../config.ts';
import { openOwnKeys, type OwnKeys } from '../services/own-keys.ts';
import { openSealer, type Sealer } from '../services/sealer.ts';
import type { Db } from '../store/database.ts';
import { printNote } from './output.ts';

/** The sealer of `config`, as commands use it. */
export function openCommandSealer(config: Config): Sealer {
  return openSealer(config, printNote);
}

/** Our keys, as commands use them; close them. */
export function openKeys(db: Db, config: Config): Promise<OwnKeys> {
  const tell = (fields: object, text: string): void => printNote('kid' in fields ? `${text}: ${String(fields.kid)}` : text);
  return openOwnKeys(db, { ...config, sealer: openCommandSealer(config), now: Date.now, log: { info: tell, warn: tell } });
}
