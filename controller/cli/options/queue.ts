// To whom a job belongs on a server, when it starts there, and by what it is found again.
import { Option } from '@commander-js/extra-typings';
import { type JobRequest, PRIORITIES } from '../../api.js';
import { jobLabels, teamName } from '../../http-api/job-order.js';
import { gather } from '../command.js';
import { UsageError } from '../usage-error.js';
import { parseDuration } from './duration.js';
import { parseChoice } from './numbers.js';

/** As commander hands them over. */
export interface QueueFlags {
  readonly team?: string | undefined;
  readonly priority?: string | undefined;
  readonly label?: readonly string[] | undefined;
  readonly spread?: string | undefined;
  readonly detach?: true | undefined;
}

export type QueueFields = Pick<JobRequest, 'team' | 'priority' | 'labels' | 'spread'>;

export interface QueueOptions {
  readonly fields: QueueFields;
  /** Ask for it and do not wait. */
  readonly isDetached: boolean;
}

/** Options of every command that starts a job. */
export const QUEUE_OPTIONS = {
  label: new Option('-l, --label <key=value>', 'to find the job again; may be given several times').argParser(gather),
  spread: new Option('--spread <duration>', 'hosts begin one after the other, spread evenly over so long'),
  team: new Option('--team <team>', 'on a server: whose quota and whose share of it (default: yours)'),
  priority: new Option('--priority <priority>', `on a server: before others of the team; ${PRIORITIES.join(', ')}`),
  detach: new Option('--detach', 'on a server: print the id of the job and do not wait for it'),
};

/** @throws UsageError */
export function parseQueue({ team, priority, label, spread, detach }: QueueFlags): QueueOptions {
  if (team !== undefined && !teamName.safeParse(team).success) throw new UsageError(`--team: '${team}' is no name`);
  const labels = parseLabels('--label', label ?? []);
  return {
    isDetached: detach === true,
    fields: {
      ...(team === undefined ? {} : { team }),
      ...(priority === undefined ? {} : { priority: parseChoice('--priority', priority, PRIORITIES) }),
      ...(label === undefined ? {} : { labels }),
      ...(spread === undefined ? {} : { spread: parseDuration('--spread', spread) }),
    },
  };
}

/** @throws UsageError */
export function parseLabels(option: string, list: readonly string[]): Readonly<Record<string, string>> {
  const labels = Object.fromEntries(
    list.map((text) => {
      const at = text.indexOf('=');
      if (at < 1) throw new UsageError(`${option}: '${text}' is no KEY=VALUE`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
  const checked = jobLabels.safeParse(labels);
  if (!checked.success) throw new UsageError(`${option}: ${checked.error.issues[0]?.message ?? 'it does not fit'}`);
  return labels;
}
