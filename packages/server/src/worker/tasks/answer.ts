import { ANSWER, type Answered, type AnswerWork, type RequestAnswerer } from '../../services/answer-request.ts';
import type { TaskKind } from '../task-kind.ts';

/** Answers asynchronous requests. */
export function answerTask(answerer: RequestAnswerer): TaskKind<AnswerWork, Answered> {
  return {
    kind: ANSWER,
    hands: 8,
    cap: 4,
    timeoutMs: 60_000,
    run: async ({ payload }, signal) => ({ state: 'done', record: await answerer.answer(payload, signal) }),
    record: (db, answered) => answerer.record(db, answered),
    giveUp: async ({ payload }) => ({ state: 'done', record: await answerer.fail(payload) }),
  };
}
