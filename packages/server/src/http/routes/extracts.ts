import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { EXTRACTS_PATH } from '../../services/async-export.ts';
import type { ExtractFetcher, FoundExtract } from '../../services/fetch-extract.ts';
import type { Sender } from '../../services/receive-message.ts';
import { readRange } from '../byte-range.ts';
import { HttpRefusal } from '../error-response.ts';
import { CONTENT_DOCUMENTATION, MANIFEST_DOCUMENTATION } from '../extracts-documentation.ts';
import type { Gate } from '../gate.ts';

export interface ExtractRouteParts {
  readonly gate: Gate;
  readonly extracts: ExtractFetcher;
}

/** `registry/extracts/{id}`: what `export` has made, to be fetched by the partner that asked for it; in parts, if it breaks off. */
export function registerExtractRoutes(app: FastifyInstance, { gate, extracts }: ExtractRouteParts): void {
  app.get(`${EXTRACTS_PATH}/:id`, {
    schema: CONTENT_DOCUMENTATION,
    exposeHeadRoute: false,
    handler: async (request, reply) => {
      const { sender, extract } = await find(request);
      const { bytes: size } = extract.made;
      const tag = `"${extract.made.sha256}"`;
      const range = isCurrent(request, tag) ? readRange(request.headers.range, size) : undefined;
      if (range === 'unsatisfiable')
        throw new HttpRefusal(416, 'err.request.bad', 'range_not_satisfiable', `there are ${size} bytes`, {
          'content-range': `bytes */${size}`,
        });
      const content = await extracts.readContent(sender, extract, range);
      if (range !== undefined) reply.code(206).header('content-range', `bytes ${range.from}-${range.to}/${size}`);
      return await reply
        .headers({ 'accept-ranges': 'bytes', etag: tag, 'cache-control': 'private, no-store' })
        .header('content-length', range === undefined ? size : range.to - range.from + 1)
        .type('application/octet-stream')
        .send(Readable.from(content, { objectMode: false }));
    },
  });
  app.get(`${EXTRACTS_PATH}/:id/manifest`, {
    schema: MANIFEST_DOCUMENTATION,
    exposeHeadRoute: false,
    handler: async (request, reply) => {
      const { sender, extract } = await find(request);
      const { text } = await extracts.readManifest(sender, extract);
      return await reply.header('cache-control', 'private, no-store').type('application/jose').send(text);
    },
  });

  async function find(request: FastifyRequest): Promise<{ readonly sender: Sender; readonly extract: FoundExtract }> {
    const sender = gate.senderOf(request);
    if (sender === undefined) throw new Error('a request reached its handler without passing the gate');
    return { sender, extract: await extracts.find(sender, (request.params as { readonly id: string }).id) };
  }
}

/** Whether what the sender has a part of is what there is now. */
function isCurrent(request: FastifyRequest, tag: string): boolean {
  const condition = request.headers['if-range'];
  return condition === undefined || condition === tag;
}
