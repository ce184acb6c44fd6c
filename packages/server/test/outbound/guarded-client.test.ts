import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createGuardedClient, type GuardedClient, type OutboundRequest } from '../../src/outbound/guarded-client.ts';
import { OutboundError, type OutboundFailure } from '../../src/outbound/outbound-error.ts';
import { makeCertificate } from './certificate.ts';
import { type Recorder, type RecorderOptions, startRecorder } from './recorder.ts';

const certificate = makeCertificate(['receiver.test', '127.0.0.1']);
const closing: { close(): unknown }[] = [];

afterEach(async () => {
  for (const part of closing.splice(0).toReversed()) await part.close();
});

function client(settings: Partial<Parameters<typeof createGuardedClient>[0]> = {}): GuardedClient {
  const made = createGuardedClient({
    allowHttpCallbacks: false,
    allowPrivateCallbacks: true,
    trustedCertificates: certificate.cert,
    resolve: async () => ['127.0.0.1'],
    ...settings,
  });
  closing.push(made);
  return made;
}

async function recorder(answer: Parameters<typeof startRecorder>[0], options: RecorderOptions = { certificate }): Promise<Recorder> {
  const started = await startRecorder(answer, options);
  closing.push(started);
  return started;
}

const fine = (): Promise<Recorder> => recorder((_, response) => void response.end('fine'));

function request(url: string, more: Partial<OutboundRequest> = {}): OutboundRequest {
  return { url, method: 'GET', timeoutMs: 5_000, maxBytes: 10_000, ...more };
}

async function failure(sent: Promise<unknown>): Promise<OutboundFailure> {
  const error = await sent.then(
    () => expect.fail('it was sent'),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof OutboundError)) throw error;
  return error.reason;
}

describe('a request', () => {
  it('arrives as it was given, at the address that was checked, and its answer comes back', async () => {
    const receiver = await recorder((_, response) => {
      response.writeHead(202, { 'x-answer': 'yes' }).end('{"ack_status":"ACK"}');
    });
    const sent = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"größe":1}' } as const;
    const answer = await client().send(request(`https://receiver.test:${receiver.port}/cb?x=1`, sent));
    expect(answer).toMatchObject({ status: 202, headers: { 'x-answer': 'yes' } });
    expect(answer.body.toString()).toBe('{"ack_status":"ACK"}');
    expect(receiver.requests).toMatchObject([
      {
        line: 'POST /cb?x=1',
        body: '{"größe":1}',
        headers: { host: `receiver.test:${receiver.port}`, 'content-type': 'application/json' },
      },
    ]);
  });

  it('goes over connections that are kept', async () => {
    const receiver = await fine();
    const sender = client();
    for (let index = 0; index < 10; index += 1) await sender.send(request(`https://receiver.test:${receiver.port}/`));
    expect(receiver.requests).toHaveLength(10);
    expect(receiver.connections()).toBeLessThanOrEqual(2);
  });

  it('goes to an address that is named as such, when its certificate names it too', async () => {
    const receiver = await fine();
    expect((await client().send(request(`https://127.0.0.1:${receiver.port}/`))).status).toBe(200);
  });

  it('gets statuses other than a redirect as they are', async () => {
    const receiver = await recorder(({ line }, response) => void response.writeHead(Number(line.slice(-3))).end());
    const sender = client();
    for (const status of [200, 204, 304, 400, 404, 429, 500, 503])
      expect((await sender.send(request(`https://receiver.test:${receiver.port}/${status}`))).status).toBe(status);
  });

  it('tries the next address of a name where one does not answer', async () => {
    const receiver = await fine();
    const sender = client({ resolve: async () => ['127.0.0.3', '127.0.0.1'] });
    expect((await sender.send(request(`https://receiver.test:${receiver.port}/`))).status).toBe(200);
  });

  it('goes over http only where that is allowed', async () => {
    const receiver = await recorder((_, response) => void response.end('fine'), {});
    const url = `http://receiver.test:${receiver.port}/`;
    expect(await failure(client().send(request(url)))).toBe('url_refused');
    expect(receiver.connections()).toBe(0);
    expect((await client({ allowHttpCallbacks: true }).send(request(url))).status).toBe(200);
  });
});

describe('an address inside', () => {
  // Each leads to a receiver on this machine, was it dialled.
  it.each([
    'https://127.0.0.1:PORT/',
    'https://2130706433:PORT/',
    'https://0177.0.0.1:PORT/',
    'https://0x7f.0.0.1:PORT/',
    'https://0x7f000001:PORT/',
    'https://127.1:PORT/',
    'https://127.000.000.001:PORT/',
    'https://0.0.0.0:PORT/',
    'https://0:PORT/',
    'https://[::1]:PORT/',
    'https://[::]:PORT/',
    'https://[0:0:0:0:0:0:0:1]:PORT/',
    'https://[::127.0.0.1]:PORT/',
    'https://[::ffff:127.0.0.1]:PORT/',
    'https://[::ffff:7f00:1]:PORT/',
    'https://[::ffff:0:7f00:1]:PORT/',
    'https://[64:ff9b::7f00:1]:PORT/',
    'https://[64:ff9b:1::7f00:1]:PORT/',
    'https://[2002:7f00:1::]:PORT/',
    'https://[2001:0:7f00:1::]:PORT/',
    'https://127.0.0.1.:PORT/',
    'https://localhost:PORT/',
    'https://LOCALHOST:PORT/',
    'https://localhost.:PORT/',
    'https://a.localhost:PORT/',
    'https://ip6-localhost:PORT/',
    'https://user:secret@127.0.0.1:PORT/',
    'https://receiver.test@127.0.0.1:PORT/',
    'https://receiver.test:443@127.0.0.1:PORT/',
    'https://receiver.test:PORT\\@127.0.0.1:PORT/',
    'https://127。0。0。1:PORT/',
    'https://①②⑦.⓪.⓪.①:PORT/',
    'https://%31%32%37.0.0.1:PORT/',
    'https://127.0.0.1%00.receiver.test:PORT/',
    'https:127.0.0.1:PORT/',
    'https:///127.0.0.1:PORT/',
    'https:\\\\127.0.0.1:PORT/',
    'ht\ntps://127.0.0.1:PORT/',
    ' https://127.0.0.1:PORT/',
    'http://127.0.0.1:PORT/',
    'file:///etc/passwd',
    'gopher://127.0.0.1:PORT/',
    'data:text/plain,x',
    'unix:/var/run/postgresql',
  ])('is not called as %s', async (spelling) => {
    const receiver = await fine();
    const sender = client({ allowPrivateCallbacks: false, resolve: async () => ['127.0.0.1'] });
    expect(await failure(sender.send(request(spelling.replaceAll('PORT', String(receiver.port)))))).toMatch(/^(url|address)_refused$/);
    expect(receiver.connections()).toBe(0);
  });

  it.each([[['8.8.8.8', '127.0.0.1']], [['127.0.0.1', '8.8.8.8']], [['2606:4700::1', '::ffff:127.0.0.1']]])(
    'spoils the others of its name: %s',
    async (addresses) => {
      const receiver = await fine();
      const sender = client({ allowPrivateCallbacks: false, resolve: async () => addresses });
      expect(await failure(sender.send(request(`https://receiver.test:${receiver.port}/`)))).toBe('address_refused');
      expect(receiver.connections()).toBe(0);
    },
  );

  it.each(['169.254.169.254', 'fe80::1', '100.100.100.200', 'fd00:ec2::254', '168.63.129.16', '0.0.0.0', '255.255.255.255', '224.0.0.1'])(
    'such as %s is not called even where private ones are',
    async (address) => {
      expect(await failure(client({ resolve: async () => [address] }).send(request('https://receiver.test/')))).toBe('address_refused');
    },
  );

  it('is not reached by a name that answers otherwise the second time', async () => {
    const outside = await recorder((_, response) => void response.end('outside'), { certificate });
    const inside = await recorder((_, response) => void response.end('inside'), { certificate, host: '127.0.0.2', port: outside.port });
    let asked = 0;
    const resolve = async (): Promise<string[]> => [(asked += 1) === 1 ? '127.0.0.1' : '127.0.0.2'];
    const answer = await client({ resolve }).send(request(`https://receiver.test:${outside.port}/`));
    expect(answer.body.toString()).toBe('outside');
    expect({ asked, inside: inside.connections() }).toEqual({ asked: 1, inside: 0 });
  });

  it('is refused at the next connection, when a name that was good begins to lead there', async () => {
    const receiver = await recorder((_, response) => void response.writeHead(200, { connection: 'close' }).end());
    let address = '127.0.0.1';
    const sender = client({ resolve: async () => [address] });
    await sender.send(request(`https://receiver.test:${receiver.port}/`));
    await receiver.drained();
    address = '169.254.169.254';
    expect(await failure(sender.send(request(`https://receiver.test:${receiver.port}/`)))).toBe('address_refused');
    expect(receiver.requests).toHaveLength(1);
  });
});

describe('a name', () => {
  it.each([
    ['that cannot be resolved', () => Promise.reject(new Error('ENOTFOUND'))],
    ['without an address', async () => []],
  ])('%s is not called', async (_what, resolve) => {
    expect(await failure(client({ resolve }).send(request('https://receiver.test/')))).toBe('resolution');
  });

  it('that resolves to no address at all is not called', async () => {
    expect(await failure(client({ resolve: async () => ['receiver.test'] }).send(request('https://receiver.test/')))).toBe(
      'address_refused',
    );
  });

  it('that never resolves costs no more than the time allowed', async () => {
    const sender = client({ resolve: () => new Promise(() => undefined) });
    expect(await failure(sender.send(request('https://receiver.test/', { timeoutMs: 200 })))).toBe('timeout');
  });
});

describe('a certificate', () => {
  it.each([
    ['of another authority', makeCertificate(['receiver.test'])],
    ['for another name', makeCertificate(['other.test'])],
    ['that has expired', makeCertificate(['receiver.test'], { from: new Date('2020-01-01'), to: new Date('2020-02-01') })],
    ['that is not valid yet', makeCertificate(['receiver.test'], { from: new Date('2048-01-01'), to: new Date('2049-01-01') })],
  ])('%s is refused before anything is said', async (what, wrong) => {
    const receiver = await recorder((_, response) => void response.end(), { certificate: wrong });
    const trusted = what === 'of another authority' ? certificate.cert : wrong.cert;
    const sent = client({ trustedCertificates: trusted }).send(
      request(`https://receiver.test:${receiver.port}/`, { method: 'POST', body: 'secret' }),
    );
    expect(await failure(sent)).toBe('tls');
    expect(receiver.requests).toEqual([]);
  });

  it('is asked for: a server that speaks plainly at an https address is refused', async () => {
    const receiver = await recorder((_, response) => void response.end(), {});
    expect(await failure(client().send(request(`https://receiver.test:${receiver.port}/`)))).toBe('tls');
    expect(receiver.requests).toEqual([]);
  });
});

describe('a receiver', () => {
  it.each([301, 302, 303, 307, 308])('that redirects by %i is not followed', async (status) => {
    const target = await fine();
    const receiver = await recorder(
      (_, response) => void response.writeHead(status, { location: `https://receiver.test:${target.port}/` }).end(),
    );
    expect(await failure(client().send(request(`https://receiver.test:${receiver.port}/`)))).toBe('redirect');
    expect(target.connections()).toBe(0);
  });

  it('that never ends its body is cut off at the size allowed', async () => {
    const receiver = await recorder((_, response) => {
      response.writeHead(200);
      const write = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(16_384))) continue;
      };
      response.on('drain', write);
      write();
    });
    expect(await failure(client().send(request(`https://receiver.test:${receiver.port}/`)))).toBe('too_large');
    await receiver.drained();
  });

  it('that announces too large a body is not read', async () => {
    const receiver = await recorder((_, response) => {
      response.writeHead(200, { 'content-length': 10_001 }).flushHeaders();
    });
    expect(await failure(client().send(request(`https://receiver.test:${receiver.port}/`)))).toBe('too_large');
    await receiver.drained();
  });

  it('may use the size allowed to the last byte', async () => {
    const receiver = await recorder((_, response) => void response.end(Buffer.alloc(10_000)));
    expect((await client().send(request(`https://receiver.test:${receiver.port}/`))).body).toHaveLength(10_000);
  });

  it.each([
    ['nothing', () => undefined],
    ['a byte of its headers at a time', (socket: Socket) => drip(socket, `HTTP/1.1 200 OK\r\nx-slow: ${'z'.repeat(9_000)}`)],
    [
      'a byte of its body at a time',
      (socket: Socket) => drip(socket, 'z'.repeat(9_000), 'HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n'),
    ],
  ])('that sends %s is given the time allowed and no more', async (_what, behave) => {
    const { port } = await rawServer(behave);
    const sent = client({ allowHttpCallbacks: true }).send(request(`http://receiver.test:${port}/`, { timeoutMs: 400 }));
    expect(await failure(sent)).toBe('timeout');
  });

  it.each([
    ['what is not HTTP', 'SSH-2.0-OpenSSH\r\n\r\n', 'response'],
    ['endless headers', `HTTP/1.1 200 OK\r\n${'x-more: yes\r\n'.repeat(3_000)}`, 'response'],
    ['half an answer', 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf', 'connection_lost'],
    ['no answer', '', 'connection_lost'],
  ])('that sends %s and hangs up is a failure', async (_what, text, reason) => {
    const { port } = await rawServer((socket) => void socket.once('data', () => socket.end(text)));
    expect(await failure(client({ allowHttpCallbacks: true }).send(request(`http://receiver.test:${port}/`)))).toBe(reason);
  });

  it('that is not there is a failure to connect', async () => {
    const receiver = await fine();
    await receiver.close();
    closing.splice(closing.indexOf(receiver), 1);
    expect(await failure(client().send(request(`https://receiver.test:${receiver.port}/`)))).toBe('connect');
  });

  it('that hangs holds up no other', async () => {
    const { port } = await rawServer(() => undefined);
    const receiver = await recorder((_, response) => void response.end('fine'), {});
    const sender = client({ allowHttpCallbacks: true });
    const stuck = Array.from({ length: 20 }, () => failure(sender.send(request(`http://receiver.test:${port}/`, { timeoutMs: 1_000 }))));
    expect((await sender.send(request(`http://receiver.test:${receiver.port}/`))).status).toBe(200);
    expect(new Set(await Promise.all(stuck))).toEqual(new Set(['timeout']));
  });
});

describe('a request under way', () => {
  it('is stopped by its caller, and by the end of the client', async () => {
    const { port } = await rawServer(() => undefined);
    const sender = client({ allowHttpCallbacks: true });
    const stop = new AbortController();
    const stopped = failure(sender.send(request(`http://receiver.test:${port}/`, { signal: stop.signal })));
    const ended = failure(sender.send(request(`http://receiver.test:${port}/`)));
    stop.abort();
    expect(await stopped).toBe('aborted');
    await sender.close();
    expect(await ended).toBe('aborted');
    expect(await failure(sender.send(request(`http://receiver.test:${port}/`)))).toBe('aborted');
  });
});

it('says of a failure neither the path, nor the query, nor what was sent', async () => {
  const { port } = await rawServer((socket) => void socket.destroy());
  const sent = client({ allowHttpCallbacks: true }).send(
    request(`http://receiver.test:${port}/hidden?token=hidden`, { method: 'POST', body: 'hidden' }),
  );
  const error = await sent.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(OutboundError);
  expect(String(error)).not.toContain('hidden');
});

async function rawServer(behave: (socket: Socket) => void): Promise<{ port: number }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    behave(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push({
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    },
  });
  return { port: (server.address() as { port: number }).port };
}

function drip(socket: Socket, text: string, first = ''): void {
  socket.write(first);
  let sent = 0;
  const timer = setInterval(() => {
    if (socket.destroyed || sent === text.length) clearInterval(timer);
    else socket.write(text.charAt(sent));
    sent += 1;
  }, 20);
  socket.once('close', () => clearInterval(timer));
}
