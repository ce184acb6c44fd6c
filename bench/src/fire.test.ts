import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { fire, type Shot } from './fire.ts';

let close = (): void => undefined;
afterEach(() => close());

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  close = () => {
    server.closeAllConnections();
    server.close();
  };
  return (server.address() as AddressInfo).port;
}

function shots(count: number): Shot[] {
  return Array.from({ length: count }, (_, index) => ({
    request: Buffer.from(`GET /${index} HTTP/1.1\r\nhost: localhost\r\n\r\n`),
    expected: [`<${index}>`],
  }));
}

it('sends each shot once and measures each', async () => {
  const seen: string[] = [];
  const port = await serve((request, response) => {
    seen.push(String(request.url));
    const text = `<${request.url?.slice(1)}>`.repeat(20_000);
    response.writeHead(200, { 'content-length': text.length }).end(text);
  });
  const round = await fire({ port, connections: 4, seconds: 60, shots: shots(150) });
  expect(round.requests).toBe(150);
  expect(round.latencies).toHaveLength(150);
  expect(new Set(seen).size).toBe(150);
  expect(round.samples.map((sample) => sample.shot.expected)).toEqual([['<0>'], ['<100>']]);
});

it('stops at a status other than 200', async () => {
  const port = await serve((_, response) => response.writeHead(429, { 'content-length': 4 }).end('slow'));
  await expect(fire({ port, connections: 2, seconds: 60, shots: shots(10) })).rejects.toThrow('answered 429: slow');
});

it('stops at an answer about something else', async () => {
  const port = await serve((_, response) => response.writeHead(200, { 'content-length': 3 }).end('<x>'));
  await expect(fire({ port, connections: 2, seconds: 60, shots: shots(10) })).rejects.toThrow('the answer lacks <');
});

it('stops when the server hangs up', async () => {
  const port = await serve((request) => request.socket.destroy());
  await expect(fire({ port, connections: 2, seconds: 60, shots: shots(10) })).rejects.toThrow('closed the connection');
});
