import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { serveOrders } from './child.ts';

/**
 * The floor: bare `node:http` and bare `pg`, as a process of its own. The server's own look-up statements over the
 * server's own tables, the records in a JSON body. It takes the same messages and believes every word: no token, no
 * schema, no signature, no disclosure, no audit.
 */

export interface FloorOrder {
  readonly connection: pg.ClientConfig;
  /** Parameters: type, value, limit. Columns: id, version, body. */
  readonly lookUp: Statement;
  /** Parameters: types, values, limit. Columns: place, id, version, body. */
  readonly lookUps: Statement;
}

export interface Statement {
  readonly name: string;
  readonly text: string;
}

export interface FloorReady {
  readonly port: number;
  readonly pid: number;
}

interface SearchMessage {
  readonly message: {
    readonly search_request: readonly { readonly search_criteria: { readonly query: { readonly type: string; readonly value: string } } }[];
  };
}

type Row = readonly (string | null)[];

// Plain `pg`: a pool, named statements, columns as text.
const POOL_SIZE = 10;
const AS_TEXT: pg.CustomTypesConfig = { getTypeParser: () => (text: string) => text };
const LIMIT = 21;
// Divides the stored text of a member into what is before, of and after the person in it.
const CUT_MARK = '\u0001';

async function serveFloor({ connection, lookUp, lookUps }: FloorOrder): Promise<FloorReady> {
  const pool = new pg.Pool({ ...connection, max: POOL_SIZE });

  async function read(statement: Statement, values: unknown[]): Promise<Row[]> {
    const { rows } = await pool.query<(string | null)[]>({ ...statement, values, types: AS_TEXT, rowMode: 'array' });
    return rows;
  }

  async function answer({ message }: SearchMessage): Promise<string> {
    const queries = message.search_request.map((item) => item.search_criteria.query);
    const rows =
      queries.length === 1
        ? await read(lookUp, [queries[0]?.type, queries[0]?.value, LIMIT])
        : await read(lookUps, [queries.map((query) => query.type), queries.map((query) => query.value), LIMIT]);
    return `{"reg_records":[${rows.map(writePerson).join(',')}]}`;
  }

  const server = createServer(async (request, response) => {
    const { status, text } = await answer(readMessage(await readBody(request))).then(
      (found) => ({ status: 200, text: found }),
      (error: unknown) => ({ status: 500, text: String(error) }),
    );
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, pid: process.pid };
}

function readMessage(body: string): SearchMessage {
  return JSON.parse(body) as SearchMessage;
}

function writePerson(row: Row): string {
  return row.at(-1)?.split(CUT_MARK)[1] ?? '';
}

function readBody(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    request.on('error', reject);
  });
}

serveOrders((order) => serveFloor(order as FloorOrder));
