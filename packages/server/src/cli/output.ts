import Table from 'cli-table3';
import type { Command } from 'commander';

/** The command was asked for in a way that cannot be carried out: exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The command did not succeed; the message says why in one line: exit status 1. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
}

export const EXIT = { fine: 0, failed: 1, usage: 2 } as const;

/** Writes one line to stdout. */
export function printLine(text = ''): void {
  process.stdout.write(`${text}\n`);
}

/** Writes one line to stderr: what a person should know and a program should not have to skip. */
export function printNote(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Writes one JSON document to stdout. */
export function printJson(value: unknown): void {
  printLine(JSON.stringify(value, undefined, 2));
}

/** Writes rows under their headings to stdout, columns aligned, without colours. */
export function printTable(headings: readonly string[], rows: readonly (readonly unknown[])[]): void {
  const table = new Table({ head: [...headings], chars: PLAIN, style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 } });
  for (const row of rows) table.push(row.map(toCell));
  printLine(
    table
      .toString()
      .split('\n')
      .map((line) => line.trimEnd())
      .join('\n'),
  );
}

/** Adds what every command has: an example at the end of its `--help`. */
export function addExamples(command: Command, ...lines: readonly string[]): Command {
  return command.addHelpText('after', `\nExample:\n${lines.map((line) => `  $ ${line}`).join('\n')}`);
}

function toCell(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(toCell).join(', ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}

const PLAIN = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
};
