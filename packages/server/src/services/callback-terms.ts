import { OutboundError } from '../outbound/outbound-error.ts';
import { parseOutboundUrl } from '../outbound/outbound-url.ts';
import { parseUrlPrefix } from '../outbound/url-allowance.ts';
import type { CallbackAuth } from './receiver-credentials.ts';

/** Where a partner is called, and how this server presents itself there, as an operator writes it. */

type Note = (problem: string) => void;

/** Addresses below which a partner may have itself called. */
export function readPrefixes(prefixes: readonly string[], note: Note): readonly string[] {
  const given = prefixes.filter((prefix) => prefix !== '');
  for (const prefix of given) noteRefusal(`the callback prefix "${prefix}"`, () => parseUrlPrefix(prefix), note);
  return [...new Set(given)];
}

export function readNotifyUri(uri: string | undefined, note: Note): string | undefined {
  if (uri !== undefined && uri !== '') noteRefusal(`the address "${uri}"`, () => parseOutboundUrl(uri, { allowHttp: true }), note);
  return uri;
}

function noteRefusal(what: string, read: () => unknown, note: Note): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error;
    note(`${what} cannot be called: ${error.message}`);
  }
}

/** From the JSON of a file; throws an Error that says what is wrong with it, never what stands in it. */
export function parseCallbackAuth(text: string): CallbackAuth {
  const given = parseObject(text);
  const member = (name: string): string | undefined => {
    const value = given[name];
    if (value !== undefined && (typeof value !== 'string' || value === '')) throw new Error(`"${name}" must be a text`);
    return value;
  };
  const token = member('token');
  const tokenUrl = member('token_url');
  if ((token === undefined) === (tokenUrl === undefined)) throw new Error(FORMS);
  if (token !== undefined) {
    if (!/^[\x21-\x7e]+$/.test(token)) throw new Error('"token" must be printable ASCII without blanks');
    return { kind: 'bearer', token };
  }
  const [clientId, clientSecret, scope] = [member('client_id'), member('client_secret'), member('scope')];
  if (tokenUrl === undefined || clientId === undefined || clientSecret === undefined) throw new Error(FORMS);
  parseOutboundUrl(tokenUrl, { allowHttp: true });
  return { kind: 'oauth2', tokenUrl, clientId, clientSecret, ...(scope === undefined ? {} : { scope }) };
}

const FORMS = 'it must hold {"token"} or {"token_url", "client_id", "client_secret", "scope"?}';

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error('it is not JSON');
  }
  if (typeof value !== 'object' || value === null) throw new Error(FORMS);
  return value as Record<string, unknown>;
}
