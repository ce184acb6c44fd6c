import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Client, Connection, Submittable } from 'pg';

/** What came of a `COPY … TO STDOUT`, compressed. */
export interface Copied {
  /** Of the gzip file. */
  readonly bytes: number;
  readonly sha256: string;
}

/** The reference of an extract: the rows as the database writes them, compressed likewise, and nothing else. */
export async function copyCompressed(client: Client, select: string): Promise<Copied> {
  const hash = createHash('sha256');
  let bytes = 0;
  await pipeline(copyOut(client, `copy (${select}) to stdout (format csv, header)`), createGzip(), async (chunks) => {
    for await (const chunk of chunks as AsyncIterable<Buffer>) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  });
  return { bytes, sha256: hash.digest('hex') };
}

interface CopyData {
  readonly chunk: Buffer;
}

/** The rows of a COPY; the connection is not read while nobody takes them. */
function copyOut(client: Client, statement: string): Readable {
  let connection: Connection | undefined;
  const rows = new Readable({ read: () => void connection?.stream.resume() });
  const copy: Submittable & Record<string, unknown> = {
    submit(used: Connection) {
      connection = used;
      used.query(statement);
    },
    handleCopyData: ({ chunk }: CopyData) => {
      if (!rows.push(chunk)) connection?.stream.pause();
    },
    handleCommandComplete: () => undefined,
    handleReadyForQuery: () => void rows.push(null),
    handleError: (error: Error) => void rows.destroy(error),
  };
  client.query(copy);
  return rows;
}
