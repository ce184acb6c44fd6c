import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';

/** A TLS server's key and its certificate, both PEM; the certificate is its own authority. */
export interface TestCertificate {
  readonly key: string;
  readonly cert: string;
}

/** Makes a self-signed certificate (X.509 v3, P-256) for host names and IPv4 addresses, valid `from` … `to`. */
export function makeCertificate(hosts: readonly string[], validity: { from?: Date; to?: Date } = {}): TestCertificate {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { from = new Date(Date.now() - 3_600_000), to = new Date(Date.now() + 86_400_000) } = validity;
  const body = sequence(
    tagged(0xa0, integer(Buffer.of(2))),
    integer(Buffer.concat([Buffer.of(1), randomBytes(8)])),
    ECDSA_WITH_SHA256,
    distinguishedName('dci test'),
    sequence(time(from), time(to)),
    distinguishedName('dci test'),
    createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(sequence(OBJECT_IDS.subjectAltName, tagged(0x04, sequence(...hosts.map(alternativeName)))))),
  );
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: toPem(sequence(body, ECDSA_WITH_SHA256, bits(signBody(body, privateKey)))),
  };
}

function signBody(body: Buffer, key: KeyObject): Buffer {
  return sign('sha256', body, key);
}

// DER: a tag, a length, a value.
function tagged(tag: number, ...values: readonly Uint8Array[]): Buffer {
  const value = Buffer.concat(values);
  const length = value.length < 0x80 ? Buffer.of(value.length) : Buffer.of(0x82, value.length >> 8, value.length & 0xff);
  return Buffer.concat([Buffer.of(tag), length, value]);
}

const sequence = (...values: readonly Uint8Array[]): Buffer => tagged(0x30, ...values);
const integer = (value: Uint8Array): Buffer => tagged(0x02, value);
const bits = (value: Uint8Array): Buffer => tagged(0x03, Buffer.of(0), value);
const time = (date: Date): Buffer => tagged(0x18, Buffer.from(`${date.toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`));
const objectId = (hex: string): Buffer => tagged(0x06, Buffer.from(hex, 'hex'));

const OBJECT_IDS = { commonName: objectId('550403'), subjectAltName: objectId('551d11') };
const ECDSA_WITH_SHA256 = sequence(objectId('2a8648ce3d040302'));

function distinguishedName(name: string): Buffer {
  return sequence(tagged(0x31, sequence(OBJECT_IDS.commonName, tagged(0x0c, Buffer.from(name)))));
}

function alternativeName(host: string): Buffer {
  return isIP(host) === 4 ? tagged(0x87, Buffer.from(host.split('.').map(Number))) : tagged(0x82, Buffer.from(host));
}

function toPem(der: Buffer): string {
  return `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
}
