import type { Command } from 'commander';
import { registerExtractAsk } from './extract-ask.ts';
import { registerExtractDecrypt } from './extract-decrypt.ts';
import { registerExtractDelete } from './extract-delete.ts';
import { registerExtractFetch } from './extract-fetch.ts';
import { registerExtractList } from './extract-list.ts';

/** `dci extract …`: research extracts; to ask for, fetch and open those of any server, no database and no configuration of one here is needed. */
export function registerExtract(program: Command): void {
  const extract = program
    .command('extract')
    .description('research extracts: see those of this server; ask for, fetch and open those of any');
  registerExtractList(extract);
  registerExtractDelete(extract);
  registerExtractAsk(extract);
  registerExtractFetch(extract);
  registerExtractDecrypt(extract);
}
