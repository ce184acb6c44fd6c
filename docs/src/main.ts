import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { AGREEMENT_SCHEMA, createProgram, SETTINGS } from '@dci/server';
import { writeCommandLinePage } from './command-line-page.ts';
import { writeConfigurationPage } from './configuration-page.ts';

// Writes docs/reference/ from the program itself. With --check it writes nothing and fails where a page is stale.

const FOLDER = new URL('../reference/', import.meta.url);

const PAGES: Readonly<Record<string, string>> = {
  'configuration.md': writeConfigurationPage(SETTINGS),
  'cli.md': writeCommandLinePage(createProgram()),
  'agreement.schema.json': `${JSON.stringify(AGREEMENT_SCHEMA, undefined, 2)}\n`,
};

function main(args: readonly string[]): number {
  const stray = args.find((argument) => argument !== '--check');
  if (stray !== undefined) {
    process.stderr.write(`unknown argument ${stray}; usage: npm run docs [-- --check]\n`);
    return 2;
  }
  return args.includes('--check') ? check() : write();
}

function write(): number {
  mkdirSync(FOLDER, { recursive: true });
  for (const [name, text] of Object.entries(PAGES)) writeFileSync(new URL(name, FOLDER), text);
  return 0;
}

function check(): number {
  const stale = Object.entries(PAGES).filter(([name, text]) => readPage(name) !== text);
  for (const [name] of stale) process.stderr.write(`docs/reference/${name} is stale: run "npm run docs" and commit it\n`);
  return stale.length === 0 ? 0 : 1;
}

function readPage(name: string): string | undefined {
  try {
    return readFileSync(new URL(name, FOLDER), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

process.exitCode = main(process.argv.slice(2));
