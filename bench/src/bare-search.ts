import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';

/**
 * What the references of the search are made of: bare `node:http` and bare `pg`, the server's own look-up statements over
 * the server's own tables. A message is believed every word: no token, no schema, no disclosure.
 */

export interface BareOrder {
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

export interface BareReady {
  readonly port: number;
  readonly pid: number;
}

export interface Query {
  readonly type: string;
  readonly value: string;
}

export interface SearchMessage {
  readonly header: { readonly message_id: string };
  readonly message: { readonly search_request: readonly { readonly search_criteria: { readonly query: Query } }[] };
}

/** One query was asked: id, version, body. Several: before them the place of the query, from 1. */
export type Row = readonly (string | null)[];

// Plain `pg`: a pool, named statements, columns as text.
const POOL_SIZE = 10;
const AS_TEXT: pg.CustomTypesConfig = { getTypeParser: () => (text: string) => text };
const LIMIT = 21;
// Divides the stored text of a member into what is before, of and after the person in it.
const CUT_MARK = '\u0001';

export function openPool(connection: pg.ClientConfig): pg.Pool {
  return new pg.Pool({ ...connection, max: POOL_SIZE });
}

export async function lookUpRows(pool: pg.Pool, { lookUp, lookUps }: BareOrder, queries: readonly Query[]): Promise<readonly Row[]> {
  const [first] = queries;
  const asked =
    queries.length === 1
      ? { ...lookUp, values: [first?.type, first?.value, LIMIT] }
      : { ...lookUps, values: [queries.map((query) => query.type), queries.map((query) => query.value), LIMIT] };
  const { rows } = await pool.query<(string | null)[]>({ ...asked, types: AS_TEXT, rowMode: 'array' });
  return rows;
}

export function queriesOf({ message }: SearchMessage): Query[] {
  return message.search_request.map((item) => item.search_criteria.query);
}

export function writeRecords(rows: readonly Row[]): string {
  return `{"reg_records":[${rows.map(writePerson).join(',')}]}`;
}

/** Answers every request with what `answer` makes of its message. */
export async function serveBare(answer: (message: SearchMessage) => Promise<string>): Promise<BareReady> {
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
