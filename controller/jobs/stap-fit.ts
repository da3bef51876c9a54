// Whether a host can run a SystemTap script, from what its agent says beforehand.
import type { PreflightResult, StapPlan, StapSpec } from '../../proto/capture.js';
import { fail, isFailureCode } from '../../proto/failure.js';

/** What would run there. @throws FailureError that lists all that is missing, with the first command that mends something */
export function runnablePlan(spec: StapSpec, { stap, problems }: PreflightResult): StapPlan {
  if (stap?.canRun === true) return stap;
  const fatal = problems.filter(({ isFatal }) => isFatal);
  const script = `${spec.script.name} cannot run here`;
  if (fatal.length === 0) {
    throw fail('refused', `${script}, and the agent does not say why`, 'update perftrawl on that host');
  }
  const [first] = fatal;
  const remedy = fatal.find((problem) => problem.remedy !== '')?.remedy ?? '';
  const code = isFailureCode(first.code) ? first.code : 'tool-missing';
  throw fail(code, `${script}: ${fatal.map(({ message }) => message).join('; ')}`, remedy);
}
