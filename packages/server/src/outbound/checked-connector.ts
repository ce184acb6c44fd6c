import { lookup } from 'node:dns/promises';
import { isIP, type Socket } from 'node:net';
import { callbackify } from 'node:util';
import { buildConnector } from 'undici';
import { type AddressRules, findAddressFault } from './address-rule.ts';
import { OutboundError } from './outbound-error.ts';

/** All addresses of a host name. */
export type Resolve = (hostname: string) => Promise<readonly string[]>;

export interface ConnectorSettings extends AddressRules {
  readonly resolve: Resolve;
  /** Certificates (PEM) that are trusted in place of those of the system. */
  readonly trustedCertificates?: string;
}

const RESOLVE_WITHIN_MS = 5_000;
const DIAL_WITHIN_MS = 5_000;
const MOST_DIALS = 3;

/**
 * Connects undici to hosts that may be called. A name is resolved once, every address it has is checked, and those very
 * addresses are dialled: there is no second look-up that could answer otherwise. The certificate must be one of the name.
 */
export function createCheckedConnector(settings: ConnectorSettings): buildConnector.connector {
  // No resumed sessions: each connection proves the certificate anew.
  const dial = buildConnector({ timeout: DIAL_WITHIN_MS, allowH2: false, maxCachedSessions: 0, ca: settings.trustedCertificates });
  const connectChecked = callbackify(async (options: buildConnector.Options) => {
    try {
      return await connect(settings, dial, options);
    } catch (error) {
      throw asOutboundError(error, options);
    }
  });
  return (options, callback) => {
    connectChecked(options, (error, socket) => (error === null ? callback(null, socket) : callback(error, null)));
  };
}

async function connect(settings: ConnectorSettings, dial: buildConnector.connector, options: buildConnector.Options): Promise<Socket> {
  const { hostname, protocol } = options;
  const isLiteral = isIP(hostname) !== 0;
  const addresses = isLiteral ? [hostname] : await resolveInTime(settings.resolve, hostname);
  for (const address of addresses) {
    const fault = findAddressFault(address, settings);
    if (fault !== undefined)
      throw new OutboundError('address_refused', `${hostname} is not called: it leads to an address that is ${fault}`);
  }
  const target = { ...options, host: undefined, servername: isLiteral || protocol !== 'https:' ? undefined : hostname };
  return await dialFirst(addresses.slice(0, MOST_DIALS), (address) => dialOne(dial, { ...target, hostname: address }));
}

async function resolveInTime(resolve: Resolve, hostname: string): Promise<readonly string[]> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error('no answer in time')), RESOLVE_WITHIN_MS);
  try {
    const addresses = await Promise.race([resolve(hostname), late]);
    if (addresses.length === 0) throw new Error('no address');
    return addresses;
  } catch (cause) {
    throw new OutboundError('resolution', `${hostname} cannot be resolved`, { cause });
  } finally {
    clearTimeout(timer);
  }
}

async function dialFirst(addresses: readonly string[], dial: (address: string) => Promise<Socket>): Promise<Socket> {
  let failure: unknown;
  for (const address of addresses) {
    try {
      return await dial(address);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

function dialOne(dial: buildConnector.connector, options: buildConnector.Options): Promise<Socket> {
  return new Promise((resolve, reject) => {
    dial(options, (...[error, socket]) => (error === null ? resolve(socket) : reject(error)));
  });
}

function asOutboundError(error: unknown, { hostname, port }: buildConnector.Options): OutboundError {
  if (error instanceof OutboundError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const where = port === '' ? hostname : `${hostname}:${port}`;
  return TLS_CODE.test(code)
    ? new OutboundError('tls', `${where} does not prove by its certificate who it is (${code})`, { cause: error })
    : new OutboundError('connect', `${where} cannot be reached${code === '' ? '' : ` (${code})`}`, { cause: error });
}

// Node's codes for faults of TLS and OpenSSL's for faults of certificates.
const TLS_CODE =
  /^(ERR_TLS_|ERR_SSL_|EPROTO$|CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_|INVALID_|PATH_LENGTH_|ERROR_IN_CERT|OUT_OF_MEM$)/;

const lookUps = new Map<string, Promise<readonly string[]>>();

/**
 * As other programs on this machine resolve names. Whoever asks for a name that is being looked up shares that look-up: a
 * name server that does not answer holds one thread a name, not one a request.
 */
export const resolveBySystem: Resolve = (hostname) => {
  const running = lookUps.get(hostname);
  if (running !== undefined) return running;
  const started = lookup(hostname, { all: true, order: 'ipv4first' })
    .then((found) => found.map(({ address }) => address))
    .finally(() => lookUps.delete(hostname));
  lookUps.set(hostname, started);
  return started;
};
