// What weighs most over many captures, in the terminal and as CSV: the rows of each group, and what they cover.

import { csvText } from '../../export/csv-text.js';
import type { TopAnswered, TopBy } from '../../questions/top-question.js';
import type { LeftOut, TopGroup } from '../../store/top-query.js';
import { lossSummary } from '../../views/loss-text.js';
import { percentText, weightText, withCommas } from '../../views/number-text.js';
import type { Colours } from './colours.js';
import { fitTable } from './fit-table.js';
import { durationText, momentText } from './time-text.js';
import { eventLine } from './top-table.js';

export interface TopWords {
  readonly by: TopBy;
  readonly groupBy: string | undefined;
  readonly eachHostEqual: boolean;
}

/** What it covers and what it does not; then each group under its name. Texts of other machines are made printable. */
export function topLines(answer: TopAnswered, words: TopWords, width: number, colours: Colours): string[] {
  const { bold, dim, yellow } = colours;
  const losses = lossSummary(answer.losses);
  const notes = [
    ...answer.leftOut.map((one) => `left out: ${leftOutText(one)}`),
    ...(losses === '' ? [] : [`lost: ${losses}`]),
  ];
  return [
    bold(eventLine(answer.event, answer.weight, answer.type.unit, answer.samples)),
    ...coverLines(answer, words).map(dim),
    ...notes.map(yellow),
    ...answer.groups.flatMap((group) => groupLines(answer, group, words, width, colours)),
  ];
}

function groupLines(
  answer: TopAnswered,
  group: TopGroup,
  words: TopWords,
  width: number,
  { bold, dim }: Colours,
): string[] {
  const { groupBy } = words;
  const name = group.group === '' ? `without ${groupBy}` : `${groupBy}=${group.group}`;
  const counted = eventLine(answer.event, group.weight, answer.type.unit, group.samples);
  const rest = group.rowCount - group.rows.length;
  return [
    '',
    ...(groupBy === undefined
      ? []
      : [bold(`${name}  ${counted}; ${countText(group.captures, 'capture')} of ${countText(group.hosts, 'host')}`)]),
    ...rowsTable(answer, group, words, width),
    ...(rest > 0 ? [dim(`… and ${rest} more; --limit ${group.rowCount} shows them all`)] : []),
  ];
}

function rowsTable({ type }: TopAnswered, { rows }: TopGroup, { by }: TopWords, width: number): string[] {
  const right = { align: 'right' as const };
  const hasTotals = by !== 'comm';
  const isOfFunctions = by === 'self' || by === 'total';
  return fitTable(
    [
      { heading: 'SELF%', ...right },
      { heading: 'SELF', ...right },
      { heading: 'SAMPLES', ...right },
      ...(hasTotals
        ? [
            { heading: 'TOTAL%', ...right },
            { heading: 'TOTAL', ...right },
          ]
        : []),
      { heading: by === 'comm' ? 'PROCESS' : isOfFunctions ? 'FUNCTION' : 'OBJECT', isFlexible: true },
      ...(isOfFunctions ? [{ heading: 'OBJECT' }] : []),
    ],
    rows.map(({ name, object, self, total, selfShare, totalShare }) => [
      percentText(selfShare, 1, 1),
      weightText(self.weight, type.unit),
      withCommas(self.samples),
      ...(hasTotals ? [percentText(totalShare, 1, 1), weightText(total.weight, type.unit)] : []),
      name,
      ...(isOfFunctions ? [object] : []),
    ]),
    width,
  );
}

function coverLines(answer: TopAnswered, { eachHostEqual }: TopWords): string[] {
  const { captures, jobs, hosts, recorded, firstJob, lastJob, sampling } = answer;
  const span = firstJob === lastJob ? momentText(firstJob) : `${momentText(firstJob)} to ${momentText(lastJob)}`;
  const rates = sampling.map(
    ({ rate, captures: count }) => `${rate}${sampling.length === 1 ? '' : ` (${countText(count, 'capture')})`}`,
  );
  const put = eachHostEqual
    ? 'shares are the mean of those of each host'
    : 'weights add up, whatever the rates and durations';
  return [
    `${countText(captures, 'capture')} of ${countText(jobs, 'job')} on ${countText(hosts, 'host')}, ${durationText(recorded)} recorded together; jobs of ${span} UTC`,
    `sampled ${rates.join(', ')}; ${put}`,
  ];
}

/** What a person can do about it stands with it. */
function leftOutText({ reason, detail, captures }: LeftOut): string {
  const count = countText(captures, 'capture');
  switch (reason) {
    case 'other-event':
      return detail === '' ? `${count} that counted nothing` : `${count} that counted ${detail} (--event chooses)`;
    case 'other-unit':
      return `${count} that counted it in ${detail}`;
    case 'no-profile':
      return `${count} without a profile`;
    case 'unreadable':
      return `${count} whose profile cannot be read: ${detail}`;
    case 'failed':
      return `${count} that failed: ${detail}`;
    case 'not-ended':
      return `${count} that ${captures === 1 ? 'has' : 'have'} not ended`;
  }
}

function countText(count: number, what: string): string {
  return `${withCommas(count)} ${what}${count === 1 ? '' : 's'}`;
}

/** A line per row of each group; shares from 0 to 1. */
export function* topCsv({ event, type, groups }: TopAnswered): Generator<string> {
  yield 'group,name,object,event,unit,self_samples,self_weight,self_share,total_samples,total_weight,total_share\n';
  for (const { group, rows } of groups) {
    for (const { name, object, self, total, selfShare, totalShare } of rows) {
      const texts = [group, name, object, event, type.unit].map(csvText);
      yield `${[...texts, self.samples, self.weight, selfShare, total.samples, total.weight, totalShare].join(',')}\n`;
    }
  }
}
