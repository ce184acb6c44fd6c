import type { Command } from 'commander';
import { connectDatabase } from '../postgres/open-database.ts';
import { BUILT_IN_PROFILES } from '../profiles/index.ts';
import { reconcileProfile } from '../registry/reconcile.ts';
import { findSchemaDifference, migrate } from '../store/migrate.ts';
import { loadConfig, NOTES } from './context.ts';
import { addExamples, CommandFailed, printJson, printLine } from './output.ts';

export function registerMigrate(program: Command): void {
  const command = program
    .command('migrate')
    .description('bring the tables of the database up to date; an embedded database does it by itself at every start')
    .option('--json', 'print one JSON object')
    .action(runMigrate);
  addExamples(command, 'dci migrate', 'DCI_DATABASE_URL=postgres://dci@db.example.org/dci dci migrate --json');
}

async function runMigrate({ json = false }: { json?: boolean }): Promise<void> {
  const { database, close } = await connectDatabase(loadConfig(), NOTES);
  try {
    const { unknown } = await findSchemaDifference(database.db);
    if (unknown.length > 0) throw new CommandFailed(`the database was changed by a newer version of this program (${unknown.join(', ')})`);
    const { applied } = await migrate(database.db);
    for (const profile of BUILT_IN_PROFILES) await reconcileProfile(database, profile);
    if (json) printJson({ applied });
    else printLine(applied.length === 0 ? 'the database is up to date' : `applied ${applied.join(', ')}`);
  } finally {
    await close();
  }
}
