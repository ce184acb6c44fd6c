import { writeFileSync } from 'node:fs';

/** Writes what became of each test, by number and with the reason of each skip, to the file that `TEST_SUMMARY_FILE` names. */
export default class SummaryReporter {
  onTestRunEnd(modules, errors) {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const inState = (state) => tests.filter((test) => test.result().state === state);
    const broken = modules.filter((module) => module.state() === 'failed' && module.errors().length > 0);
    const summary = {
      passed: inState('passed').length,
      failed: inState('failed').length + broken.length + errors.length,
      skipped: inState('skipped').map((test) => ({
        name: `${test.module.relativeModuleId}: ${test.fullName}`,
        reason: test.result().note,
      })),
    };
    writeFileSync(process.env.TEST_SUMMARY_FILE, JSON.stringify(summary));
  }
}
