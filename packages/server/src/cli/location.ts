import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { importLocations } from '../services/locations.ts';
import { parseLocationsCsv } from '../services/locations-csv.ts';
import { loadLocations } from '../store/locations.ts';
import { loadConfig, withDatabase } from './context.ts';
import { addExamples, CommandFailed, printJson, printLine, printTable } from './output.ts';

/** `dci location …`: the tree of places that is published under `.well-known/locations.json`. */
export function registerLocation(program: Command): void {
  const location = program.command('location').description('the tree of places');
  const importer = location
    .command('import')
    .argument('<file>', 'CSV with the columns code, name, type, parent; "-" is the standard input')
    .description('add and change places: the whole file or, where a line is wrong, nothing of it')
    .option('--json', 'print {read, written}')
    .action(importFile);
  addExamples(importer, 'dci location import places.csv');
  const list = location.command('list').description('list all places').option('--json', 'print a JSON list').action(listLocations);
  addExamples(list, 'dci location list');
}

async function importFile(file: string, { json }: { json?: boolean }): Promise<void> {
  const locations = parseLocationsCsv(readText(file));
  const written = await withDatabase(loadConfig(), ({ db }) => importLocations(db, locations));
  if (json) printJson({ read: locations.length, written });
  else printLine(`read ${locations.length} places; ${written} were new or different`);
}

function readText(file: string): string {
  try {
    return readFileSync(file === '-' ? process.stdin.fd : file, 'utf8');
  } catch (error) {
    throw new CommandFailed(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function listLocations({ json }: { json?: boolean }): Promise<void> {
  const locations = await withDatabase(loadConfig(), ({ db }) => loadLocations(db));
  if (json) printJson(locations);
  else
    printTable(
      ['code', 'name', 'type', 'parent'],
      locations.map(({ code, name, type, parent }) => [code, name, type, parent]),
    );
}
