import type { Command } from 'commander';
import { deleteExtract } from '../store/extracts.ts';
import { loadConfig, withDatabase } from './context.ts';
import { readId } from './operands.ts';
import { addExamples, CommandFailed, printLine } from './output.ts';

export function registerExtractDelete(extract: Command): void {
  const command = extract
    .command('delete')
    .argument('<id>', 'the extract')
    .description('delete an extract of this server: it cannot be fetched from now on; one that is being made is begun anew')
    .action(async (id: string) => {
      const isDeleted = await withDatabase(loadConfig(), ({ db }) => deleteExtract(db, readId(id, 'an extract')));
      if (!isDeleted) throw new CommandFailed(`there is no extract ${id}`);
      printLine(`the extract ${id} is deleted`);
    });
  addExamples(command, 'dci extract delete 6f1f8a5e-7c1f-4c0e-8f64-0d2a35b0a111');
}
