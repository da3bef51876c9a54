// The table of results: what was measured, against whom, the ratio, what is demanded and aimed at.
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

/**
 * @typedef {object} Row
 * @property {string} what
 * @property {string} ours
 * @property {string} peer
 * @property {string} result the ratio or number to hold against the demand
 * @property {string} demand
 * @property {string} aim
 * @property {boolean | undefined} isMet undefined where the demand cannot be judged, as with --quick
 */

/** A ratio of CPU times, `peer / ours` where less of ours is better by that factor. */
export function timesLess(what, ours, peer, { demand, aim, runs, sizes }) {
  const factor = peer / ours;
  return {
    what: `${what} (${sizes})`,
    ours: seconds(ours),
    peer: `${seconds(peer)}${runs === undefined ? '' : `, ${runs}`}`,
    result: factor >= 1 ? `${factor.toFixed(1)}x less` : `${(1 / factor).toFixed(2)}x more`,
    demand: demand >= 1 ? `>= ${demand}x less` : `<= ${(1 / demand).toFixed(1)}x`,
    aim: aim > 1 ? `${aim}x` : 'faster',
    isMet: factor >= demand,
  };
}

/** A ratio that should stay small, `ours / peer`. */
export function atMostTimes(what, ours, peer, { demand, aim, sizes, show = seconds }) {
  const factor = ours / peer;
  return {
    what: `${what} (${sizes})`,
    ours: show(ours),
    peer: show(peer),
    result: `${factor.toFixed(2)}x`,
    demand: `<= ${demand}x`,
    aim: `${aim}x`,
    isMet: factor <= demand,
  };
}

export function markdown(rows, { title, notes }) {
  const columns = ['what', 'ours', 'peer', 'result', 'demand', 'aim', 'met'];
  const cells = rows.map((row) => [row.what, row.ours, row.peer, row.result, row.demand, row.aim, verdict(row.isMet)]);
  const widths = columns.map((name, i) => Math.max(name.length, ...cells.map((line) => line[i].length)));
  const line = (texts) => `| ${texts.map((text, i) => text.padEnd(widths[i])).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [`# ${title}`, '', line(columns), rule, ...cells.map(line), '', ...notes.map((note) => `- ${note}`), ''].join(
    '\n',
  );
}

/** One line about this machine. */
export function machine() {
  const model = cpus()[0]?.model ?? 'unknown CPU';
  const system = /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'unknown system';
  const memory = `${(totalmem() / 2 ** 30).toFixed(0)} GiB`;
  return `${cpus().length} x ${model}, ${memory}, ${system}, Linux ${release()}, Node ${process.versions.node}`;
}

export const seconds = (value) => (value < 1 ? `${(value * 1000).toFixed(0)} ms` : `${value.toFixed(2)} s`);
export const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 2 : 0)} MiB`;

function verdict(isMet) {
  return isMet === undefined ? '-' : isMet ? 'yes' : 'NO';
}
