import { isIP } from 'node:net';
import { OutboundError } from './outbound-error.ts';

export interface UrlRules {
  /** Also `http:`. */
  readonly allowHttp: boolean;
}

const LONGEST_URL = 2_000;
const PARTS = /^[a-z][a-z0-9+.-]*:\/\/([^/?#\\]*)(.*)$/i;
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;
const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'https:': '443', 'http:': '80' };
const FIRST_UNPRIVILEGED_PORT = 1024;
// Slash, backslash, dot, NUL and the percent sign itself: servers differ in when they decode these.
const AMBIGUOUS_ESCAPE = /%(2f|5c|2e|00|25)/i;

/**
 * Reads a URL that this server may call. It must be written in the one way in which every reader understands it: what
 * would only become a host, a port or a path by interpretation (numbers for an address, escapes, dot segments, user names,
 * another alphabet) is refused, so that no two readers can disagree. Throws an `OutboundError` with `url_refused`.
 */
export function parseOutboundUrl(text: string, { allowHttp }: UrlRules): URL {
  const url = text.length <= LONGEST_URL && /^[\x21-\x7e]+$/.test(text) ? URL.parse(text) : null;
  const [, authority = '', rest = ''] = PARTS.exec(text) ?? [];
  if (url === null || authority === '')
    throw refuse(`it must be a whole URL of at most ${LONGEST_URL} ASCII characters, e.g. https://mis.example.org/dci`);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw refuse('only https is called');
  if (url.protocol === 'http:' && !allowHttp) throw refuse('only https is called, unless DCI_ALLOW_HTTP_CALLBACKS allows http');
  if (authority.includes('@')) throw refuse('it carries a user name');
  checkHost(url, authority);
  checkPort(url);
  checkPath(url, rest);
  return url;
}

function checkHost({ host, hostname, port, protocol }: URL, authority: string): void {
  const written = authority.toLowerCase();
  if (written !== host && !(port === '' && written === `${host}:${DEFAULT_PORTS[protocol]}`))
    throw refuse(`its host must be written plainly, as "${host}"`);
  const isLiteral = hostname.startsWith('[') || isIP(hostname) !== 0;
  if (!isLiteral && !HOST_NAME.test(hostname))
    throw refuse('its host must be a name of letters, digits and hyphens, without a dot at the end');
}

// Below 1024 live the other services of the same host (mail, shells, directories); no web hook does.
function checkPort({ port }: URL): void {
  if (port !== '' && port !== '443' && port !== '80' && Number(port) < FIRST_UNPRIVILEGED_PORT)
    throw refuse('its port must be 443, 80 or one from 1024');
}

function checkPath({ pathname, search }: URL, rest: string): void {
  if (rest.includes('#')) throw refuse('it carries a fragment');
  if (`${pathname}${search}` !== (rest.startsWith('/') ? rest : `/${rest}`))
    throw refuse('its path must be written plainly, without dot segments, and percent-encoded where it must be');
  if (AMBIGUOUS_ESCAPE.test(pathname)) throw refuse('its path carries an encoded slash, backslash, dot or percent sign');
  if (pathname.split('/').some((segment) => /^\.{1,2}(;|$)/.test(segment))) throw refuse('its path carries a dot segment');
}

function refuse(why: string): OutboundError {
  return new OutboundError('url_refused', `the URL is not called: ${why}`);
}
