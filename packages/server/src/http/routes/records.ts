import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Profile } from '../../profiles/profile.ts';
import type { WriteService } from '../../services/write-records.ts';
import type { Refusal } from '../error-response.ts';
import type { Gate } from '../gate.ts';
import { describeWriteProblem, sendProblem, toProblem } from '../problem-details.ts';
import { WRITE_DOCUMENTATION } from '../records-documentation.ts';

export interface RecordRouteParts {
  readonly gate: Gate;
  readonly write: WriteService;
  readonly profiles: readonly Profile[];
}

/** What is told, and logged, of an error that no route knows. */
export type Explain = (error: unknown, request: FastifyRequest) => Refusal;

/** `POST registry/records`, at the base path and below each registry's names. */
export function registerRecordRoutes(app: FastifyInstance, parts: RecordRouteParts, explain: Explain): void {
  registerRecords(app, '/registry/records', undefined, parts, explain);
  for (const profile of parts.profiles)
    for (const name of [profile.registry, ...profile.aliases]) registerRecords(app, `/${name}/registry/records`, profile, parts, explain);
}

function registerRecords(
  app: FastifyInstance,
  path: string,
  mounted: Profile | undefined,
  { gate, write }: RecordRouteParts,
  explain: Explain,
): void {
  app.post(path, {
    schema: WRITE_DOCUMENTATION,
    errorHandler: async (error, request, reply) => {
      const known = describeWriteProblem(error);
      if (known !== undefined) return await sendProblem(reply, known);
      const refusal = explain(error, request);
      for (const [name, value] of Object.entries(refusal.headers)) if (!reply.hasHeader(name)) reply.header(name, value);
      return await sendProblem(reply, toProblem(refusal));
    },
    handler: async (request, reply) => {
      const { sender, bytes } = gate.readMessage(request);
      const { text, isRepeated } = await write.write(sender, mounted, bytes, readKey(request));
      if (isRepeated) reply.header('idempotency-replayed', 'true');
      return reply.type('application/json; charset=utf-8').send(text);
    },
  });
}

/** A header sent twice is no key: it is joined by a comma and a blank, which no key has. */
function readKey(request: FastifyRequest): string | undefined {
  const given = request.headers['idempotency-key'];
  return Array.isArray(given) ? given.join(', ') : given;
}
