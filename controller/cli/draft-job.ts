// The job that a command line would ask for, without asking for it: for schedules.
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import type { App, JobRequest } from '../api.js';
import type { CliSession } from './command.js';
import type { CommandContext } from './context.js';
import { UsageError } from './usage-error.js';

/** @param args such as `record -e page-faults --on role=db` @throws UsageError, and what that command throws before it asks */
export async function draftJob(
  args: readonly string[],
  context: CommandContext,
  programOf: (session: CliSession) => CommandUnknownOpts,
): Promise<JobRequest> {
  let drafted: JobRequest | undefined;
  const taken = new Error('the job is drafted');
  const session: CliSession = {
    context: () => ({
      ...context,
      withApp: (use) =>
        context.withApp((app) =>
          use(
            drafting(app, (request) => {
              drafted = request;
              throw taken;
            }),
          ),
        ),
    }),
    end: () => undefined,
    draft: () => Promise.reject(new UsageError('a schedule cannot ask for a schedule')),
  };
  try {
    await programOf(session).parseAsync([...args], { from: 'user' });
  } catch (error) {
    if (error !== taken) throw error;
  }
  if (drafted !== undefined) return drafted;
  throw new UsageError(`'${args[0] ?? ''}' asks for no job: give record, stat, stap, faults or watch with its options`);
}

/** The app, but for what it is asked to do. */
function drafting(app: App, take: (request: JobRequest) => never): App {
  return Object.assign(Object.create(app) as App, { submit: async (request: JobRequest) => take(request) });
}
