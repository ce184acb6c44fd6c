import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { publicJwk, type SigningKey } from '@dci/protocol';

/** What a server of extracts gives, and what goes wrong with it. */
export interface ExtractServer {
  readonly baseUrl: string;
  /** Of the extract. */
  readonly url: string;
  /** Headers of the requests for the content, in order. */
  readonly asked: IncomingHttpHeaders[];
  manifest: string;
  content: Buffer;
  etag: string;
  publishedKeys: readonly SigningKey[];
  validTokens: Set<string> | undefined;
  /** Bytes after which the connection breaks, one for each answer; then none. */
  breaks: number[];
  /** Answers instead of content, one for each request. */
  refusals: number[];
  readonly ranges: { known: boolean; wrong: boolean };
  close(): Promise<void>;
}

const PATH = '/base/registry/extracts/e-1';

/** On a real socket; ranges as RFC 9110 wants them. */
export async function startExtractServer(
  parts: Pick<ExtractServer, 'manifest' | 'content' | 'etag' | 'publishedKeys'>,
): Promise<ExtractServer> {
  let tokens = 0;
  const server = createServer((request, response) => {
    const answer = (status: number, body: string | Buffer = '', headers: Record<string, string> = {}): void => {
      response.writeHead(status, { 'content-length': Buffer.byteLength(body).toString(), ...headers }).end(body);
    };
    request.resume();
    if (request.url === '/base/.well-known/jwks.json') return answer(200, JSON.stringify({ keys: state.publishedKeys.map(publicJwk) }));
    if (request.url === '/base/oauth2/client/token') {
      tokens += 1;
      return answer(200, JSON.stringify({ access_token: `token-${tokens}`, token_type: 'Bearer', expires_in: 3600 }));
    }
    const token = String(request.headers.authorization).slice('Bearer '.length);
    if (state.validTokens?.has(token) === false) return answer(401);
    if (request.url === `${PATH}/manifest`) return answer(200, state.manifest, { 'content-type': 'application/jose' });
    if (request.url !== PATH) return answer(404);
    state.asked.push(request.headers);
    const refusal = state.refusals.shift();
    if (refusal !== undefined) return answer(refusal, '', { 'retry-after': '0' });
    const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
    const isPart = range !== null && state.ranges.known && request.headers['if-range'] === state.etag;
    const from = isPart ? Number(range[1]) : 0;
    const stated = from + (state.ranges.wrong ? 1 : 0);
    const part = state.content.subarray(from);
    const headers = { etag: state.etag, 'content-length': part.length.toString() };
    response.writeHead(
      isPart ? 206 : 200,
      isPart ? { ...headers, 'content-range': `bytes ${stated}-${state.content.length - 1}/${state.content.length}` } : headers,
    );
    const end = state.breaks.shift();
    if (end === undefined) response.end(part);
    else response.write(part.subarray(0, end), () => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/base`;
  const state: ExtractServer = {
    ...parts,
    baseUrl,
    url: `${baseUrl}/registry/extracts/e-1`,
    asked: [],
    validTokens: undefined,
    breaks: [],
    refusals: [],
    ranges: { known: true, wrong: false },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return state;
}
