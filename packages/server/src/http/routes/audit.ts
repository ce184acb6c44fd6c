import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AuditorService } from '../../services/answer-auditor.ts';
import type { Sender } from '../../services/receive-message.ts';
import type { Released } from '../../disclosure/audit-log.ts';
import { CHECKPOINTS_DOCUMENTATION, ENTRIES_DOCUMENTATION, PERSON_DOCUMENTATION } from '../audit-documentation.ts';
import type { Gate } from '../gate.ts';

export interface AuditRouteParts {
  readonly gate: Gate;
  readonly auditor: AuditorService;
}

/** `audit/…`: the audit trail, for partners that watch over the others. An identifier of a person stands in a body, never in a path. */
export function registerAuditRoutes(app: FastifyInstance, { gate, auditor }: AuditRouteParts): void {
  app.get('/audit/entries', { schema: ENTRIES_DOCUMENTATION }, (request, reply) =>
    send(reply, auditor.entries(senderOf(request), request.query as Record<string, unknown>)),
  );
  app.get('/audit/checkpoints', { schema: CHECKPOINTS_DOCUMENTATION }, (request, reply) =>
    send(reply, auditor.checkpoints(senderOf(request), request.query as Record<string, unknown>)),
  );
  app.post('/audit/person', { schema: PERSON_DOCUMENTATION }, (request, reply) => {
    const { sender, bytes } = gate.readMessage(request);
    return send(reply, auditor.person(sender, bytes));
  });

  function senderOf(request: FastifyRequest): Sender {
    const sender = gate.senderOf(request);
    if (sender === undefined) throw new Error('a request reached its handler without passing the gate');
    return sender;
  }
}

async function send(reply: FastifyReply, answer: Promise<Released>): Promise<FastifyReply> {
  const { text } = await answer;
  return await reply.header('cache-control', 'no-store').type('application/json; charset=utf-8').send(text);
}
