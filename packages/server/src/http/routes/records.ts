import type { FastifyInstance, FastifyRequest, FastifySchema } from 'fastify';
import type { Profile } from '../../profiles/profile.ts';
import type { WriteService } from '../../services/write-records.ts';
import type { Refusal } from '../error-response.ts';
import type { Gate } from '../gate.ts';
import { describeWriteProblem, sendProblem, toProblem } from '../problem-details.ts';
import { CONSENT_DOCUMENTATION } from '../consents-documentation.ts';
import { WRITE_DOCUMENTATION } from '../records-documentation.ts';

export interface RecordRouteParts {
  readonly gate: Gate;
  readonly write: WriteService;
  readonly writeConsents: WriteService;
  readonly profiles: readonly Profile[];
}

/** What is told, and logged, of an error that no route knows. */
export type Explain = (error: unknown, request: FastifyRequest) => Refusal;

/** `POST registry/records` and `POST registry/consents`, at the base path and below each registry's names. */
export function registerRecordRoutes(app: FastifyInstance, parts: RecordRouteParts, explain: Explain): void {
  const places = [
    { prefix: '', mounted: undefined },
    ...parts.profiles.flatMap((mounted) => [mounted.registry, ...mounted.aliases].map((name) => ({ prefix: `/${name}`, mounted }))),
  ];
  for (const { prefix, mounted } of places) {
    const { gate } = parts;
    registerWrites(app, `${prefix}/registry/records`, mounted, { gate, write: parts.write, schema: WRITE_DOCUMENTATION }, explain);
    registerWrites(
      app,
      `${prefix}/registry/consents`,
      mounted,
      { gate, write: parts.writeConsents, schema: CONSENT_DOCUMENTATION },
      explain,
    );
  }
}

interface WriteRouteParts {
  readonly gate: Gate;
  readonly write: WriteService;
  readonly schema: FastifySchema;
}

function registerWrites(
  app: FastifyInstance,
  path: string,
  mounted: Profile | undefined,
  { gate, write, schema }: WriteRouteParts,
  explain: Explain,
): void {
  app.post(path, {
    schema,
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
