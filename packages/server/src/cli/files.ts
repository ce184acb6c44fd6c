import { createReadStream, createWriteStream, fstatSync, openSync, statSync, type WriteStream } from 'node:fs';
import { UsageError } from './output.ts';

/** What a command reads as it goes. */
export interface Input {
  readonly bytes: AsyncIterable<Buffer>;
  /** Of a file; unknown for stdin. */
  readonly size: number | undefined;
  bytesRead(): number;
}

/** `-`: stdin. Throws a `UsageError` where there is no such file. */
export function openInput(file: string): Input {
  if (file === '-') return { bytes: process.stdin as AsyncIterable<Buffer>, size: undefined, bytesRead: () => 0 };
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats === undefined || stats.isDirectory()) throw new UsageError(`there is no file ${file}`);
  const stream = createReadStream(file, { highWaterMark: 262_144 });
  return { bytes: stream as AsyncIterable<Buffer>, size: stats.isFile() ? stats.size : undefined, bytesRead: () => stream.bytesRead };
}

/** Empties the file that `option` names, or makes it. `input`: as for `openInput`. Throws a `UsageError` where that cannot be done, or would be done to the input. */
export function openOutput(option: string, file: string, input: string): WriteStream {
  const present = statSync(file, { throwIfNoEntry: false });
  const read = input === '-' ? fstatSync(process.stdin.fd) : statSync(input, { throwIfNoEntry: false });
  if (present !== undefined && present.ino === read?.ino && present.dev === read.dev)
    throw new UsageError(`${option} names the very file that is read, which would be lost; name another`);
  try {
    return createWriteStream(file, { fd: openSync(file, 'w') });
  } catch (error) {
    throw new UsageError(`${option} ${file} cannot be written: ${error instanceof Error ? error.message : String(error)}`);
  }
}
