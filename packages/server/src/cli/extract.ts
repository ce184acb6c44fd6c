import type { Command } from 'commander';
import { registerExtractDecrypt } from './extract-decrypt.ts';
import { registerExtractFetch } from './extract-fetch.ts';

/** `dci extract …`: research extracts; to fetch and open those of any server, no database and no configuration of one here is needed. */
export function registerExtract(program: Command): void {
  const extract = program.command('extract').description('research extracts: fetch and open them');
  registerExtractFetch(extract);
  registerExtractDecrypt(extract);
}
