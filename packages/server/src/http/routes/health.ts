import type {} from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';

/** What readiness is made of; each check says what is wrong in words an operator can act on, or undefined. */
export type HealthChecks = Readonly<Record<string, () => Promise<string | undefined>>>;

export interface HealthParts {
  readonly checks: HealthChecks;
  /** What works and should not stay so: no partner registered, insecure settings. Strangers read it too. */
  readonly warnings: () => readonly string[];
}

/** `/health/live`: the process answers. `/health/ready`: it can serve; 503 names what it lacks. */
export function registerHealthRoutes(app: FastifyInstance, { checks, warnings }: HealthParts): void {
  app.get('/health/live', { schema: { hide: true } }, async (_request, reply) => reply.send({ status: 'live' }));
  const examine = shareFor(SHARED_MS, () =>
    Promise.all(
      Object.entries(checks).map(async ([name, check]) => [name, (await check().catch(() => 'the check failed')) ?? 'ok'] as const),
    ),
  );
  app.get('/health/ready', { schema: { hide: true } }, async (_request, reply) => {
    const results = await examine();
    const ready = results.every(([, result]) => result === 'ok');
    return reply
      .code(ready ? 200 : 503)
      .header('cache-control', 'no-store')
      .send({ status: ready ? 'ready' : 'not ready', checks: Object.fromEntries(results), warnings: warnings() });
  });
}

// However many ask: the database is asked once in so long.
const SHARED_MS = 1_000;

function shareFor<T>(milliseconds: number, ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  return () => {
    if (answer === undefined) {
      answer = ask();
      setTimeout(() => {
        answer = undefined;
      }, milliseconds).unref();
    }
    return answer;
  };
}
