import { type Acknowledgement, parseAcknowledgement, readJson } from '@dci/protocol';
import { DciAnswerError, DciRefusal } from './errors.ts';
import { readRefusal } from './refusal.ts';
import type { HttpAnswer } from './transport.ts';

/** A request was taken; the answer is sent to the `sender_uri` it named. */
export interface Acknowledged {
  readonly transactionId: string;
  /** Under which the answer comes; not signed by the server, unlike the answer. */
  readonly correlationId: string;
}

/**
 * Reads the acknowledgement of a request that is answered later.
 *
 * @throws DciRefusal where the request was not taken, or no answer follows; DciAnswerError where it is no acknowledgement
 */
export function readAcknowledgement(answer: HttpAnswer, transactionId: string): Acknowledged {
  if (answer.status < 200 || answer.status > 299) throw readRefusal(answer);
  const { message } = understand(answer);
  if (message === undefined) throw new DciAnswerError('the server neither took the request nor refused it');
  if (message.ack_status === 'ERR') throw readRefusal(answer);
  if (message.ack_status === 'NACK')
    throw new DciRefusal({
      code: message.error?.code ?? 'err.request.bad',
      message: message.error?.message ?? 'the server took the request and will not answer it',
      status: answer.status,
    });
  return { transactionId, correlationId: message.correlation_id };
}

function understand({ body }: HttpAnswer): Acknowledgement {
  try {
    return parseAcknowledgement(readJson(body).value);
  } catch (error) {
    throw new DciAnswerError(`the acknowledgement cannot be read: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
