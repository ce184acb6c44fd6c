import type { TokenRequest } from '../services/issue-token.ts';
import type { RevocationRequest } from '../services/revoke-token.ts';
import { TokenError } from '../services/token-error.ts';

/** A request for a token or to revoke one: what of it is needed, its service decides. */
export type ClientRequest = TokenRequest & RevocationRequest;

/**
 * Reads what a client asks for: form (RFC 6749), JSON with the same members, and HTTP Basic beside either. Refuses repeated
 * parameters, text that is not UTF-8, and a client that presents itself in two ways at once.
 */
export function parseClientRequest(contentType: string | undefined, authorization: string | undefined, body: Uint8Array): ClientRequest {
  const parameters = readParameters(contentType, decodeUtf8(body));
  const basic = readBasic(authorization);
  const clientId = parameters.get('client_id');
  const clientSecret = parameters.get('client_secret');
  const assertion = parameters.get('client_assertion');
  if (
    basic !== undefined &&
    (clientSecret !== undefined || assertion !== undefined || (clientId !== undefined && clientId !== basic.clientId))
  )
    throw new TokenError('invalid_request', 'the client presents itself twice: in the Authorization header and in the body');
  return {
    grantType: parameters.get('grant_type'),
    scope: parameters.get('scope'),
    token: parameters.get('token'),
    assertion,
    assertionType: parameters.get('client_assertion_type'),
    ...(basic ?? { clientId, clientSecret }),
  };
}

const PARAMETERS = ['grant_type', 'scope', 'token', 'client_id', 'client_secret', 'client_assertion', 'client_assertion_type'];

type Parameters = ReadonlyMap<string, string>;

function decodeUtf8(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw new TokenError('invalid_request', 'the body is not UTF-8');
  }
}

function readParameters(contentType: string | undefined, text: string): Parameters {
  const type = contentType?.split(';')[0]?.trim().toLowerCase();
  if (text === '') return new Map();
  if (type === 'application/x-www-form-urlencoded') return readForm(text);
  if (type === 'application/json') return readJsonMembers(text);
  throw new TokenError('invalid_request', 'send application/x-www-form-urlencoded or application/json');
}

function readForm(text: string): Parameters {
  const parameters = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(text)) {
    if (parameters.has(name)) throw new TokenError('invalid_request', 'a parameter is repeated');
    parameters.set(name, value);
  }
  return withoutEmpty(parameters);
}

function readJsonMembers(text: string): Parameters {
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TokenError('invalid_request', 'the body must be a JSON object');
  const parameters = new Map<string, string>();
  for (const name of PARAMETERS) {
    const member: unknown = Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
    if (member === undefined || member === null) continue;
    if (typeof member !== 'string') throw new TokenError('invalid_request', `${name} must be a string`);
    parameters.set(name, member);
  }
  return withoutEmpty(parameters);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new TokenError('invalid_request', 'the body is not JSON');
  }
}

// RFC 6749, 3.2: a parameter without a value is treated as if it had been left out.
function withoutEmpty(parameters: Parameters): Parameters {
  return new Map([...parameters].filter(([, value]) => value !== ''));
}

/** RFC 6749, 2.3.1: both halves are form-encoded before they are joined. Another scheme is nobody's presentation. */
function readBasic(authorization: string | undefined): { clientId: string; clientSecret: string } | undefined {
  const [, encoded] = /^basic +(\S*)$/i.exec(authorization ?? '') ?? [];
  if (encoded === undefined) return undefined;
  const refusal = new TokenError('invalid_client', 'the Authorization header is not readable');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) throw refusal;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(encoded, 'base64'));
    const colon = text.indexOf(':');
    if (colon < 0) throw refusal;
    return { clientId: decodeFormText(text.slice(0, colon)), clientSecret: decodeFormText(text.slice(colon + 1)) };
  } catch {
    throw refusal;
  }
}

function decodeFormText(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}
